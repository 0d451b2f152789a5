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
  const asked = meaning(event);
  if (!asked) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  // A key that is held down speaks for the faces it was pressed on, not for those that come after them.
  if (!event.repeat) asked();
}
window.addEventListener("keydown", onKey, true);

// What a key asks for now, as a function; null where it is none of the review's.
function meaning(event) {
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

// A key while a label is being corrected: first which, then what it should be.
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
