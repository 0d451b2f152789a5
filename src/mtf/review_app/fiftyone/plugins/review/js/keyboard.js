// Listens to the keys: FiftyOne binds none for Python operators.
import { doNow } from "./acts.js";
import { draw } from "./bar.js";
import { CHOICES } from "./keys.js";
import { URI, dataset, execute } from "./server.js";
import { choose, choosing, offered, state } from "./state.js";

const reasonOf = (key) => Object.keys(state.reason_keys).find((reason) => state.reason_keys[reason] === key);

function onKey(event) {
  if (!state || !dataset() || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))) return;
  const action = actionOf(event);
  if (!action) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  // A key that is held down acts on the faces it was pressed for, not on those that follow.
  if (!event.repeat) action();
}
window.addEventListener("keydown", onKey, true);

// Action of a key in the current state, as a function; null if the review does not use the key.
function actionOf(event) {
  const key = keyOf(event);
  if (choosing) {
    if (key === "escape") return () => { choose(null); draw(); };
    return key === "shift" || key === "tab" ? null : () => chosen(key);
  }
  const whole = event.shiftKey ? { whole: true } : {};
  const reason = reasonOf(key);
  if (reason) return () => doNow("reject", { reason, ...whole });
  if (key === "l" && Object.keys(state.labels).length) {
    return () => { choose({ column: state.settle || null, from: 0 }); draw(); };
  }
  const acts = {
    a: () => doNow("accept", whole),
    x: () => doNow("reject", whole),
    s: () => doNow("skip", whole),
    k: () => doNow("keep"),
    u: () => doNow("undo"),
    n: () => doNow("page", { turn: true }),
    p: () => execute(URI + "picture"),
  };
  return acts[key] || null;
}

// Digits by their place in the upper row, whatever the layout has there; on the keypad only while it types digits:
// without NumLock its 4 is the left arrow.
function keyOf(event) {
  const digit = /^Digit(\d)$/.exec(event.code);
  return digit ? digit[1] : event.key.toLowerCase();
}

// Handles a key while a label is corrected: first the label, then its value.
function chosen(key) {
  const choices = offered();
  if (key === "0" && choices.length > CHOICES.length) {
    const next = choosing.from + CHOICES.length;
    choose({ ...choosing, from: next < choices.length ? next : 0 });
    draw();
    return;
  }
  const place = CHOICES.indexOf(key);
  const choice = key.length === 1 && place >= 0 ? choices[choosing.from + place] : undefined;
  if (choice === undefined) return;
  if (!choosing.column) { choose({ column: choice, from: 0 }); draw(); return; }
  const { column } = choosing;
  choose(null);
  doNow("label", { column, value: choice });
}
