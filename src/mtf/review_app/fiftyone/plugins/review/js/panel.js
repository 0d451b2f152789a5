// Panels of the plugin: the review itself, and the progress of everybody.
import { ask } from "./server.js";
import { listen, state } from "./store.js";
import { mode } from "./theme.js";
import { watch } from "./watch.js";

const fop = window.__fop__;
const React = window.React;
const make = React.createElement;
const OTHERS_MS = 10000;

export const ROOM = "mtf_review_room";

// Element of the review, outside FiftyOne's own elements: it outlives a panel that FiftyOne draws anew.
export const element = document.createElement("div");
element.style.cssText = "position: relative; height: 100%; width: 100%";

export const isShown = () => element.isConnected && element.offsetParent !== null
  && !document.querySelector('[data-cy="modal"], [role="dialog"]:not([aria-labelledby="mtf-help"])');

export function registerPanels() {
  register(ROOM, "Review", Room);
  register("mtf_review_progress", "Review progress", Progress);
}

function register(name, label, component) {
  fop.registerComponent({
    name, label, component, type: fop.PluginComponentType.Panel, activator: () => true,
    panelOptions: { surfaces: "grid", allowDuplicates: false },
  });
}

function Room() {
  const place = React.useRef(null);
  React.useLayoutEffect(() => { place.current.append(element); return () => element.remove(); }, []);
  return make("div", { ref: place, style: { height: "100%", width: "100%" } });
}

function Progress() {
  const [others, setOthers] = React.useState({ everyone: {}, silent: 0 });
  const [, redraw] = React.useState(0);
  React.useEffect(() => {
    const update = () => ask("progress").then((answer) => { if (!answer.refused) setOthers(answer); });
    update().catch(() => {});
    const end = watch(update, { usualMs: OTHERS_MS });
    const stop = listen(() => redraw((count) => count + 1));
    return () => { end(); stop(); };
  }, []);
  const classes = `mtf-room mtf-panel ${mode()}`;
  if (!state.answer) return make("div", { className: classes }, "…");
  return make("div", { className: classes, "data-cy": "mtf-progress", tabIndex: 0 },
    make("h2", null, state.answer.joint ? "joint session" : state.answer.reviewer), ownTable(),
    make("h2", null, "faces decided, by reviewer"), everyonesTable(others.everyone),
    others.silent ? make("p", null, `${others.silent} of the panel have decided nothing yet`) : null);
}

function ownTable() {
  const rows = state.answer.steps.map((one) => make("tr", { key: one.step },
    make("td", null, one.title), make("td", null, one.done), make("td", null, one.open),
    make("td", null, make("progress", { max: Math.max(one.done + one.open, 1), value: one.done,
      "aria-label": `${one.title}: ${one.done} done` }))));
  return table(["step", "done", "open", "share done"], rows);
}

function everyonesTable(everyone) {
  const rows = Object.entries(everyone).map(([name, counts]) => make("tr", { key: name },
    make("td", null, name), state.answer.steps.map((one) => make("td", { key: one.step }, counts[one.step] || 0))));
  return table(["reviewer", ...state.answer.steps.map((one) => one.title)], rows);
}

function table(titles, rows) {
  const head = make("tr", null, titles.map((title) => make("th", { key: title, scope: "col" }, title)));
  return make("table", null, make("thead", null, head), make("tbody", null, rows));
}
