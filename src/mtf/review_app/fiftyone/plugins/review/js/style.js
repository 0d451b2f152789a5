// Styles of the review: light and dark by the variables, which follow FiftyOne's theme.

export const STYLE = `
  .mtf-room { --bg: #ffffff; --soft: #eef1f4; --ink: #16191d; --dim: #4a5460; --line: #c4ccd5; --blue: #0b5cad;
    --green: #1a6b2d; --red: #a3261a; --amber: #8a4b00; }
  .mtf-room.dark { --bg: #15181c; --soft: #22272e; --ink: #f0f2f4; --dim: #b6bfc9; --line: #4b5561; --blue: #7db7f5;
    --green: #84d894; --red: #f5a296; --amber: #ffc069; }
  .mtf-room { position: absolute; inset: 0; display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr) 376px;
    gap: 10px 16px; padding: 12px 16px; box-sizing: border-box; overflow: hidden; background: var(--bg);
    color: var(--ink); font: 14px/1.35 system-ui, sans-serif; }
  .mtf-room h1 { font: 600 21px/1.25 system-ui, sans-serif; margin: 0; color: var(--ink); }
  .mtf-room h2 { font: 600 13px/1.3 system-ui, sans-serif; margin: 0 0 6px; color: var(--ink); }
  .mtf-head { grid-column: 1 / -1; display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 20px; }
  .mtf-head p { margin: 0; color: var(--dim); }
  .mtf-head p:last-child { margin-left: auto; }
  .mtf-faces { position: relative; overflow: hidden; }
  .mtf-grid { display: grid; justify-content: start; align-content: start; gap: 10px; }
  .mtf-face { position: relative; cursor: pointer; outline: none; }
  .mtf-face img, .mtf-face .none { display: block; width: 100%; object-fit: contain; background: var(--soft);
    border-radius: 6px; transition: opacity .15s; }
  .mtf-face .none { display: grid; place-items: center; color: var(--dim); font-size: 12px; text-align: center; }
  .mtf-face.focus img, .mtf-face.focus .none { box-shadow: 0 0 0 3px var(--bg), 0 0 0 6px var(--blue); }
  .mtf-face.marked img { box-shadow: 0 0 0 4px var(--amber); }
  .mtf-face.marked.focus img { box-shadow: 0 0 0 4px var(--amber), 0 0 0 7px var(--blue); }
  .mtf-face.keeper { outline: 3px solid var(--green); outline-offset: 3px; border-radius: 6px; }
  .mtf-face.said img { opacity: .18; }
  .mtf-face .verdict { position: absolute; inset: auto 0 auto 0; top: 38%; text-align: center; font-weight: 600;
    font-size: 12px; color: var(--ink); }
  .mtf-face .verdict span, .mtf-face .tick { background: var(--bg); border-radius: 4px; padding: 1px 6px; }
  .mtf-face .tick { position: absolute; top: 5px; left: 5px; color: var(--amber); font-weight: 700; font-size: 12px; }
  .mtf-face .caption { overflow: hidden; font-size: 12px; line-height: 17px; color: var(--dim); padding-top: 7px;
    box-sizing: border-box; }
  .mtf-face .caption b { color: var(--ink); font-weight: 600; }
  .mtf-aside { overflow: auto; min-height: 0; border-left: 1px solid var(--line); padding-left: 14px; }
  .mtf-aside dl { margin: 0 0 12px; display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 2px 10px; }
  .mtf-aside dt { color: var(--dim); } .mtf-aside dd { margin: 0; overflow-wrap: anywhere; }
  .mtf-aside a { color: var(--blue); }
  .mtf-aside ul { margin: 0 0 12px; padding-left: 18px; color: var(--amber); }
  .mtf-accepted { display: flex; flex-wrap: wrap; gap: 6px; }
  .mtf-accepted img { object-fit: contain; background: var(--soft); border-radius: 5px; }
  .mtf-foot { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center;
    border-top: 1px solid var(--line); padding-top: 8px; }
  .mtf-foot .message { flex: 1 0 100%; order: -1; text-align: right; font-weight: 600; height: 20px; overflow: hidden;
    white-space: nowrap; text-overflow: ellipsis; }
  .mtf-room .refused { color: var(--amber); } .mtf-room .waiting { color: var(--blue); }
  .mtf-room kbd { font: 600 12px/1 ui-monospace, monospace; background: var(--soft); color: var(--ink);
    border: 1px solid var(--line); border-radius: 4px; padding: 2px 5px; margin-right: 6px; }
  .mtf-whole { position: absolute; inset: 0; z-index: 3; background: var(--bg); display: grid; place-items: center; }
  .mtf-whole img { max-width: 100%; max-height: 100%; min-height: 60%; object-fit: contain; }
  .mtf-empty { grid-column: 1 / -1; align-self: center; text-align: center; font-size: 17px; }
  @media (max-width: 1199px) { .mtf-room { grid-template-columns: minmax(0, 1fr) 276px; } }
  @media (max-width: 900px), (max-height: 560px) {
    .mtf-room { grid-template-columns: minmax(0, 1fr) 176px; padding: 6px 8px; gap: 6px 8px; font-size: 12px; }
    .mtf-room h1 { font-size: 16px; }
    .mtf-foot { gap: 3px 4px; padding-top: 3px; }
    .mtf-foot button { padding: 1px 5px; font-size: 11px; min-width: 0; }
    .mtf-room kbd { margin-right: 3px; padding: 1px 3px; }
  }
  @media (prefers-reduced-motion: reduce) { .mtf-face img { transition: none; } }

  body:has([data-cy="mtf-room"]) [data-cy="sidebar"] { display: none !important; }

  .mtf-panel { padding: 16px; font: 14px system-ui, sans-serif; overflow: auto; height: 100%; box-sizing: border-box;
    position: static; display: block; }
  .mtf-panel table { border-collapse: collapse; margin: 8px 0 20px; }
  .mtf-panel td, .mtf-panel th { padding: 4px 14px 4px 0; text-align: right; color: var(--ink); }
  .mtf-panel td:first-child, .mtf-panel th:first-child { text-align: left; }
  .mtf-panel progress { width: 180px; }`;
