// Progress panel: the reviewer's own steps, and the number of faces that everyone decided.
import { listeners } from "./bar.js";
import { ask } from "./server.js";
import { state } from "./state.js";

const fop = window.__fop__;
const React = window.React;
const make = React.createElement;
const OTHERS_MS = 10000;

fop.registerComponent({
  name: "mtf_review_progress",
  label: "Review progress",
  component: Progress,
  type: fop.PluginComponentType.Panel,
  activator: () => true,
  panelOptions: { surfaces: "grid" },
});

function Progress() {
  const [everyone, setEveryone] = React.useState(null);
  const [silent, setSilent] = React.useState(0);
  const [, redraw] = React.useState(0);
  React.useEffect(() => {
    const listener = () => {
      redraw((count) => count + 1);
      ask("progress").then((answer) => { setEveryone(answer.everyone); setSilent(answer.silent); }).catch(() => {});
    };
    listeners.add(listener);
    listener();
    const often = window.setInterval(listener, OTHERS_MS);
    return () => { listeners.delete(listener); window.clearInterval(often); };
  }, []);
  if (!state) return make("div", { className: "mtf-panel" }, "…");
  return make("div", { className: "mtf-panel", "data-cy": "mtf-progress" },
    make("h3", null, state.joint ? "joint session" : state.reviewer), ownTable(),
    make("h3", null, "faces decided, by reviewer"), everyonesTable(everyone || {}),
    silent ? make("p", null, `${silent} of the panel have decided nothing yet`) : null);
}

function ownTable() {
  const rows = state.steps.map((one) => make("tr", { key: one.step },
    make("td", null, one.title), make("td", null, one.done), make("td", null, one.open),
    make("td", null, make("progress", { max: Math.max(one.done + one.open, 1), value: one.done }))));
  return table(["step", "done", "open", ""], rows);
}

function everyonesTable(everyone) {
  const rows = Object.entries(everyone).map(([name, counts]) => make("tr", { key: name },
    make("td", null, name), state.steps.map((one) => make("td", { key: one.step }, counts[one.step] || 0))));
  return table(["reviewer", ...state.steps.map((one) => one.title)], rows);
}

function table(titles, rows) {
  const head = make("tr", null, titles.map((title) => make("th", { key: title }, title)));
  return make("table", null, make("thead", null, head), make("tbody", null, rows));
}
