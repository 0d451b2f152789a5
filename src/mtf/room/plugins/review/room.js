// FiftyOne loads one classic script per plugin; this one fetches the room's modules, of which begin.js starts it.
import(new URL("js/begin.js", document.currentScript.src));
