// Keys, as long as the review is on the screen and nothing is typed into a field.
import { CHOICES } from "./keys.js";
import { choose, chosen as chosenFaces, focused, move, offered, state, changed, toggleMark } from "./store.js";
import { decide, turn, undo } from "./verdicts.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TYPED = /^(INPUT|TEXTAREA|SELECT)$/;

// `isShown` tells if the review is on the screen, `columns` how many faces stand side by side.
export function listenToKeys({ isShown, columns, focusNow }) {
  window.addEventListener("keydown", (event) => {
    if (!state.answer || !isShown() || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (target && (target.isContentEditable || TYPED.test(target.tagName || ""))) return;
    const action = actionOf(event, columns());
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // A key that is held down acts on the faces it was pressed for, not on those that follow.
    if (event.repeat && !ARROWS[event.key]) return;
    action();
    if (ARROWS[event.key]) focusNow();
  }, true);
  window.addEventListener("keyup", (event) => {
    if (keyOf(event) === "p" && state.isPictureHeld) holdPicture(false);
  }, true);
  window.addEventListener("blur", () => { if (state.isPictureHeld) holdPicture(false); });
}

export function holdPicture(isHeld) { state.isPictureHeld = isHeld && focused() !== null; changed(); }
export function help(isHelping) { state.isHelping = isHelping; changed(); }
const reasonOf = (key) => Object.keys(state.answer.reason_keys).find((name) => state.answer.reason_keys[name] === key);

// Action of a key in the current state, as a function; null if the review does not use the key.
export function actionOf(event, columns) {
  const key = keyOf(event);
  if (state.isHelping) return key === "?" || key === "escape" ? () => help(false) : null;
  if (key === "?") return () => help(true);
  if (ARROWS[event.key]) {
    const [across, down] = ARROWS[event.key];
    return () => move(across, down, columns);
  }
  const isOnButton = event.target && event.target.closest && event.target.closest("button, a[href]");
  if ((key === " " || key === "enter") && isOnButton) return null;
  if (state.choosing) {
    if (key === "escape") return () => choose(null);
    return key === "shift" || key === "tab" ? null : () => chosen(key);
  }
  if (key === " ") return () => state.focus && toggleMark(state.focus);
  if (key === "escape") return state.marked.size ? () => { state.marked.clear(); changed(); } : null;
  const whole = event.shiftKey ? { whole: true } : {};
  const reason = reasonOf(key);
  if (reason) return () => decide("reject", { reason, ...whole });
  const acts = {
    a: () => decide("accept", whole),
    x: () => decide("reject", whole),
    s: () => decide("skip", whole),
    k: () => decide("keep"),
    u: undo,
    n: turn,
    p: () => holdPicture(true),
    l: startLabel,
  };
  return acts[key] || null;
}

export function startLabel() {
  if (Object.keys(state.answer.labels).length && chosenFaces().length) {
    choose({ column: state.answer.settle || null, from: 0 });
  }
}

// Digits by their place in the upper row, whatever the layout has there; on the keypad only while it types digits:
// without NumLock its 4 is the left arrow.
function keyOf(event) {
  const digit = /^Digit(\d)$/.exec(event.code || "");
  return digit ? digit[1] : event.key.toLowerCase();
}

// Handles a key while a label is corrected: first the label, then its value.
function chosen(key) {
  const choices = offered();
  if (key === "0" && choices.length > CHOICES.length) {
    const next = state.choosing.from + CHOICES.length;
    choose({ ...state.choosing, from: next < choices.length ? next : 0 });
    return;
  }
  const place = CHOICES.indexOf(key);
  const choice = key.length === 1 && place >= 0 ? choices[state.choosing.from + place] : undefined;
  if (choice !== undefined) pick(choice);
}

// A label, or its value, was chosen by its key or by a click.
export function pick(choice) {
  const { column } = state.choosing;
  if (!column) { choose({ column: choice, from: 0 }); return; }
  choose(null);
  decide("label", { column, value: choice });
}
