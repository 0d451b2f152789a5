// The review's modules, loaded as a browser loads them, on a stand-in for the page and for FiftyOne: what they ask of
// either is written down. Each call of `load` has modules of its own, so that no test begins with another's state.
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Clock } from "./clock.mjs";
import { Element, Page } from "./page.mjs";

const SOURCES = new URL("../../../src/mtf/review_app/fiftyone/plugins/review/js", import.meta.url);
const SELECT = "fiftyone.core.stages.Select";

// A first answer of the server, as `mtf.review_app.fiftyone.operators` gives it for a page of four faces.
export const FIRST_PAGE = {
  reviewer: "anna", joint: false, step: "face", page: ["f1", "f2", "f3", "f4"], run: "looks like a face",
  proposed: [], can_keep: false, reasons: ["not_a_face", "partial_face"], settle: null,
  reason_keys: { not_a_face: "1", partial_face: "2", childhood: "0", exact_duplicate: "e" }, question: "a whole face?",
  labels: { gender: ["Females", "Males"], age: ["Young", "Old"] },
  steps: [{ step: "face", title: "faces", done: 0, open: 4 }, { step: "duplicate", title: "duplicates", done: 1, open: 2 }],
  per_minute: null, minutes_left: null,
};

export async function load({ first = FIRST_PAGE, path = "/datasets/sample-anna", begin = true } = {}) {
  const room = new Room(first, path);
  const folder = await mkdtemp(join(tmpdir(), "review-"));
  await cp(SOURCES, folder, { recursive: true });
  await writeFile(join(folder, "package.json"), '{"type": "module"}'); // a browser is told so by the script's tag
  const load_ = (name) => import(pathToFileURL(join(folder, name)));
  try {
    for (const name of ["state", "server", "grid", "bar", "acts", "keyboard", "watch"]) {
      room.modules[name] = await load_(`${name}.js`);
    }
    if (begin) {
      await load_("begin.js");
      await room.clock.pass(400);
      room.forget();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return room;
}

class Room {
  constructor(first, path) {
    this.modules = {};              // the review's own, by name
    this.executed = [];             // [operator of FiftyOne, parameters]
    this.asked = [];                // {operator, params} of the review app's server
    this.answers = { page: first }; // operator → what the server answers: a value, or a function of the parameters
    this.isReachable = true;
    this.clock = new Clock();
    this.page = new Page(path, this.clock);
    this.operators = new Map();
    this.view = [];
    this.viewName = null;
    this.filters = {};
    this.selected = [];
    this.current = null;
    Object.assign(globalThis, { document: this.page.document, window: this.page.window });
    globalThis.fetch = (url, options) => this.fetch(url, options);
    Object.assign(this.page.window, { __foo__: this.foo(), __fop__: fop(), React: react() });
  }

  forget() { this.executed.length = 0; this.asked.length = 0; }

  // The names of FiftyOne's own operators that were executed since the last `forget`.
  get done() { return this.executed.map(([name]) => name).filter((name) => !name.startsWith("@mtf/review/")); }

  get bar() { return this.page.document.getElementById("mtf-bar").textContent.replace(/\s+/g, " "); }

  get message() { return this.page.document.getElementById("mtf-bar").find((one) => one.className.startsWith("message")); }

  foo() {
    const room = this;
    return {
      Operator: class {},
      OperatorConfig: class { constructor(options) { Object.assign(this, options); } },
      registerOperator(Own, plugin) { const own = new Own(); room.operators.set(`${plugin}/${own.config.name}`, own); },
      executeOperator(name, params) { room.executed.push([name, params]); return room.execute(name, params); },
    };
  }

  execute(name, params) {
    const own = this.operators.get(name);
    if (own) return own.execute(this.context(params));
    if (name === "set_view") { this.view = params.view; this.selected = []; this.page.faces = kwarg(this.view); }
    if (name === "clear_selected_samples") this.selected = [];
    if (name === "set_selected_samples") this.selected = params.samples;
    if (name === "open_sample") this.open(params.id);
    if (name === "close_sample") this.close();
    return undefined;
  }

  context(params) {
    const { view, viewName, filters } = this;
    const currentSample = this.current && `${this.current}-modal`;
    return { params, view, viewName, filters, currentSample, selectedSamples: new Map(this.selected.map((id) => [id, {}])) };
  }

  open(id) { this.current = id; this.page.shows.add("modal"); }

  close() { this.current = null; this.page.shows.delete("modal"); }

  // A click on faces, which FiftyOne has selected once it is over.
  async select(...ids) {
    this.selected = ids;
    this.page.fire("click", { target: new Element("div") });
    await this.clock.pass(300);
  }

  async press(key, options = {}) {
    const event = this.page.fire("keydown", { key, code: codeOf(key), target: null, ...options });
    await this.clock.pass(50);
    return event;
  }

  async fetch(url, { body }) {
    if (!this.isReachable) throw new Error("connection refused");
    const { operator_uri: uri, dataset_name: dataset, params } = JSON.parse(body);
    const operator = uri.replace("@mtf/review/", "");
    this.asked.push({ operator, dataset, params, url });
    const known = this.answers[operator];
    const answer = typeof known === "function" ? known(params) : known;
    if (answer?.status) return { ok: false, status: answer.status };
    return { ok: true, json: async () => (answer?.error ? answer : { result: answer }) };
  }
}

const kwarg = (view) => Object.fromEntries(view[0].kwargs).sample_ids;

export const viewOf = (ids) => [{ _cls: SELECT, kwargs: [["sample_ids", ids], ["ordered", true]] }];

const codeOf = (key) => (/^\d$/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`);

function fop() { return { registerComponent() {}, PluginComponentType: { Panel: "panel" } }; }

function react() { return { createElement: (...parts) => parts }; }
