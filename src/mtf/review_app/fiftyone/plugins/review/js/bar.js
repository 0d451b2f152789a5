// Bar at the foot of the screen: the state of the review, the last message, and the keys.
import { CHOICES } from "./keys.js";
import { choosing, looked, offered, state, titleOf } from "./state.js";
import { STYLE } from "./style.js";

const bar = document.createElement("div");
bar.id = "mtf-bar";
bar.setAttribute("role", "status");
const style = document.createElement("style");
style.textContent = STYLE;

// Functions called whenever the bar is drawn.
export const listeners = new Set();

export function putUp() {
  document.head.append(style);
  document.body.append(bar);
  document.body.classList.add("mtf-review");
}

let message = { text: "", kind: "" };
let answers = 0;

// `kind` is "", "refused" or "waiting". The tick of a text says that something is on disk.
export function say(text, kind) {
  message = { text, kind: kind || "" };
  if (kind !== "waiting") { answers += 1; bar.dataset.answers = String(answers); }
  draw();
}

export function draw() {
  if (!state) return;
  const top = stateLine();
  bar.replaceChildren(top, choosing ? choicesLine() : keysLine());
  if (!choosing) makeRoom(top);
  listeners.forEach((listener) => listener());
}
window.addEventListener("resize", draw);

function stateLine() {
  const top = element("div", "line");
  const now = state.steps.find((one) => one.step === state.step);
  top.append(element("strong", "", state.joint ? "joint session" : state.reviewer));
  if (now) {
    top.append(element("span", "", `${now.title}: ${now.done} done, ${now.open} open`));
    const kind = state.run.includes("accept") ? "run-accept" : state.run.includes("reject") ? "run-reject" : "";
    const question = state.settle ? `the label ${state.settle}?` : state.question;
    top.append(element("span", kind, `page of ${state.page.length}: ${state.run} · ${question}`));
    if (state.proposed.length) top.append(element("span", "", proposal()));
  } else {
    top.append(element("span", "", "Nothing is left for you. Stop the review app with Ctrl-C where it was started."));
  }
  if (state.per_minute) top.append(element("span", "", `${state.per_minute} a minute, ${state.minutes_left} min left`));
  if (looked) top.append(element("span", "chosen", chosenFaces()));
  top.append(element("span", "message " + message.kind, message.text));
  return top;
}

// Usually the first face; another one after an undo, or if some faces of the group are done.
function proposal() {
  const places = state.proposed.map((id) => state.page.indexOf(id) + 1);
  return `proposed to keep: ${places.join() === "1" ? "the first" : "no. " + places.join(", ")}`;
}

// Step of the chosen faces that are not on the page: a key decides at this step.
function chosenFaces() {
  const titles = [...new Set(Object.values(looked.at))].map(titleOf);
  const count = Object.keys(looked.at).length;
  return `${count === 1 ? "this face" : `these ${count} faces`}: ${titles.join(", ")}`;
}

function choicesLine() {
  const keys = element("div", "line keys");
  const choices = offered();
  keys.append(element("span", "", choosing.column ? `${choosing.column} should be` : "correct which label?"));
  choices.slice(choosing.from, choosing.from + CHOICES.length)
    .forEach((choice, index) => keys.append(keyHint(CHOICES[index], choice)));
  if (choices.length > CHOICES.length) keys.append(keyHint("0", "more"));
  keys.append(keyHint("Esc", "leave it"));
  return keys;
}

function keysLine() {
  const keys = element("div", "line keys");
  keys.append(keyHint("a", "accept"));
  if (state.reasons.length) {
    keys.append(keyHint("x", "reject"));
    state.reasons.forEach((reason) => keys.append(keyHint(state.reason_keys[reason], reason.replaceAll("_", " "))));
  }
  if (state.can_keep) keys.append(keyHint("k", "keep this one"));
  const always = { l: "label", s: "skip", u: "undo", n: "next page", p: "picture", Shift: "+ key: the whole page" };
  keys.append(...Object.entries(always).map(([key, text]) => keyHint(key, text)));
  return keys;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function keyHint(key, text) {
  const hint = element("span");
  hint.append(element("kbd", "", key), " " + text);
  return hint;
}

// The page above ends where the bar begins. A message with one more line covers it for a moment, so that faces do not
// move under the mouse because of a message.
function makeRoom(top) {
  bar.style.minHeight = "";
  const height = `${bar.offsetHeight - top.offsetHeight + top.firstChild.offsetHeight}px`;
  bar.style.minHeight = height;
  document.documentElement.style.setProperty("--mtf-bar", height);
}
