// State of the review on this screen: the page, what is marked, and what was answered. No drawing, no requests.

export const state = {
  answer: null,           // the server's last answer about the page
  faces: [],              // faces of the page or of a detour, in order
  accepted: {},           // accepted faces of each person on the page
  at: null,               // of a detour: the step of each face
  step: null,
  said: new Map(),        // id → what was decided on this screen
  waiting: new Set(),     // ids whose verdict is on its way
  missing: new Set(),     // ids whose picture is gone
  marked: new Set(),
  focus: null,
  first: 0,               // place of the first face on the screen
  shown: Infinity,        // faces on the screen at once
  side: 120,              // of a face, in pixels
  isLookedAt: false,      // true once all pictures of the screen were there for a moment
  message: { text: "", kind: "" },
  choosing: null,         // a label that is being corrected: {column, from}
  isHelping: false,
  isPictureHeld: false,
};

const listeners = new Set();
export const listen = (listener) => { listeners.add(listener); return () => listeners.delete(listener); };
export const changed = () => listeners.forEach((listener) => listener());

export function say(text, kind = "") {
  state.message = { text, kind, number: (state.message.number || 0) + (kind === "waiting" ? 0 : 1) };
  changed();
}

export const onScreen = () => state.faces.slice(state.first, state.first + state.shown);
export const isOpen = (id) => !state.said.has(id) && !state.waiting.has(id);
export const openOnScreen = () => onScreen().map((face) => face.id).filter((id) => isOpen(id) && !state.missing.has(id));
export const focused = () => onScreen().find((face) => face.id === state.focus) || null;
export const isDetour = () => state.at !== null;

// Faces that a key is about: those marked, else the one in focus.
export function chosen() {
  const marked = onScreen().map((face) => face.id).filter((id) => state.marked.has(id) && isOpen(id));
  if (marked.length) return marked;
  const face = focused();
  return face && isOpen(face.id) ? [face.id] : [];
}

export function toggleMark(id) {
  if (!isOpen(id)) return;
  if (!state.marked.delete(id)) state.marked.add(id);
  changed();
}

export function moveTo(id) { state.focus = id; changed(); }

// Move the focus by columns and rows; it stays on the screen.
export function move(across, down, columns) {
  const faces = onScreen();
  const now = Math.max(faces.findIndex((face) => face.id === state.focus), 0);
  const next = now + across + down * columns;
  if (next >= 0 && next < faces.length) moveTo(faces[next].id);
}

// Show a new page, or faces of a detour (`at`: their steps).
export function showPage(answer, { at = null, focus = null } = {}) {
  Object.assign(state, {
    faces: answer.faces, accepted: answer.accepted, at, step: answer.step, first: 0, isLookedAt: false,
    said: new Map(), missing: new Set(), marked: new Set(), choosing: null,
  });
  state.waiting.clear();
  state.focus = focus || (answer.faces[0] || {}).id || null;
  changed();
}

// Take over the server's answer. The page stays in place as long as faces of it are left.
export function take(answer, words = "decided") {
  state.answer = answer;
  (answer.gone || []).forEach((id) => { state.missing.add(id); });
  if (isDetour()) { changed(); return; }
  const known = new Set(state.faces.map((face) => face.id));
  const isSame = answer.page.length > 0 && answer.step === state.step && answer.page.every((id) => known.has(id));
  if (!isSame) { showPage(answer, { focus: answer.page[0] }); return; }
  const left = new Map(answer.faces.map((face) => [face.id, face]));
  state.accepted = answer.accepted;
  state.faces = state.faces.map((face) => left.get(face.id) || face);
  for (const face of state.faces) {
    if (left.has(face.id)) { if (state.said.delete(face.id)) state.focus = face.id; }
    else if (!state.said.has(face.id) && !state.waiting.has(face.id)) {
      state.said.set(face.id, state.missing.has(face.id) ? "taken away" : words);
    }
  }
  goOn();
}

// Verdict on a face is confirmed.
export function confirm(ids, words) {
  ids.forEach((id) => { state.waiting.delete(id); state.said.set(id, words); });
}

export function release(ids) { ids.forEach((id) => state.waiting.delete(id)); }

// Verdicts are on their way: their faces fade, and the focus goes on.
export function expectVerdicts(ids) {
  ids.forEach((id) => { state.waiting.add(id); state.marked.delete(id); });
  focusOn();
  changed();
}

function focusOn() {
  const faces = onScreen();
  const now = faces.findIndex((face) => face.id === state.focus);
  if (now >= 0 && isOpen(state.focus)) return;
  const after = [...faces.slice(now + 1), ...faces.slice(0, now + 1)];
  const next = after.find((face) => isOpen(face.id));
  if (next) state.focus = next.id;
}

// Next part of a page that does not fit the screen, once this part is decided.
export function goOn() {
  if (onScreen().some((face) => !state.said.has(face.id))) { focusOn(); changed(); return; }
  const place = state.faces.findIndex((face) => !state.said.has(face.id));
  if (place < 0) { changed(); return; }
  state.first = Math.floor(place / state.shown) * state.shown;
  state.isLookedAt = false;
  state.focus = state.faces[place].id;
  changed();
}

// So many faces fit on the screen; the one in focus stays on it.
export function setShown(count) {
  if (count === state.shown) return;
  state.shown = count;
  const place = Math.max(state.faces.findIndex((face) => face.id === state.focus), 0);
  state.first = Math.floor(place / count) * count;
  state.isLookedAt = false;
  changed();
}

export const offered = () => (state.choosing.column
  ? state.answer.labels[state.choosing.column] : Object.keys(state.answer.labels));
export function choose(next) { state.choosing = next; changed(); }
