// A screen without the page. Where the database was gone for a moment FiftyOne can say "No samples yet", and asks no
// more; where the app was started anew, it shows all faces, or how to connect to it, and then does nothing more.
import { draw, say } from "./bar.js";
import { facesOnScreen, grid, inTheGrid, modalIsOpen, showAnew } from "./grid.js";
import { URI, ask, dataset, execute, inTurn, register } from "./server.js";
import { renew, state } from "./state.js";

const WATCH_MS = 1000;
const MISSED_MS = 3000;      // a screen without faces is spoken of
const ABSENT_MS = 6000;      // and loaded again
const UNHEARD = 5;           // a FiftyOne that carried out so many watches less is loaded again, too
const RELOAD_MS = 15000;     // but no more often than this
const BY_HAND_MS = 3000;     // a view that changes later than this after a click was changed by nobody here

let unheard = 0;
register("watch", (ctx) => {
  unheard = 0;
  showAgain(ctx);
  miss(ctx);
});
window.setInterval(() => {
  if (!state || document.hidden || modalIsOpen() || !(dataset() || hasGivenUp())) return;
  if (hasGivenUp() || unheard > UNHEARD) { loadAgain(); return; }
  unheard += 1;
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

function showAgain(ctx) {
  if (!isEmpty(ctx) || hasSavedView()) { emptiedByHand = null; return; }
  if (emptiedByHand === null) emptiedByHand = Date.now() - clickedAt < BY_HAND_MS;
  if (!emptiedByHand && facesOnScreen()) inTurn(() => askAnew().catch(() => {}));
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

function loadAgain() {
  sayMissed();
  inTurn(() => reload().catch(() => {}));
}

async function reload() {
  const last = Number(window.sessionStorage.getItem("mtf-reloaded") || 0);
  if (Date.now() - last < RELOAD_MS) return;
  await ask("page");  // a page that is loaded while no app answers would be lost
  window.sessionStorage.setItem("mtf-reloaded", String(Date.now()));
  if (dataset()) window.location.reload();
  else window.location.assign(home);
}
