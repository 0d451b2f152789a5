// A screen without the page. Where the database was gone for a moment FiftyOne can say "No samples yet", and asks no
// more; where the app was started anew, it shows all faces, or how to connect to it, and then does nothing more.
import { draw, say } from "./bar.js";
import { facesOnScreen, grid, inTheGrid, modalIsOpen, showAnew } from "./grid.js";
import { URI, ask, dataset, execute, inTurn, register } from "./server.js";
import { renew, state } from "./state.js";

const WATCH_MS = 1000;
const MISSED_MS = 3000;      // a screen without faces is spoken of
const ABSENT_MS = 6000;      // and loaded again
const UNHEARD = 5;           // after so many ticks without an answer FiftyOne is loaded again, too
const VIEW_MS = 2000;        // a view has this long to come before it is set again, and twice as long each time after
const RELOAD_MS = 15000;     // so has a tab that is loaded again
const LONGEST_VIEW_MS = 30000;
const LONGEST_RELOAD_MS = 240000;
const BY_HAND_MS = 3000;     // a view that changes later than this after a click was changed by nobody here
const RELOADED = "mtf-reloaded";       // when this tab was loaded again last: room.js keeps to it, too
const WAIT = "mtf-reload-wait";        // and how long it is not loaded again since then

// When something may be asked for again: later each time that it did not come.
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
let unheard = null;          // the ticks since a watch was asked for that is not carried out yet
register("watch", (ctx) => {
  unheard = null;
  watch.came();
  showAgain(ctx);
  miss(ctx);
});
window.setInterval(() => {
  if (!state || document.hidden || modalIsOpen() || !(dataset() || hasGivenUp())) return;
  if (unheard !== null) unheard += 1;
  if (hasGivenUp() || unheard > UNHEARD) { loadAgain(); return; }
  if (!watch.isDue()) return;
  if (unheard === null) unheard = 0;
  watch.asked();
  execute(URI + "watch");
}, WATCH_MS);

const hasGivenUp = () => document.querySelector('[data-cy="setup-page"]') !== null;

export const hasSavedView = () => new URLSearchParams(window.location.search).has("view");
const isAtAnotherPanel = () => !grid() && document.querySelector('[data-cy="panel-container"]') !== null;
const isEmpty = (ctx) => !(ctx.view || []).length && !ctx.viewName && !Object.keys(ctx.filters || {}).length;

const home = window.location.pathname;
let clickedAt = 0;        // beside the grid, where views are chosen and cleared
let emptiedByHand = null; // whether whoever sits here cleared the view; null where there is one
let absentSince = null;
let isMissed = false;
window.addEventListener("click", (event) => {
  if (!event.target.closest('[data-cy="fo-grid"]')) clickedAt = Date.now();
}, true);

// A view that is set while the last one is still on its way puts an end to that: on a slow machine none would come.
const view = backOff(VIEW_MS);
let isAsking = false;
function showAgain(ctx) {
  if (!isEmpty(ctx) || hasSavedView()) { emptiedByHand = null; view.came(); return; }
  if (emptiedByHand === null) emptiedByHand = Date.now() - clickedAt < BY_HAND_MS;
  if (emptiedByHand || isAsking || !facesOnScreen() || !view.isDue()) return;
  isAsking = true;
  inTurn(() => askAnew().catch(() => {}).finally(() => { isAsking = false; view.asked(); }));
}

async function askAnew() {
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
    if (isMissed) { isMissed = false; say("the faces are there again"); }
    return;
  }
  absentSince = absentSince || Date.now();
  const absentMs = Date.now() - absentSince;
  if (absentMs < MISSED_MS) return;
  if (absentMs >= ABSENT_MS) loadAgain();
  else sayMissed();
}

function sayMissed() {
  if (!isMissed) { isMissed = true; say("no face is on the screen: it is loaded again in a moment", "refused"); }
}

let isLoading = false;
function loadAgain() {
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
