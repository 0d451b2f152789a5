// Styles of the bar and the panel. FiftyOne is shortened by the bar's height, so that the bar covers nothing of it.

export const STYLE = `
  #mtf-bar { position: fixed; left: 0; right: 0; bottom: 0; z-index: 100000; display: flex;
    flex-direction: column; gap: 4px; padding: 8px 14px; background: #15181c; color: #e8eaed;
    font: 13px/1.25 system-ui, sans-serif; border-top: 2px solid #4a90d9; box-sizing: border-box; }
  #mtf-bar .line { display: flex; flex-wrap: wrap; gap: 3px 18px; }
  #mtf-bar .line > span, #mtf-bar strong { white-space: nowrap; }
  #mtf-bar .keys { color: #aab2bd; column-gap: 14px; }
  #mtf-bar kbd { background: #2c3440; border-radius: 3px; padding: 0 5px; color: #fff; font: inherit; }
  #mtf-bar .run-accept { color: #7fd18b; }
  #mtf-bar .run-reject { color: #f09a8c; }
  #mtf-bar .line > .message { margin-left: auto; font-weight: 600; white-space: normal; }
  #mtf-bar .refused { color: #ffb454; }
  #mtf-bar .waiting { color: #8ab4f8; }

  body.mtf-review #root { height: calc(100vh - var(--mtf-bar)) !important; overflow: hidden; }
  body.mtf-review [data-cy="modal"] { bottom: var(--mtf-bar) !important;
    height: calc(100vh - var(--mtf-bar)) !important; }
  body.mtf-review .notistack-SnackbarContainer,
  body.mtf-review [class*="MuiSnackbar-anchorOriginBottom"] { bottom: calc(var(--mtf-bar) + 14px) !important; }
  body.mtf-review [data-cy="modal"] :has(> [data-cy="annotate"]) { display: none !important; }

  .mtf-panel { padding: 16px; color: #e8eaed; font: 14px system-ui, sans-serif; overflow: auto; height: 100%; }
  .mtf-panel table { border-collapse: collapse; margin: 8px 0 20px; }
  .mtf-panel td, .mtf-panel th { padding: 4px 14px 4px 0; text-align: right; }
  .mtf-panel td:first-child, .mtf-panel th:first-child { text-align: left; }
  .mtf-panel progress { width: 180px; }`;
