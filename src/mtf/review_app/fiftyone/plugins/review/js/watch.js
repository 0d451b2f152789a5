// Watch: asks the review app now and then what is open, one request at a time, less often while nothing comes. It finds
// back after a restart of the app, and takes faces off the screen whose pictures were taken down.

const WATCH_MS = 4000;
const RETRY_MS = 500;
const LONGEST_MS = 60000;
const LOST_MS = 5000;        // until FiftyOne is loaded again after it gave up
const RELOAD_MS = 15000;
const LONGEST_RELOAD_MS = 240000;
const RELOADED = "mtf-reloaded";       // when this tab was loaded last; review.js uses it too
const WAIT = "mtf-reload-wait";        // how long to wait before it is loaded again

// Calls `ask` again and again, the next time only once the last has answered: after `usualMs`, and after failures ever
// later. Returns a function that ends it.
export function watch(ask, { usualMs = WATCH_MS, retryMs = RETRY_MS, longestMs = LONGEST_MS, isIdle = () => false } = {}) {
  let failures = 0;
  let timer = null;
  let isEnded = false;
  const next = () => { if (!isEnded) timer = window.setTimeout(run, waitMs()); };
  const waitMs = () => (failures ? Math.min(retryMs * 2 ** (failures - 1), longestMs) : usualMs);
  async function run() {
    if (!isIdle()) {
      try { await ask(); failures = 0; } catch { failures += 1; }
    }
    next();
  }
  next();
  return () => { isEnded = true; window.clearTimeout(timer); };
}

// Loads the tab again once the app answers, after FiftyOne itself gave up; ever less often.
export function reloadWhenLost({ isLost, answers }) {
  let since = null;
  return watch(async () => {
    if (!isLost()) { since = null; return; }
    since = since || Date.now();
    const last = Number(window.sessionStorage.getItem(RELOADED) || 0);
    const waitMs = Number(window.sessionStorage.getItem(WAIT) || 0);
    if (Date.now() - since < LOST_MS || Date.now() - last < Math.max(waitMs, RELOAD_MS)) return;
    await answers();   // a page that is loaded while no app answers would be lost
    if (!isLost()) return;
    window.sessionStorage.setItem(RELOADED, String(Date.now()));
    window.sessionStorage.setItem(WAIT, String(Math.min(2 * waitMs || RELOAD_MS, LONGEST_RELOAD_MS)));
    window.location.reload();
  }, { usualMs: 1000 });
}

export const isWell = () => window.sessionStorage.setItem(WAIT, "");
