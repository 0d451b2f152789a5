// The review's modules, loaded as a browser loads them, on a stand-in for the page and the server. Each call of `load`
// has modules of its own, so that no test begins with another's state.
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Clock } from "./clock.mjs";

const SOURCES = new URL("../../../src/mtf/review_app/fiftyone/plugins/review/js", import.meta.url);
const MODULES = ["server", "fit", "pictures", "store", "verdicts", "keyboard", "watch"];

const face = (id) => ({
  id, person: "ada", name: "Ada", crop: `/${id}.jpg`, picture: `/${id}-whole.jpg`, labels: { age: "Young" },
  corrected: [], hints: [], said: null, keeper: null,
});

// An answer of the server, as `mtf.review_app.fiftyone.page_answer` gives it.
export const page = (ids, more = {}) => ({
  reviewer: "anna", joint: false, step: "face", run: "unsure", settle: null, question: "a whole face?", can_keep: false,
  reasons: ["not_a_face", "partial_face"], asked_reasons: ["not_a_face", "partial_face"],
  reason_keys: { not_a_face: "1", partial_face: "2", childhood: "0" },
  labels: { gender: ["Females", "Males"], age: ["Young", "Old"] },
  steps: [{ step: "face", title: "faces", done: 0, open: ids.length }], per_minute: null, minutes_left: null,
  page: ids, faces: ids.map(face), accepted: { ada: [] }, gone: [], ...more,
});

export async function load({ path = "/datasets/sample-anna" } = {}) {
  const clock = new Clock();
  const listeners = new Map();
  const session = new Map();
  const window = {
    location: { pathname: path, reload: () => { window.reloads += 1; } }, reloads: 0,
    sessionStorage: { getItem: (name) => session.get(name) ?? null, setItem: (name, value) => session.set(name, value) },
    addEventListener: (name, listener) => listeners.set(name, [...(listeners.get(name) ?? []), listener]),
    setTimeout: (run, ms) => clock.start(run, ms), clearTimeout: (id) => clock.stop(id),
  };
  const review = { clock, window, asked: [], answers: { page: page(["f1", "f2", "f3", "f4"]) }, isReachable: true };
  Object.assign(globalThis, { window, Image: class { async decode() {} } });
  globalThis.fetch = (url, options) => answer(review, url, options);
  URL.createObjectURL = (blob) => `blob:${blob}`;
  URL.revokeObjectURL = () => {};
  review.press = async (key, more = {}) => {
    const event = { key, code: /^\d$/.test(key) ? `Digit${key}` : "", target: null, ...more };
    event.preventDefault = () => { event.isTaken = true; };
    event.stopImmediatePropagation = () => {};
    (listeners.get("keydown") ?? []).forEach((listener) => listener(event));
    await clock.pass(0);
    return Boolean(event.isTaken);
  };
  const folder = await mkdtemp(join(tmpdir(), "review-"));
  await cp(SOURCES, folder, { recursive: true });
  await writeFile(join(folder, "package.json"), '{"type": "module"}'); // a browser is told so by the script's tag
  try {
    for (const name of MODULES) review[name] = await import(pathToFileURL(join(folder, `${name}.js`)));
  } finally { await rm(folder, { recursive: true }); }
  return review;
}

// A review whose first page is on the screen and was looked at; `hold` keeps answers back until it is called again.
export async function ready() {
  const review = await load();
  review.keyboard.listenToKeys({ isShown: () => true, columns: () => 2, focusNow: () => {} });
  await review.verdicts.refresh();
  review.store.state.isLookedAt = true;
  review.asked.length = 0;
  return review;
}

async function answer(review, url, options) {
  if (!String(url).startsWith("/operators")) return { ok: true, blob: async () => url };
  const { operator_uri: uri, params } = JSON.parse(options.body);
  const operator = uri.split("/").pop();
  if (operator === "upcoming") return { ok: true, json: async () => ({ result: { crops: [], accepted: {} } }) };
  review.asked.push({ operator, params });
  if (review.held) await review.held;
  if (!review.isReachable) throw new TypeError("Failed to fetch");
  const found = review.answers[operator];
  const result = typeof found === "function" ? found(params) : found;
  return { ok: true, json: async () => ({ result }) };
}
