// The review as the panel shows it: the question, the faces, what is known of the one in focus, and the keys.
import { fit } from "./fit.js";
import { help, holdPicture, pick, startLabel } from "./keyboard.js";
import { CHOICES } from "./keys.js";
import { load, urlOf } from "./pictures.js";
import { changed, focused, isDetour, moveTo, offered, onScreen, setShown, state, toggleMark } from "./store.js";
import { mode, theme } from "./theme.js";
import { decide, loadShown, turn, undo, wasDrawn } from "./verdicts.js";

const React = window.React;
const mui = window.__mui__;
const make = React.createElement;

const CAPTION_PX = { name: 24, reason: 41 };
// Width of the column beside the faces, which shows accepted faces at their scale; as in the style sheet.
const ASIDE_PX = [[900, 176], [1199, 276], [Infinity, 376]];
const FRAME_PX = 38;
const A_LOOK_MS = 350;     // until a page that has appeared may be decided as a whole
export let columns = 1;

export function Surface() {
  const scheme = mode();
  const area = React.useRef(null);
  const [size, setSize] = React.useState({ width: 0, height: 0 });
  React.useLayoutEffect(() => {
    if (!area.current) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      // A panel that is not on the screen has no size; what fits is known again once it is back.
      if (width && height) setSize({ width: width - 14, height: height - 14 });
    });
    observer.observe(area.current);
    return () => observer.disconnect();
  }, [Boolean(state.answer && state.faces.length)]);
  if (!state.answer) return make("div", { className: `mtf-room ${scheme}` }, "…");
  const isEmpty = !state.faces.length;
  return make(mui.ThemeProvider, { theme: theme(scheme) },
    make("div", { className: `mtf-room ${scheme}`, "data-cy": "mtf-room", "data-answers": state.message.number || 0 },
      make(Head),
      isEmpty ? make(Empty) : make(Faces, { area, size }),
      isEmpty ? null : make(Aside),
      make(Foot),
      make(Help)));
}

function Head() {
  const { answer } = state;
  const now = answer.steps.find((one) => one.step === answer.step);
  const who = answer.joint ? "joint session" : answer.reviewer;
  const left = answer.per_minute ? `${answer.per_minute} a minute, about ${answer.minutes_left} min left` : "";
  return make("header", { className: "mtf-head" },
    make("h1", { id: "mtf-question" }, headline()),
    make("p", null, [now && !isDetour() ? partOfPage() : "", answer.run && !isDetour() ? runInWords(answer.run) : ""]
      .filter(Boolean).join(" · ")),
    make("p", null, [who, now ? `${now.title}: ${now.done} done, ${now.open} open` : "", left].filter(Boolean).join(" · ")));
}

function headline() {
  if (isDetour()) {
    const face = focused();
    const step = face && state.answer.steps.find((one) => one.step === state.at[face.id]);
    return `Decide again${step ? ` (step ${step.title})` : ""}: ${face ? face.name : ""}`;
  }
  return state.answer.question || "Nothing is left for you.";
}

function partOfPage() {
  const shown = onScreen().length;
  const all = state.faces.length;
  const faces = all === 1 ? "1 face" : `${all} faces`;
  return shown < all ? `faces ${state.first + 1} to ${state.first + shown} of ${all}` : faces;
}

const RUNS = {
  "likely accept": "probably all yes: pick out the exceptions", "likely reject": "probably all no: pick out the exceptions",
};
const runInWords = (run) => RUNS[run] || (run === "unsure" ? "" : run);

function Empty() {
  return make("p", { className: "mtf-empty" },
    "Nothing is left for you. Stop the review app with Ctrl-C where it was started.");
}

// ---- the faces -------------------------------------------------------------------------------------------------
function Faces({ area, size }) {
  const people = new Set(state.faces.map((face) => face.person));
  const caption = state.answer.can_keep ? CAPTION_PX.reason : people.size > 1 || isDetour() ? CAPTION_PX.name : 0;
  const mostPx = ASIDE_PX.find(([upTo]) => window.innerWidth <= upTo)[1] - FRAME_PX;
  const fitted = (count) => fit(count, size.width, size.height, { caption, mostPx });
  const place = fitted(state.faces.length);
  columns = place.columns;
  const shown = onScreen();
  const sized = shown.length && shown.length < place.shown && shown.length < state.faces.length
    ? fitted(place.shown) : place;
  state.side = sized.side;
  React.useLayoutEffect(() => { if (size.width) setShown(place.shown); }, [place.shown, size.width, state.faces.length]);
  const key = `${shown.map((face) => face.id).join()}`;
  React.useEffect(() => {
    let isGone = false;
    let timer = null;
    loadShown().then(() => {
      if (isGone) return;
      shown.forEach((face) => { if (urlOf(face.crop) === null) state.missing.add(face.id); });
      changed();
      requestAnimationFrame(() => { if (!isGone) wasDrawn(); });
      timer = window.setTimeout(() => { state.isLookedAt = true; }, A_LOOK_MS);
    });
    return () => { isGone = true; window.clearTimeout(timer); };
  }, [key]);
  return make("main", { className: "mtf-faces", ref: area },
    make("div", {
      className: "mtf-grid", role: "listbox", "aria-multiselectable": true, "aria-labelledby": "mtf-question",
      style: { gridTemplateColumns: `repeat(${sized.columns}, ${sized.side}px)`, padding: 7 },
    }, shown.map((face, number) => make(Face, { key: face.id, face, number, side: sized.side, caption, people }))),
    state.isPictureHeld && focused() ? make(WholePicture, { face: focused() }) : null);
}

function Face({ face, number, side, caption, people }) {
  const said = state.said.get(face.id);
  const isWaiting = state.waiting.has(face.id);
  const isMarked = state.marked.has(face.id);
  const isFocus = state.focus === face.id;
  const url = state.missing.has(face.id) ? null : urlOf(face.crop);
  const name = [
    `Face ${number + 1}`, people.size > 1 ? face.name : "", face.keeper ? "proposed to keep" : "",
    said || (isWaiting ? "waiting" : ""), ...face.hints,
  ].filter(Boolean).join(", ");
  const classes = ["mtf-face", isFocus && "focus", isMarked && "marked", face.keeper && "keeper",
    (said || isWaiting) && "said"].filter(Boolean).join(" ");
  return make("div", {
    className: classes, role: "option", "aria-selected": isMarked, "aria-label": name, tabIndex: isFocus ? 0 : -1,
    "data-id": face.id, "data-cy": "mtf-face",
    onClick: () => { moveTo(face.id); toggleMark(face.id); },
    onFocus: () => { if (!isFocus) moveTo(face.id); },
  },
  url ? make("img", { src: url, alt: "", style: { height: side } })
    : make("div", { className: "none", style: { height: side } }, url === null ? "no picture any more" : "…"),
  isMarked ? make("span", { className: "tick", "aria-hidden": true }, "marked") : null,
  said || isWaiting ? make("div", { className: "verdict", "aria-hidden": true }, make("span", null, said || "…")) : null,
  caption ? make(Caption, { face, people, height: caption }) : null);
}

function Caption({ face, people, height }) {
  const text = state.answer.can_keep && !isDetour()
    ? (face.keeper ? [make("b", { key: 1 }, "proposed to keep: "), face.keeper] : `${face.size_px} px wide`)
    : (people.size > 1 || isDetour() ? face.name : "");
  return make("div", { className: "caption", "aria-hidden": true, style: { height } }, text);
}

function WholePicture({ face }) {
  const [url, setUrl] = React.useState(urlOf(face.picture));
  React.useEffect(() => { load(face.picture).then(() => setUrl(urlOf(face.picture))); }, [face.picture]);
  return make("div", { className: "mtf-whole", "data-cy": "mtf-whole" }, url
    ? make("img", { src: url, alt: `The whole picture; the box marks the face of ${face.name}` })
    : url === null ? "no picture any more" : "…");
}

// ---- what is known of the face in focus ------------------------------------------------------------------------
function Aside() {
  const face = focused();
  if (!face) return make("aside", { className: "mtf-aside", "aria-label": "The face in focus" });
  const accepted = (state.accepted[face.person] || []).slice(0, 12);
  const { side } = state;
  const rows = [
    ["license", face.license || "not stated"], ["source", make(mui.Link, {
      href: face.source, target: "_blank", rel: "noopener noreferrer nofollow" }, hostOf(face.source))],
    ["creator", face.creator], ["title", face.title], ["size", `${face.size_px} px`],
    ...Object.entries(face.labels).map(([column, label]) =>
      [column, face.corrected.includes(column) ? `${label} (corrected by you)` : label]),
  ].filter(([, value]) => value);
  return make("aside", { className: "mtf-aside", "aria-label": "The face in focus", tabIndex: 0 },
    make("h2", null, face.name),
    make("dl", null, rows.flatMap(([name, value]) => [make("dt", { key: name }, name), make("dd", { key: name + "v" }, value)])),
    face.hints.length || face.said ? make("ul", null, [face.said, ...face.hints].filter(Boolean)
      .map((hint) => make("li", { key: hint }, hint))) : null,
    make("h2", null, accepted.length ? `Accepted as ${face.name}` : `No face accepted as ${face.name} yet`),
    make("div", { className: "mtf-accepted" }, accepted.map((one, number) => urlOf(one.crop)
      ? make("img", { key: one.id, src: urlOf(one.crop), alt: `Accepted face ${number + 1} of ${face.name}`,
        style: { width: side, height: side } }) : null)));
}

function hostOf(address) {
  try { return new URL(address).host; } catch { return address; }
}

// ---- keys ------------------------------------------------------------------------------------------------------
function Foot() {
  return make("footer", { className: "mtf-foot" },
    ...(state.choosing ? choices() : state.faces.length ? keys() : [key("u", "undo", undo)]),
    make("span", { className: `message ${state.message.kind}`, role: "status", "data-cy": "mtf-message" },
      state.message.text));
}

function key(name, text, onClick, more = {}) {
  return make(mui.Button, { key: name + text, size: "small", variant: "outlined", onClick, tabIndex: -1, ...more },
    make("kbd", { "aria-hidden": true }, name), text);
}

function keys() {
  const { answer } = state;
  const reject = (reason) => () => decide("reject", { reason });
  const first = !isDetour() && answer.settle ? [key("l", `give the label ${answer.settle}`, startLabel)] : [];
  return [
    ...first,
    key("a", "accept", () => decide("accept")),
    ...(answer.can_keep ? [key("k", "keep this one", () => decide("keep"))] : []),
    ...answer.asked_reasons.map((reason) => key(answer.reason_keys[reason], reason.replaceAll("_", " "), reject(reason))),
    key("s", "skip", () => decide("skip")),
    key("u", "undo", undo),
    key("Shift a", "accept all that are left", () => decide("accept", { whole: true })),
    key("p", "whole picture", () => holdPicture(!state.isPictureHeld)),
    key("?", "all keys", () => help(true)),
    ...(isDetour() ? [key("n", "back to the page", turn)] : []),
  ];
}

// A label as a row of choices: first which one, then its value.
function choices() {
  const { column, from } = state.choosing;
  const face = focused();
  const all = offered();
  const shown = all.slice(from, from + CHOICES.length);
  return [
    make("span", { key: "what" }, column ? `${column} should be` : "Correct which label?"),
    make(mui.ToggleButtonGroup, { key: "row", size: "small", exclusive: true, "aria-label": column || "label",
      value: column && face ? face.labels[column] : null },
    shown.map((choice, index) => make(mui.ToggleButton, { key: choice, value: choice, onClick: () => pick(choice),
      sx: { textTransform: "none", color: "text.primary" } },
    make("kbd", { "aria-hidden": true }, CHOICES[index]), choice))),
    ...(all.length > CHOICES.length ? [make("span", { key: "0" }, make("kbd", null, "0"), "more")] : []),
    make("span", { key: "esc" }, make("kbd", null, "Esc"), "leave it"),
  ];
}

function Help() {
  const { answer } = state;
  const lines = [
    ["← ↑ → ↓", "move to another face"], ["Space", "mark a face: the next key is about all marked ones"],
    ["Esc", "remove all marks"], ["a", "accept"], ["x", "reject for the step's first reason"],
    ...answer.reasons.map((reason) => [answer.reason_keys[reason], `reject: ${reason.replaceAll("_", " ")}`]),
    ...(answer.can_keep ? [["k", "keep this face of its group, reject the others as its duplicates"]] : []),
    ["l", "correct a label"], ["s", "skip: leave it for later"], ["u", "undo the last action, also of an earlier session"],
    ["Shift + key", "accept, reject or skip all faces on the screen that are not decided"],
    ["p", "hold: the whole picture with the face marked"], ["n", "a new page, planned from all verdicts so far"],
    ["?", "show or leave these keys"],
  ];
  return make(mui.Dialog, { open: state.isHelping, onClose: () => help(false), "aria-labelledby": "mtf-help" },
    make(mui.DialogTitle, { id: "mtf-help" }, "Keys"),
    make(mui.DialogContent, { className: `mtf-help ${mode()}`, tabIndex: 0 }, make("table", null, make("tbody", null,
      lines.map(([name, text]) => make("tr", { key: name + text },
        make("th", { scope: "row", style: { textAlign: "left", padding: "2px 18px 2px 0" } }, name), make("td", null, text)))))),
    make(mui.DialogActions, null, make(mui.Button, { onClick: () => help(false), autoFocus: true }, "Close")));
}
