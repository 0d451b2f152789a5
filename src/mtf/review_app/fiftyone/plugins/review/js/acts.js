// Actions of keys and clicks: sent to the server, and shown once it answers, which means that they are on disk.
import { draw, say } from "./bar.js";
import {
  contextOf, facesOf, facesOnScreen, inSight, inTheGrid, isComing, isLookedAt, modalIsOpen, showAnew, showNext, shown,
  stay, wholeIsSeen,
} from "./grid.js";
import { URI, ask, dataset, execute, inTurn, register } from "./server.js";
import { looked, onPage, renew, setLooked, state } from "./state.js";

const TOO_FAST_MS = 1500;
const SETTLED_MS = 120;      // until FiftyOne has the selection after a click
const MODAL_MS = 250;
const PICTURES = {
  filepath: "the crop", picture: "the whole picture", person: "beside faces that you accepted, if there are some",
};

export const doNow = (verb, params) => execute(URI + "act", { verb, ...(params || {}) });

register("act", (ctx) => {
  const { verb, whole, ...params } = ctx.params;
  const context = contextOf(ctx);
  return inTurn(() => act(verb, { whole, params, context }).catch((error) => {
    console.error(error);
    refuse(`the screen failed: ${error.message}; press n to see what is still open`);
  }));
});

// Last decision, so that a key pressed twice does not decide twice.
const nothing = { ids: "", at: 0 };
let last = nothing;
function refuse(text) { last = nothing; say(text, "refused"); }

async function act(verb, { whole, params, context }) {
  const ids = whole ? shown.filter((id) => state.page.includes(id)) : facesOf(context);
  const isDeciding = verb !== "undo" && verb !== "page";
  const why = (isDeciding && whyUnseen(context)) || (whole && whyNoPage(context)) || (isDeciding && whyUntimely(ids));
  if (why) { say(why, "refused"); return; }
  last = isDeciding ? { ids: ids.join(), at: Date.now() } : nothing;
  const before = state.page;
  let answer;
  try {
    const stands = await whereTheyStand(verb, ids);
    if (stands.unseen) { refuse("look at the step first, then press again"); return; }
    say("…", "waiting");
    answer = await ask(verb, { ...params, ids, ...stands });
  } catch (error) { refuse("NOT confirmed: " + error.message); return; }
  setLooked(null);
  if (answer.refused) { refuse(answer.refused); return; }
  if (answer.saved_but) {
    say(`✓ ${answer.message}; press n, the next page failed: ${answer.saved_but}`, "refused");
    return;
  }
  renew(answer);
  say(answer.done ? "✓ " + answer.message : answer.message);
  if (context.grid === "own" && verb !== "page") stay(ids);
  else goFrom(verb, context, before);
}

const whyUnseen = (context) =>
  !context.open && !facesOnScreen() && "no face is on the screen yet: look at the page first";

// Reason why a key cannot be for the whole page; false if it can.
function whyNoPage(context) {
  if (context.open) return "Shift + key is for the page in the grid: leave the open face (Esc) first";
  if (context.grid === "own") {
    return "Shift + key is for a page of the queue: select faces here, or press n for the page";
  }
  if (context.grid === "page before" || !isLookedAt()) return "too fast: look at the page first";
  return !wholeIsSeen() && "not all of the page was on the screen: scroll to its end first";
}

function whyUntimely(ids) {
  if (ids.length === 0) return "select faces first (Shift + key: the whole page)";
  return ids.join() === last.ids && Date.now() - last.at < TOO_FAST_MS && "too fast: that face is done";
}

// Step of a verdict as the screen showed it: the page's, or for faces that are not on the page the one shown in the bar.
// `unseen` if the bar did not show it yet; it does afterwards.
async function whereTheyStand(verb, ids) {
  if (ids.length && onPage(ids)) return { step: state.step };
  if (!ids.length || verb === "label") return {};
  if (looked && looked.key === ids.join()) return { at: looked.at };
  await look(ids);
  return { unseen: true };
}

function goFrom(verb, context, before) {
  if (verb === "page") { showPage(); return; }
  if (verb === "label" && state.page.join() === before.join()) return;
  if (verb === "undo" && modalIsOpen()) { showPage(); return; }
  showNext(before, context.current);
}

function showPage() {
  if (modalIsOpen()) execute("close_sample");
  showAnew(state.page);
}

// ---- what is chosen -------------------------------------------------------------------------------------------
async function look(ids) {
  if (onPage(ids)) { if (looked) { setLooked(null); draw(); } return; }
  if (looked && looked.key === ids.join()) return;
  const answer = await ask("where", { ids });
  setLooked(answer.refused ? null : { key: ids.join(), at: answer.at });
  draw();
}

register("look", (ctx) => {
  const context = contextOf(ctx);
  return inTurn(() => {
    if (!isComing()) execute(URI + "sweep");
    return look(facesOf(context)).catch(() => {});
  });
});

// Any click or key may change the selection; FiftyOne has it a moment later.
let looking = null;
function lookSoon() {
  if (!state || !dataset()) return;
  window.clearTimeout(looking);
  looking = window.setTimeout(() => execute(URI + "look"), SETTLED_MS);
}
window.addEventListener("click", lookSoon, true);
window.addEventListener("keyup", lookSoon, true);

// Deselects faces that are out of sight, and those just decided.
register("sweep", (ctx) => {
  const context = contextOf(ctx);
  const samples = inSight(context).filter((id) => !(ctx.params.decided || []).includes(id));
  if (samples.length < context.selected.length) execute("set_selected_samples", { samples });
});

// ---- an open face ---------------------------------------------------------------------------------------------
// Shows the pictures of the open face in turn; FiftyOne has them in its settings menu.
register("picture", async (ctx) => {
  if (!modalIsOpen()) { say("open a face first: p shows its other pictures", "refused"); return; }
  const chosen = window.__fos__.selectedMediaField(true);
  const fields = Object.keys(PICTURES);
  const now = await ctx.state.snapshot.getPromise(chosen);
  const next = fields[(fields.indexOf(now) + 1) % fields.length];
  ctx.state.set(chosen, next);
  say(PICTURES[next]);
});

// Shows the page again after a face was closed: it may have changed meanwhile.
register("settle", (ctx) => {
  if (inTheGrid(ctx) !== "own") showAnew(state.page);
});

let wasOpen = false;
window.setInterval(() => {
  const open = modalIsOpen();
  if (wasOpen && !open && state && dataset()) execute(URI + "settle");
  wasOpen = open;
}, MODAL_MS);
