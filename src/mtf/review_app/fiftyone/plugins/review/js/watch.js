// Watch for a screen that lost the page, and recovery from it. If the database was away for a moment, FiftyOne can show
// "No samples yet" for good; after a restart of the app it can show all faces, or a setup page.
import { draw, say } from "./bar.js";
import { facesOnScreen, grid, inTheGrid, modalIsOpen, showAnew } from "./grid.js";
import { URI, ask, dataset, execute, inTurn, register } from "./server.js";
import { renew, state } from "./state.js";

const WATCH_MS = 1000;
const MISSED_MS = 3000;      // until a screen without faces is reported
const ABSENT_MS = 6000;      // until it is loaded again
const MAX_MISSED_TICKS = 5;           // ticks without an answer until FiftyOne is loaded again
const VIEW_MS = 2000;        // until a view is set again; doubled each time
const RELOAD_MS = 15000;     // until a tab is loaded again
const LONGEST_VIEW_MS = 30000;
const LONGEST_RELOAD_MS = 240000;
const BY_HAND_MS = 3000;     // a view that changes later after a click was not changed by the user
const RELOADED = "mtf-reloaded";       // when this tab was loaded last; review.js uses it too
const WAIT = "mtf-reload-wait";        // how long to wait before it is loaded again

// Exponential back-off: the wait doubles each time that an awaited event does not come.
export function backOff(firstMs, mostMs = LONGEST_VIEW_MS) {
  let waitMs = firstMs;
  let dueAt = 0;
  return {
    isDue: () => Date.now() >= dueAt,
    asked: () => { dueAt = Date.now() + waitMs; waitMs = Math.min(2 * waitMs, mostMs); },
    came: () => { dueAt = 0; waitMs = firstMs; },
  };
}

// One watch is outstanding at a time.
const watch = backOff(WATCH_MS);
let missedTicks = null;          // ticks since a watch was requested that has not run yet
register("watch", (ctx) => {
  missedTicks = null;
  watch.came();
  restoreView(ctx);
  miss(ctx);
});
window.setInterval(() => {
  if (!state || document.hidden || modalIsOpen() || !(dataset() || hasGivenUp())) return;
  if (missedTicks !== null) missedTicks += 1;
  if (hasGivenUp() || missedTicks > MAX_MISSED_TICKS) { reloadSoon(); return; }
  if (!watch.isDue()) return;
  if (missedTicks === null) missedTicks = 0;
  watch.asked();
  execute(URI + "watch");
}, WATCH_MS);

const hasGivenUp = () => document.querySelector('[data-cy="setup-page"]') !== null;

export const hasSavedView = () => new URLSearchParams(window.location.search).has("view");
const isAtAnotherPanel = () => !grid() && document.querySelector('[data-cy="panel-container"]') !== null;
const isEmpty = (ctx) => !(ctx.view || []).length && !ctx.viewName && !Object.keys(ctx.filters || {}).length;

const home = window.location.pathname;
let clickedAt = 0;        // beside the grid, where views are chosen and cleared
let emptiedByHand = null; // true if the user cleared the view; null while there is a view
let absentSince = null;
let isMissed = false;
window.addEventListener("click", (event) => {
  if (!event.target.closest('[data-cy="fo-grid"]')) clickedAt = Date.now();
}, true);

// Setting a view cancels one that is still loading: on a slow machine none would ever finish.
const view = backOff(VIEW_MS);
let isAsking = false;
function restoreView(ctx) {
  if (!isEmpty(ctx) || hasSavedView()) { emptiedByHand = null; view.came(); return; }
  if (emptiedByHand === null) emptiedByHand = Date.now() - clickedAt < BY_HAND_MS;
  if (emptiedByHand || isAsking || !facesOnScreen() || !view.isDue()) return;
  isAsking = true;
  inTurn(() => showCurrentPage().catch(() => {}).finally(() => { isAsking = false; view.asked(); }));
}

async function showCurrentPage() {
  const answer = await ask("page");
  if (answer.refused) return;
  renew(answer);
  draw();
  showAnew(state.page);
}

function miss(ctx) {
  const isOwn = grid() !== null && inTheGrid(ctx) === "own";
  if (facesOnScreen() || !state.page.length || isOwn || isAtAnotherPanel()) {
    absentSince = null;
    if (facesOnScreen()) window.sessionStorage.setItem(WAIT, "");
    if (isMissed) { isMissed = false; say("the faces are back"); }
    return;
  }
  absentSince = absentSince || Date.now();
  const absentMs = Date.now() - absentSince;
  if (absentMs < MISSED_MS) return;
  if (absentMs >= ABSENT_MS) reloadSoon();
  else sayMissed();
}

function sayMissed() {
  if (!isMissed) { isMissed = true; say("no face is on the screen: it is loaded again in a moment", "refused"); }
}

let isLoading = false;
function reloadSoon() {
  sayMissed();
  if (isLoading) return;
  isLoading = true;
  inTurn(() => reload().catch(() => {}).finally(() => { isLoading = false; }));
}

async function reload() {
  const last = Number(window.sessionStorage.getItem(RELOADED) || 0);
  const waitMs = Number(window.sessionStorage.getItem(WAIT) || 0);
  if (Date.now() - last < Math.max(waitMs, RELOAD_MS)) return;
  await ask("page");  // a page that is loaded while no app answers would be lost
  window.sessionStorage.setItem(RELOADED, String(Date.now()));
  window.sessionStorage.setItem(WAIT, String(Math.min(2 * waitMs || RELOAD_MS, LONGEST_RELOAD_MS)));
  if (dataset()) window.location.reload();
  else window.location.assign(home);
}
