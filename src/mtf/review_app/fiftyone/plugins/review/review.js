// FiftyOne loads one classic script per plugin; this one imports the review's modules, starting with begin.js.
(function () {
  "use strict";

  const RETRY_MS = 3000;
  const RELOAD_MS = 15000;
  const RELOADED = "mtf-reloaded";
  const begin = new URL("js/begin.js", document.currentScript.src);

  // After a restart of the review app a module may be missing, and a browser requests each only once. The page is
  // reloaded when the app answers, at most once per RELOAD_MS.
  async function reload() {
    const isTooSoon = Date.now() - Number(window.sessionStorage.getItem(RELOADED) || 0) < RELOAD_MS;
    const answer = isTooSoon ? null : await fetch(begin).catch(() => null);
    if (!answer || !answer.ok) { window.setTimeout(reload, RETRY_MS); return; }
    window.sessionStorage.setItem(RELOADED, String(Date.now()));
    window.location.reload();
  }

  import(begin).catch((error) => {
    console.error("the review's keys did not load; the page is reloaded:", error);
    window.setTimeout(reload, RETRY_MS);
  });
})();
