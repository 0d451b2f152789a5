// Verdicts: sent one after another, and confirmed once they are on disk.
import { forgetAllBut, load } from "./pictures.js";
import { ask } from "./server.js";
import {
  changed, chosen, confirm, expectVerdicts, isDetour, openOnScreen, release, say, showPage, state, take,
} from "./store.js";

const WORDS = { accept: "accepted", reject: "rejected", skip: "skipped", keep: "kept", label: "labelled" };
const LOST = "mtf-keys-not-confirmed";      // {text, ids} of the keys that were not confirmed, in the tab's storage
const ANSWERS_AGAIN = "the review app answers again; the faces on the screen are those that are not decided";
const queue = [];
let isRunning = false;
let sent = 0;              // requests since the tab was loaded
let pressedAt = null;      // when the key was pressed that the next page waits for
let next = { crops: [], accepted: {} };

// Decide the chosen faces, or with `whole` all that are open on the screen.
export function decide(verb, { whole = false, ...params } = {}) {
  if (whole && !state.isLookedAt) { say("too fast: look at the page first", "refused"); return; }
  const ids = whole ? openOnScreen() : chosen();
  if (!ids.length) { say("these faces are decided already", "refused"); return; }
  const stands = isDetour() ? { at: Object.fromEntries(ids.map((id) => [id, state.at[id]])) } : { step: state.step };
  const words = (WORDS[verb] || "") + (params.reason ? `: ${params.reason.replaceAll("_", " ")}` : "");
  // A corrected label leaves its face open, except where the page asks for the label.
  const fading = verb === "label" && !isDetour() && !state.answer.settle ? [] : ids;
  send({ verb, ids: fading, words, params: { ...params, ids, ...(verb === "label" ? {} : stands) } });
}

export const undo = () => send({ verb: "undo", ids: [], words: "", params: {} });

// A new page, planned from all verdicts so far; from a detour, back to the page.
export function turn() {
  const params = isDetour() ? {} : { turn: true };
  leaveDetour();
  send({ verb: "page", ids: [], words: "", params });
}

function leaveDetour() {
  state.at = null;
  state.faces = [];
}

function send(request) {
  pressedAt = performance.now();
  sent += 1;
  expectVerdicts(request.ids);
  queue.push(request);
  run();
}

async function run() {
  if (isRunning) return;
  isRunning = true;
  while (queue.length) {
    const request = queue[0];
    if (request.verb !== "page" || request.params.turn) say("…", "waiting");
    try {
      const answer = await ask(request.verb, request.params);
      queue.shift();
      settle(request, answer);
    } catch (error) { lose(error); }
  }
  isRunning = false;
  prefetch();
}

function settle({ verb, ids, words, params }, answer) {
  if (answer.refused) {
    release(ids);
    say(answer.refused, "refused");
    if (verb !== "undo") queue.unshift({ verb: "page", ids: [], words: "", params: {} });
    return;
  }
  if (answer.saved_but) {
    confirm(ids, words);
    window.sessionStorage.setItem(LOST, "");
    say(`✓ ${answer.message}; press n, the next page failed: ${answer.saved_but}`, "refused");
    return;
  }
  confirm(ids, words);
  window.sessionStorage.setItem(LOST, "");
  if (isDetour() && (verb === "undo" || state.faces.every((face) => state.said.has(face.id)))) leaveDetour();
  take(answer);
  if (tellGone(answer)) return;
  if (verb !== "page") say("✓ " + answer.message);
  else if (params.turn) say(answer.message);
}

// No answer: nothing of what was pressed since is confirmed.
function lose(error) {
  const lost = queue.splice(0).filter((request) => request.verb !== "page");
  state.waiting.clear();
  const text = `NOT confirmed: ${error.message}; press again once the review app answers`;
  if (lost.length) {
    const ids = lost.flatMap((request) => request.params.ids || []);
    window.sessionStorage.setItem(LOST, JSON.stringify({ text, ids }));
    say(text, "refused");
  }
  changed();
}

// A verdict is on its way. A tab that is loaded anew meanwhile would not hear that it was saved.
export const isSending = () => isRunning;

// What was not confirmed is said again where the tab had to be loaded anew.
export function tellLost() {
  if (!takeBackLost()) say(lostKeys().text, "refused");
}

// Once the faces of a lost key are no longer open, it was saved although no answer came. To press it again would decide
// the next face. True if nothing is lost any more.
function takeBackLost() {
  const { text, ids } = lostKeys();
  if (text && (!ids.length || ids.some((id) => state.answer.page.includes(id)))) return false;
  window.sessionStorage.setItem(LOST, "");
  if (text && ["", text].includes(state.message.text)) say(ANSWERS_AGAIN);
  return true;
}

const lostKeys = () => JSON.parse(window.sessionStorage.getItem(LOST) || '{"text": "", "ids": []}');

// Ask what the server has; used at the start, and to find back after a failure. Throws if it does not answer.
export async function refresh() {
  if (isRunning) return;
  const before = sent;
  const answer = await ask("page");
  if (isRunning || sent !== before) return;   // it says what was open before the last key
  if (answer.refused) { say(answer.refused, "refused"); return; }
  take(answer);
  if (!tellGone(answer)) takeBackLost();
}

// Says once why faces have left the screen, and drops their pictures.
let toldGone = 0;
function tellGone({ gone, left_out: why }) {
  if (!gone || gone.length <= toldGone) return false;
  toldGone = gone.length;
  say(`faces were left out: ${why}`, "refused");
  keepNeeded();
  return true;
}

// ---- the next page ---------------------------------------------------------------------------------------------
let isPlanning = false;
async function prefetch() {
  if (isPlanning || isDetour() || !state.faces.length) return;
  isPlanning = true;
  const before = state.answer;
  try {
    await Promise.all(state.faces.map((face) => load(face.crop)));
    next = await ask("upcoming");
    if (next.refused) next = { crops: [], accepted: {} };
    [...next.crops, ...cropsOf(next.accepted)].forEach(load);
  } catch { /* the page is loaded when it is needed */ }
  isPlanning = false;
  if (state.answer !== before && !isRunning) prefetch();
  else keepNeeded();
}

const cropsOf = (accepted) => Object.values(accepted).flat().map((face) => face.crop);

export function loadShown() {
  const needed = [...state.faces.map((face) => face.crop), ...cropsOf(state.accepted)];
  needed.forEach(load);
  return Promise.all(state.faces.map((face) => load(face.crop)));
}

function keepNeeded() {
  const left = state.faces.filter((face) => !state.missing.has(face.id));
  const shown = left.flatMap((face) => [face.crop, face.picture]);
  forgetAllBut([...shown, ...cropsOf(state.accepted), ...next.crops, ...cropsOf(next.accepted)]);
}

// All pictures of the screen are drawn.
export function wasDrawn() {
  if (pressedAt === null || isRunning) return;
  performance.measure("mtf next page", { start: pressedAt, end: performance.now() });
  pressedAt = null;
}

// Show faces chosen elsewhere, such as in a saved view, each at its own step. Returns the refusal, if there is one: the
// panel is not on the screen then.
export async function lookAgain(ids) {
  const answer = await ask("look", { ids });
  if (answer.refused) return answer.refused;
  showPage({ ...answer, step: null }, { at: answer.at });
  say(`${answer.page.length === 1 ? "1 face" : `${answer.page.length} faces`} chosen by you; n leads back to the page`);
  return null;
}
