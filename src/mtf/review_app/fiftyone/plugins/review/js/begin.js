// Start of the review, as soon as FiftyOne shows a data set of the review app.
import "./acts.js";
import "./keyboard.js";
import "./panel.js";
import { putUp, say } from "./bar.js";
import { grid, showAnew } from "./grid.js";
import { ask, dataset } from "./server.js";
import { renew, state } from "./state.js";
import { hasSavedView } from "./watch.js";

const BEGIN_MS = 300;
const NO_GRID_MS = 6000;     // another panel may be in its place

let begun = null;
const loadedAt = Date.now();
window.setInterval(async () => {
  const name = dataset();
  if (!name || begun === name || (!grid() && Date.now() - loadedAt < NO_GRID_MS)) return;
  begun = name;
  try {
    const answer = await ask("page");
    if (answer.refused) return;
    renew(answer);
    putUp();
    say("ready");
    dismissAdvertisement();
    if (!hasSavedView()) showAnew(state.page);
  } catch (error) { begun = null; }
}, BEGIN_MS);

// The advertisement covers the grid and takes its clicks until it is dismissed, once per browser.
function dismissAdvertisement() {
  window.localStorage.setItem("fiftyone-enterprise-tooltip-seen", "true");
  const advertised = [...document.querySelectorAll("button")].find((one) => one.textContent === "Dismiss");
  if (advertised) advertised.click();
}
