// Faces on the screen: the page in the grid, an open face, and the selection.
import { URI, execute, register } from "./server.js";
import { state } from "./state.js";

const PAGES_BEFORE = 5;
const STORED_MS = 800;       // until a verdict is written to MongoDB
const GRID_MS = 700;         // until the grid shows a view
const A_LOOK_MS = 500;
const TICK_MS = 60;
const TAKEN_MS = 1800;       // after its faces appeared: FiftyOne has dropped the selection by then
const GIVEN_UP_MS = 30000;   // an empty page never shows a face

export let shown = [];       // the ids of the page in the grid
let shownAt = 0;
let isSeen = false;          // true once its last face was on the screen
let earlier = [];            // ids of earlier pages, one of which may still be in the grid
let picked = new Map();      // the selected faces, and the view that each was picked in
let chosen = [];             // the selection at the last check since the page changed
let isClicked = false;       // true if a click since then may have changed it
let coming = null;           // times since the page is awaited and since its faces are there: {since, there}

export const grid = () => document.querySelector('[data-cy="fo-grid"]');
const faces = () => [...document.querySelectorAll('[data-cy="fo-grid"] [data-cy="looker"]')];
export const facesOnScreen = () => faces().length;
export const modalIsOpen = () => document.querySelector('[data-cy="modal"]') !== null;

function showGrid(ids) {
  earlier = [shown, ...earlier].slice(0, PAGES_BEFORE);
  shown = ids.slice();
  shownAt = Date.now();
  isSeen = false;
  execute("set_view", {
    view: [{ _cls: "fiftyone.core.stages.Select", kwargs: [["sample_ids", ids], ["ordered", true]] }],
  });
}

// True once the page was shown long enough for a person to have seen it.
export const isLookedAt = () => Date.now() - shownAt >= A_LOOK_MS;

// True once the last face was on the screen: the faces begin at the top, so the others were, too.
export function wholeIsSeen() {
  const foot = document.getElementById("mtf-bar").getBoundingClientRect().top;
  const isAbove = (place) => place.top + place.height / 2 <= foot;
  const places = faces().map((face) => face.getBoundingClientRect());
  isSeen = isSeen || (isLookedAt() && places.length > 0 && places.every(isAbove));
  return isSeen;
}
window.addEventListener("scroll", () => { if (!isSeen && state) wholeIsSeen(); }, { capture: true, passive: true });

export function showAnew(ids) {
  chosen = [];
  execute("clear_selected_samples");
  showGrid(ids);
}

// What was picked for the next key while the answer to the last one was awaited stays picked. FiftyOne forgets all of
// it when it has taken the view, however long that takes: where nothing is selected any more, and no click has done
// that, it is selected again. Until then nothing is swept: FiftyOne takes a moment over a click, and it would be lost.
register("go_on", (ctx) => {
  chosen = contextOf(ctx).selected.filter((id) => shown.includes(id) && state.page.includes(id));
  isClicked = false;
  coming = { since: Date.now(), there: null };
  showGrid(state.page);
});
export const isComing = () => coming !== null;
const hold = () => { if (coming) execute(URI + "hold"); };
window.setInterval(hold, TICK_MS);
register("hold", (ctx) => {
  if (!coming) return;
  const context = contextOf(ctx);
  const count = facesOnScreen();
  if (!coming.there && context.grid === "page" && count > 0 && count <= shown.length) coming.there = Date.now();
  const isLeft = context.grid === "own";
  if (!isLeft) keepChosen(inSight(context).filter((id) => state.page.includes(id)));
  if (isLeft || !isAwaited()) { coming = null; execute(URI + "sweep"); }
});

function isAwaited() {
  const [since, most] = coming.there ? [coming.there, TAKEN_MS] : [coming.since, GIVEN_UP_MS];
  return Date.now() - since <= most;
}

function keepChosen(now) {
  if (now.join() === chosen.join()) return;
  const lost = chosen.filter((id) => state.page.includes(id));
  if (now.length || !lost.length || isClicked) { chosen = now; isClicked = false; return; }
  coming.there = Date.now();
  execute("set_selected_samples", { samples: lost });
}

const changeByHand = () => { isClicked = true; };
// Looked at as soon as FiftyOne has the click: what it forgets before it was seen cannot be selected again.
window.addEventListener("click", () => { changeByHand(); window.setTimeout(hold); }, true);
window.addEventListener("keydown", (event) => { if (event.key === "Escape") changeByHand(); }, true);

// In a view of their own people stay where they are; what it holds is read again once the server has written it.
export function stay(decided) {
  execute(URI + "sweep", { decided });
  window.setTimeout(() => execute("reload_samples"), STORED_MS);
}

// The next of the page `before`, after the face that is open, or the page that the server dealt.
export function showNext(before, current) {
  if (!modalIsOpen()) { execute(URI + "go_on"); return; }
  const rest = before.slice(before.indexOf(current) + 1).filter((id) => state.page.includes(id));
  const next = rest[0] || state.page[0];
  if (!next) { execute("close_sample"); showAnew([]); return; }
  if (shown.includes(next)) { execute("open_sample", { id: next }); return; }
  showAnew(state.page);
  window.setTimeout(() => execute("open_sample", { id: next }), GRID_MS);
}

function viewOf(ctx) {
  const stages = (ctx.view || []).map((stage) => [stage._cls, stage.kwargs]);
  return JSON.stringify([ctx.viewName || stages, ctx.filters || {}]);
}

export function contextOf(ctx) {
  const selected = Array.from(ctx.selectedSamples ? ctx.selectedSamples.keys() : []);
  const open = modalIsOpen();
  const current = open ? String(ctx.currentSample || "").replace(/-modal$/, "") : "";
  const view = viewOf(ctx);
  picked = new Map(selected.map((id) => [id, picked.has(id) ? picked.get(id) : view]));
  return { selected, open, current, view, grid: inTheGrid(ctx) };
}

// What the grid has: the page and nothing else; one before it, still; or a view of the person's own, which is any
// saved view, filter or stage.
export function inTheGrid(ctx) {
  const stages = ctx.view || [];
  if (ctx.viewName || Object.keys(ctx.filters || {}).length || stages.length !== 1) return "own";
  const named = Object.fromEntries(stages[0].kwargs || []);
  const ids = stages[0]._cls.endsWith(".Select") ? (named.sample_ids || []).join() : "";
  if (ids === shown.join()) return "page";
  return earlier.some((page) => page.join() === ids) ? "page before" : "own";
}

// FiftyOne keeps a face selected when it leaves the grid, and selects one that is clicked on while it leaves. Nothing
// shows that, so only those count that are on the page or, in a view of the person's own, were picked in that view.
export function inSight({ selected, grid, view }) {
  if (grid !== "own") return selected.filter((id) => shown.includes(id));
  return selected.filter((id) => picked.get(id) === view);
}

export function facesOf(context) {
  if (context.open) return context.current ? [context.current] : [];
  return inSight(context);
}
