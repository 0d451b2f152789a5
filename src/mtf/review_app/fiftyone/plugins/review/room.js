// FiftyOne loads one classic script per plugin; this one fetches the room's modules, of which begin.js starts it.
(function () {
  "use strict";

  const RETRY_MS = 3000;
  const RELOAD_MS = 15000;
  const RELOADED = "mtf-reloaded";
  const begin = new URL("js/begin.js", document.currentScript.src);

  // Where the room was started anew meanwhile a module may be missing, and a browser asks for each once only. The page
  // is loaded again when the room answers, but no more often than RELOAD_MS.
  async function again() {
    const isTooSoon = Date.now() - Number(window.sessionStorage.getItem(RELOADED) || 0) < RELOAD_MS;
    const answer = isTooSoon ? null : await fetch(begin).catch(() => null);
    if (!answer || !answer.ok) { window.setTimeout(again, RETRY_MS); return; }
    window.sessionStorage.setItem(RELOADED, String(Date.now()));
    window.location.reload();
  }

  import(begin).catch((error) => {
    console.error("the review's keys did not load, and are asked for again:", error);
    window.setTimeout(again, RETRY_MS);
  });
})();
