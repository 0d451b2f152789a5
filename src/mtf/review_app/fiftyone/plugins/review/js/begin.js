// Start of the review, as soon as FiftyOne shows a data set of the review app.
import { listenToKeys } from "./keyboard.js";
import { ROOM, element, isShown, registerPanels } from "./panel.js";
import { ask, dataset } from "./server.js";
import { listen, state } from "./store.js";
import { STYLE } from "./style.js";
import { Surface, columns } from "./surface.js";
import { onTheme } from "./theme.js";
import { isSending, lookAgain, refresh, tellLost } from "./verdicts.js";
import { isWell, reloadWhenLost, watch } from "./watch.js";

const foo = window.__foo__;
const React = window.React;
const BEGIN_MS = 200;

registerPanels();
registerLookAgain();
const root = window.ReactDOM.createRoot(element);
const draw = () => root.render(React.createElement(Surface));
listen(draw);
onTheme(draw);
listenToKeys({ isShown, columns: () => columns, focusNow });

const style = document.createElement("style");
style.textContent = STYLE;
document.head.append(style);

// The first page is asked for while FiftyOne still starts.
const endBeginning = watch(async () => {
  if (state.answer) { endBeginning(); tellLost(); } else if (dataset()) await refresh();
}, { usualMs: BEGIN_MS });

// The panel is opened once FiftyOne has drawn its own; a saved view in the address stays on the screen.
const opening = window.setInterval(() => {
  if (!state.answer || !document.querySelector('[data-cy="panel-container"], [data-cy="fo-grid"]')) return;
  window.clearInterval(opening);
  dismissAdvertisement();
  if (!new URLSearchParams(window.location.search).has("view")) show();
  watch(refresh, { isIdle: () => document.hidden || !dataset() });
}, BEGIN_MS);

const show = () => foo.executeOperator("open_panel", { name: ROOM, isActive: true });

const hasGivenUp = () => document.querySelector('[data-cy="setup-page"]') !== null;
reloadWhenLost({ isLost: () => hasGivenUp() && !isSending(), answers: () => ask("page") });
listen(() => { if (state.answer && !hasGivenUp()) isWell(); });

function focusNow() {
  window.requestAnimationFrame(() => element.querySelector('[role="option"][tabindex="0"]')?.focus());
}

// Faces that were chosen in FiftyOne's grid or are open there, on a page of the review.
function registerLookAgain() {
  class JudgeChosen extends foo.Operator {
    get config() {
      return new foo.OperatorConfig({ name: "judge_chosen", label: "Review: judge the chosen faces" });
    }

    async resolvePlacement() {
      const button = new foo.types.Button({ label: "Review: judge the chosen faces", icon: "rate_review", prompt: false });
      return new foo.types.Placement(foo.types.Places.SAMPLES_GRID_SECONDARY_ACTIONS, button);
    }

    async execute(ctx) {
      const open = ctx.currentSample ? [ctx.currentSample] : [];
      const ids = open.length ? open : [...(ctx.selectedSamples || new Map()).keys()];
      const refusal = await lookAgain(ids);
      if (refusal) { foo.executeOperator("notify", { message: refusal, variant: "warning" }); return; }
      foo.executeOperator("close_sample");
      show();
    }
  }
  foo.registerOperator(JudgeChosen, "@mtf/review");
}

// The advertisement covers the grid and takes its clicks until it is dismissed, once per browser.
function dismissAdvertisement() {
  window.localStorage.setItem("fiftyone-enterprise-tooltip-seen", "true");
  const advertised = [...document.querySelectorAll("button")].find((one) => one.textContent === "Dismiss");
  if (advertised) advertised.click();
}

