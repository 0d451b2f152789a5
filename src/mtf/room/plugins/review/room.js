// The review's keys, its status bar and its panel. FiftyOne binds no keys for Python operators; this does.
// A key is confirmed on the bar only after the server has answered, and it answers when the verdict is on disk.
(function () {
  "use strict";

  const foo = window.__foo__;
  const fop = window.__fop__;
  const React = window.React;
  const URI = "@mtf/review/";
  const TOO_FAST_MS = 1500;
  const A_LOOK_MS = 500;
  const PAGES_BEFORE = 5;
  const SETTLED_MS = 120;      // what a click has chosen is known
  const STORED_MS = 800;       // what a verdict changes is written to MongoDB
  const GRID_MS = 700;         // the grid has taken a view
  const MODAL_MS = 250;
  const BEGIN_MS = 300;
  const WATCH_MS = 1000;
  const MISSED_MS = 3000;      // a screen without faces is spoken of
  const ABSENT_MS = 6000;      // and loaded again
  const RELOAD_MS = 15000;     // but no more often than this
  const BY_HAND_MS = 3000;     // a view that changes later than this after a click was changed by nobody here
  const OTHERS_MS = 10000;

  // One key per reason, the same at every step.
  const KEYS = {
    not_a_face: "1", partial_face: "2", wrong_person: "3", obstructed: "4", not_a_photograph: "5",
    unnatural: "6", blurred: "7", near_duplicate: "8", wrong_age_group: "9", childhood: "0", exact_duplicate: "e",
  };
  const REASON_OF = Object.fromEntries(Object.entries(KEYS).map(([reason, key]) => [key, reason]));
  const PICTURES = { filepath: "the crop", picture: "the whole picture", person: "beside accepted faces" };
  // Labels and their values are chosen by these; where there are more, 0 shows the rest.
  const CHOICES = "123456789abcdefghijklmnopqrstuvwxyz";

  let state = null;        // the server's last answer
  let shown = [];          // the ids of the page in the grid
  let earlier = [];        // and of the pages before it, one of which may still be there
  let shownAt = 0;
  let choosing = null;     // a label being corrected: {column, from}
  let looked = null;       // the chosen faces that are not on the page, and the step each is at: {key, at}
  let last = { ids: "", at: 0 };
  let picked = new Map();  // the selected faces, and the view that each was picked in
  let chain = Promise.resolve();
  const listeners = new Set();

  const dataset = () => {
    const match = window.location.pathname.match(/\/datasets\/([^/?]+)/);
    return match ? decodeURIComponent(match[1]) : null;
  };
  const modalIsOpen = () => document.querySelector('[data-cy="modal"]') !== null;
  const pretty = (name) => (name || "").replaceAll("_", " ");

  async function ask(operator, params) {
    const response = await fetch("/operators/execute", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ operator_uri: URI + operator, dataset_name: dataset(), params: params || {} }),
    });
    if (!response.ok) throw new Error("the room answered " + response.status);
    const answer = await response.json();
    if (answer.error) throw new Error(String(answer.error_message || answer.error).split("\n").pop());
    return answer.result;
  }

  // ---- the bar ------------------------------------------------------------------------------------------------
  const bar = document.createElement("div");
  bar.id = "mtf-bar";
  bar.setAttribute("role", "status");
  const style = document.createElement("style");
  style.textContent = `
    #mtf-bar { position: fixed; left: 0; right: 0; bottom: 0; z-index: 100000; display: flex;
      flex-direction: column; gap: 4px; padding: 8px 14px; background: #15181c; color: #e8eaed;
      font: 13px/1.25 system-ui, sans-serif; border-top: 2px solid #4a90d9; box-sizing: border-box; }
    #mtf-bar .line { display: flex; flex-wrap: wrap; gap: 3px 18px; }
    #mtf-bar .line > span, #mtf-bar strong { white-space: nowrap; }
    #mtf-bar .keys { color: #aab2bd; column-gap: 14px; }
    #mtf-bar kbd { background: #2c3440; border-radius: 3px; padding: 0 5px; color: #fff; font: inherit; }
    #mtf-bar .run-accept { color: #7fd18b; } #mtf-bar .run-reject { color: #f09a8c; }
    #mtf-bar .line > .said { margin-left: auto; font-weight: 600; white-space: normal; } #mtf-bar .refused { color: #ffb454; }
    #mtf-bar .waiting { color: #8ab4f8; }
    body.mtf-review #root { height: calc(100vh - var(--mtf-bar)) !important; overflow: hidden; }
    body.mtf-review [data-cy="modal"] { bottom: var(--mtf-bar) !important;
      height: calc(100vh - var(--mtf-bar)) !important; }
    body.mtf-review .notistack-SnackbarContainer,
    body.mtf-review [class*="MuiSnackbar-anchorOriginBottom"] { bottom: calc(var(--mtf-bar) + 14px) !important; }
    body.mtf-review [data-cy="modal"] :has(> [data-cy="annotate"]) { display: none !important; }
    .mtf-panel { padding: 16px; color: #e8eaed; font: 14px system-ui, sans-serif; overflow: auto; height: 100%; }
    .mtf-panel table { border-collapse: collapse; margin: 8px 0 20px; } .mtf-panel td, .mtf-panel th {
      padding: 4px 14px 4px 0; text-align: right; } .mtf-panel td:first-child, .mtf-panel th:first-child {
      text-align: left; } .mtf-panel progress { width: 180px; }`;

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function keyHint(key, text) {
    const hint = element("span");
    hint.append(element("kbd", "", key), " " + text);
    return hint;
  }

  let message = { text: "", kind: "" };
  let answers = 0;
  function say(text, kind) {
    message = { text, kind: kind || "" };
    if (kind !== "waiting") { answers += 1; bar.dataset.answers = String(answers); }
    draw();
  }

  function draw() {
    if (!state) return;
    const top = element("div", "line");
    const now = state.steps.find((one) => one.step === state.step);
    top.append(element("strong", "", state.joint ? "joint session" : state.reviewer));
    if (now) {
      top.append(element("span", "", `${now.title}: ${now.done} done, ${now.open} open`));
      const kind = state.run.includes("accept") ? "run-accept" : state.run.includes("reject") ? "run-reject" : "";
      top.append(element("span", kind, `page of ${state.page.length}: ${state.run}` +
        (now.step === "identity" && state.together ? ` · ${state.together}` : "")));
      if (state.proposed.length) top.append(element("span", "", proposal()));
    } else {
      top.append(element("span", "", "Nothing is left for you. Stop the room with Ctrl-C where it was started."));
    }
    if (state.per_minute) top.append(element("span", "", `${state.per_minute} a minute, ${state.minutes_left} min left`));
    if (looked) top.append(element("span", "chosen", standing()));
    top.append(element("span", "said " + message.kind, message.text));
    const keys = element("div", "line keys");
    if (choosing) {
      const choices = offered();
      keys.append(element("span", "", choosing.column ? `${choosing.column} should be` : "correct which label?"));
      choices.slice(choosing.from, choosing.from + CHOICES.length)
        .forEach((choice, index) => keys.append(keyHint(CHOICES[index], choice)));
      if (choices.length > CHOICES.length) keys.append(keyHint("0", "more"));
      keys.append(keyHint("Esc", "leave it"));
    } else {
      keys.append(keyHint("a", "accept"));
      if (state.reasons.length) {
        keys.append(keyHint("x", "reject"));
        state.reasons.forEach((reason) => keys.append(keyHint(KEYS[reason], pretty(reason))));
      }
      if (state.step === "duplicate") keys.append(keyHint("k", "keep this one"));
      keys.append(keyHint("l", "label"), keyHint("s", "skip"), keyHint("u", "undo"), keyHint("n", "next page"), keyHint("p", "picture"),
        keyHint("Shift", "+ key: the whole page"));
    }
    bar.replaceChildren(top, keys);
    if (!choosing) makeRoom(top);
    listeners.forEach((listener) => listener());
  }

  // The first is the one as a rule; where a page was undone, or some of a group are done, it may be another.
  function proposal() {
    const places = state.proposed.map((id) => state.page.indexOf(id) + 1);
    return `proposed to keep: ${places.join() === "1" ? "the first" : "no. " + places.join(", ")}`;
  }

  // What lies above the bar ends where it begins. A message that takes a line more lies over that for a moment: faces
  // must not move under the mouse because something was said.
  function makeRoom(top) {
    bar.style.minHeight = "";
    const height = `${bar.offsetHeight - top.offsetHeight + top.firstChild.offsetHeight}px`;
    bar.style.minHeight = height;
    document.documentElement.style.setProperty("--mtf-bar", height);
  }
  window.addEventListener("resize", draw);

  // A key for a face that is not on the page is about the step that this names.
  function standing() {
    const steps = [...new Set(Object.values(looked.at))];
    const titles = steps.map((step) => {
      const found = state.steps.find((one) => one.step === step);
      return found ? found.title : "settled by the panel";
    });
    const count = Object.keys(looked.at).length;
    return `${count === 1 ? "this face" : `these ${count} faces`}: ${titles.join(", ")}`;
  }

  // ---- what is on the screen ----------------------------------------------------------------------------------
  const facesOnScreen = () => document.querySelectorAll('[data-cy="fo-grid"] [data-cy="looker"]').length;

  function showGrid(ids) {
    earlier = [shown, ...earlier].slice(0, PAGES_BEFORE);
    shown = ids.slice();
    shownAt = Date.now();
    foo.executeOperator("set_view", {
      view: [{ _cls: "fiftyone.core.stages.Select", kwargs: [["sample_ids", ids], ["ordered", true]] }],
    });
  }

  function showAnew(ids) {
    foo.executeOperator("clear_selected_samples", {});
    showGrid(ids);
  }

  // What was picked for the next key while the answer to the last one was awaited stays picked.
  function goOn(ids) {
    showGrid(ids);
    foo.executeOperator(URI + "sweep", {});
  }

  function viewOf(ctx) {
    const stages = (ctx.view || []).map((stage) => [stage._cls, stage.kwargs]);
    return JSON.stringify([ctx.viewName || stages, ctx.filters || {}]);
  }

  // What the grid has: the page and nothing else; one before it, still; or a view of the person's own, which is any
  // saved view, filter or stage.
  function inTheGrid(ctx) {
    const stages = ctx.view || [];
    if (ctx.viewName || Object.keys(ctx.filters || {}).length || stages.length !== 1) return "own";
    const named = Object.fromEntries(stages[0].kwargs || []);
    const ids = stages[0]._cls.endsWith(".Select") ? (named.sample_ids || []).join() : "";
    if (ids === shown.join()) return "page";
    return earlier.some((page) => page.join() === ids) ? "page before" : "own";
  }

  // FiftyOne keeps a face selected when it leaves the grid, and selects one that is clicked on while it leaves. Nothing
  // shows that, so only those count that are on the page or, in a view of the person's own, were picked in that view.
  function inSight({ selected, grid, view }) {
    if (grid !== "own") return selected.filter((id) => shown.includes(id));
    return selected.filter((id) => picked.get(id) === view);
  }

  // In a view of their own people stay where they are; what it holds is read again once the server has written it.
  function stay(decided) {
    foo.executeOperator(URI + "sweep", { decided });
    window.setTimeout(() => foo.executeOperator("reload_samples", {}), STORED_MS);
  }

  function showNext(before, current) {
    if (!modalIsOpen()) { goOn(state.page); return; }
    const rest = before.slice(before.indexOf(current) + 1).filter((id) => state.page.includes(id));
    const next = rest[0] || state.page[0];
    if (!next) { foo.executeOperator("close_sample", {}); showAnew([]); return; }
    if (shown.includes(next)) { foo.executeOperator("open_sample", { id: next }); return; }
    showAnew(state.page);
    window.setTimeout(() => foo.executeOperator("open_sample", { id: next }), GRID_MS);
  }

  let wasOpen = false;
  window.setInterval(() => {
    const open = modalIsOpen();
    if (wasOpen && !open && state && dataset()) foo.executeOperator(URI + "settle", {});
    wasOpen = open;
  }, MODAL_MS);

  const onPage = (ids) => ids.every((id) => state.page.includes(id));

  async function look(ids) {
    if (onPage(ids)) { if (looked) { looked = null; draw(); } return; }
    if (looked && looked.key === ids.join()) return;
    const answer = await ask("where", { ids });
    looked = answer.refused ? null : { key: ids.join(), at: answer.at };
    draw();
  }

  // Whatever is clicked or pressed may choose other faces; what was chosen is known a moment later.
  let looking = null;
  function lookSoon() {
    if (!state || !dataset()) return;
    window.clearTimeout(looking);
    looking = window.setTimeout(() => foo.executeOperator(URI + "look", {}), SETTLED_MS);
  }
  window.addEventListener("click", lookSoon, true);
  window.addEventListener("keyup", lookSoon, true);

  // ---- a screen without the page ------------------------------------------------------------------------------
  // Where the database was gone for a moment FiftyOne can say "No samples yet", and asks no more; where the app was
  // started anew, it shows all faces.
  const grid = () => document.querySelector('[data-cy="fo-grid"]');
  const isAtAnotherPanel = () => !grid() && document.querySelector('[data-cy="panel-container"]') !== null;
  const hasSavedView = () => new URLSearchParams(window.location.search).has("view");
  const isEmpty = (ctx) => !(ctx.view || []).length && !ctx.viewName && !Object.keys(ctx.filters || {}).length;

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
    if (!emptiedByHand && facesOnScreen()) chain = chain.then(askAnew).catch(() => {});
  }

  async function askAnew() {
    const answer = await ask("page");
    if (answer.refused) return;
    state = answer;
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
    if (!isMissed) { isMissed = true; say("no face is on the screen: it is loaded again in a moment", "refused"); }
    if (absentMs >= ABSENT_MS) chain = chain.then(reload).catch(() => {});
  }

  async function reload() {
    const last = Number(window.sessionStorage.getItem("mtf-reloaded") || 0);
    if (Date.now() - last < RELOAD_MS) return;
    await ask("page");  // a page that is loaded while no app answers would be lost
    window.sessionStorage.setItem("mtf-reloaded", String(Date.now()));
    window.location.reload();
  }

  class Watch extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name: "watch", label: "Review: watch", unlisted: true }); }
    async execute(ctx) {
      showAgain(ctx);
      miss(ctx);
    }
  }
  foo.registerOperator(Watch, "@mtf/review");
  window.setInterval(() => {
    if (state && dataset() && !modalIsOpen() && !document.hidden) foo.executeOperator(URI + "watch", {});
  }, WATCH_MS);

  // ---- acting -------------------------------------------------------------------------------------------------
  async function act(verb, params, context) {
    const current = context.current;
    const { whole, ...rest } = params;
    const isDeciding = verb !== "undo" && verb !== "page";
    if (isDeciding && !context.open && !facesOnScreen()) {
      say("no face is on the screen yet: look at the page first", "refused");
      return;
    }
    if (whole && context.open) {
      say("Shift + key is for the page in the grid: leave the open face (Esc) first", "refused");
      return;
    }
    if (whole && context.grid === "own") {
      say("Shift + key is for a page of the queue: select faces here, or press n for the page", "refused");
      return;
    }
    if (whole && (context.grid === "page before" || Date.now() - shownAt < A_LOOK_MS)) {
      say("too fast: look at the page first", "refused");
      return;
    }
    const ids = whole ? shown.filter((id) => state.page.includes(id)) : facesOf(context);
    if (isDeciding) {
      if (ids.length === 0) { say("select faces first (Shift + key: the whole page)", "refused"); return; }
      const key = ids.join();
      if (key === last.ids && Date.now() - last.at < TOO_FAST_MS) { say("too fast: that face is done", "refused"); return; }
      last = { ids: key, at: Date.now() };
    } else { last = { ids: "", at: 0 }; }
    const before = state.page;
    let shownAs = {};
    if (ids.length && onPage(ids)) shownAs = { step: state.step };
    else if (ids.length && verb !== "label") {
      if (!looked || looked.key !== ids.join()) {
        last = { ids: "", at: 0 };
        try {
          await look(ids);
          say("look at the step first, then press again", "refused");
        } catch (error) { say("NOT confirmed: " + error.message, "refused"); }
        return;
      }
      shownAs = { at: looked.at };
    }
    say("…", "waiting");
    let answer;
    try {
      answer = await ask(verb, { ...rest, ids, ...shownAs });
    } catch (error) {
      last = { ids: "", at: 0 };
      say("NOT confirmed: " + error.message, "refused");
      return;
    }
    looked = null;
    if (answer.refused) { last = { ids: "", at: 0 }; say(answer.refused, "refused"); return; }
    if (answer.saved_but) { say(`✓ ${answer.said}; press n, the next page failed: ${answer.saved_but}`, "refused"); return; }
    state = answer;
    // The tick says that something is on disk.
    say(answer.done ? "✓ " + answer.said : answer.said);
    if (verb === "page") { if (modalIsOpen()) foo.executeOperator("close_sample", {}); showAnew(state.page); return; }
    if (context.grid === "own") { stay(ids); return; }
    if (verb === "label" && state.page.join() === before.join()) return;
    if (verb === "undo" && modalIsOpen()) { foo.executeOperator("close_sample", {}); showAnew(state.page); return; }
    showNext(before, current);
  }

  function contextOf(ctx) {
    const selected = Array.from(ctx.selectedSamples ? ctx.selectedSamples.keys() : []);
    const open = modalIsOpen();
    const current = open ? String(ctx.currentSample || "").replace(/-modal$/, "") : "";
    const view = viewOf(ctx);
    picked = new Map(selected.map((id) => [id, picked.has(id) ? picked.get(id) : view]));
    return { selected, open, current, view, grid: inTheGrid(ctx) };
  }

  function facesOf(context) {
    if (context.open) return context.current ? [context.current] : [];
    return inSight(context);
  }

  class Act extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name: "act", label: "Review: act", unlisted: true }); }
    async execute(ctx) {
      const { verb, ...params } = ctx.params;
      const context = contextOf(ctx);
      chain = chain.then(() => act(verb, params, context));
      await chain;
    }
  }
  foo.registerOperator(Act, "@mtf/review");

  // In the chain, so that a key pressed after it finds what it saw.
  class Look extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name: "look", label: "Review: look", unlisted: true }); }
    async execute(ctx) {
      const context = contextOf(ctx);
      chain = chain.then(() => {
        foo.executeOperator(URI + "sweep", {});
        return look(facesOf(context));
      }).catch(() => {});
      await chain;
    }
  }
  foo.registerOperator(Look, "@mtf/review");

  // What is selected out of sight is selected no longer, nor what was just decided.
  class Sweep extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name: "sweep", label: "Review: sweep", unlisted: true }); }
    async execute(ctx) {
      const context = contextOf(ctx);
      const samples = inSight(context).filter((id) => !(ctx.params.decided || []).includes(id));
      if (samples.length < context.selected.length) foo.executeOperator("set_selected_samples", { samples });
    }
  }
  foo.registerOperator(Sweep, "@mtf/review");

  // An open face's pictures, one after the other: FiftyOne has them under its gear.
  class Picture extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name: "picture", label: "Review: picture", unlisted: true }); }
    async execute(ctx) {
      if (!modalIsOpen()) { say("open a face first: p shows its other pictures", "refused"); return; }
      const chosen = window.__fos__.selectedMediaField(true);
      const fields = Object.keys(PICTURES);
      const now = await ctx.state.snapshot.getPromise(chosen);
      const next = fields[(fields.indexOf(now) + 1) % fields.length];
      ctx.state.set(chosen, next);
      say(PICTURES[next]);
    }
  }
  foo.registerOperator(Picture, "@mtf/review");

  // After an open face was closed: the page may have gone on meanwhile.
  class Settle extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name: "settle", label: "Review: settle", unlisted: true }); }
    async execute(ctx) {
      if (inTheGrid(ctx) !== "own") showAnew(state.page);
    }
  }
  foo.registerOperator(Settle, "@mtf/review");

  const actNow = (verb, params) => foo.executeOperator(URI + "act", { verb, ...(params || {}) });

  const offered = () => (choosing.column ? state.labels[choosing.column] : Object.keys(state.labels));

  function choose(key) {
    const choices = offered();
    if (key === "0" && choices.length > CHOICES.length) {
      choosing.from = choosing.from + CHOICES.length < choices.length ? choosing.from + CHOICES.length : 0;
      draw();
      return;
    }
    const place = CHOICES.indexOf(key);
    const choice = key.length === 1 && place >= 0 ? choices[choosing.from + place] : undefined;
    if (choice === undefined) return;
    if (!choosing.column) { choosing = { column: choice, from: 0 }; draw(); return; }
    const column = choosing.column;
    choosing = null;
    actNow("label", { column, value: choice });
  }

  // Digits by their place in the upper row, whatever the layout has there; on the keypad only while it types digits:
  // without NumLock its 4 is the left arrow.
  function keyOf(event) {
    const digit = /^Digit(\d)$/.exec(event.code);
    return digit ? digit[1] : event.key.toLowerCase();
  }

  // What a key asks for now, as a function; null where it is none of the review's.
  function meaning(event) {
    const key = keyOf(event);
    if (choosing) {
      if (key === "escape") return () => { choosing = null; draw(); };
      return key === "shift" || key === "tab" ? null : () => choose(key);
    }
    const whole = event.shiftKey ? { whole: true } : {};
    if (REASON_OF[key]) return () => actNow("reject", { reason: REASON_OF[key], ...whole });
    if (key === "l" && Object.keys(state.labels).length) {
      return () => { choosing = { column: state.settle || null, from: 0 }; draw(); };
    }
    const acts = {
      a: () => actNow("accept", whole), x: () => actNow("reject", whole), s: () => actNow("skip", whole),
      k: () => actNow("keep"), p: () => foo.executeOperator(URI + "picture", {}), u: () => actNow("undo"), n: () => actNow("page", { turn: true }),
    };
    return acts[key] || null;
  }

  function onKey(event) {
    if (!state || !dataset() || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))) return;
    const asked = meaning(event);
    if (!asked) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // A key that is held down speaks for the faces it was pressed on, not for those that come after them.
    if (!event.repeat) asked();
  }
  window.addEventListener("keydown", onKey, true);

  // ---- the panel ----------------------------------------------------------------------------------------------
  function Progress() {
    const [everyone, setEveryone] = React.useState(null);
    const [silent, setSilent] = React.useState(0);
    const [, redraw] = React.useState(0);
    React.useEffect(() => {
      const listener = () => {
        redraw((count) => count + 1);
        ask("progress").then((answer) => { setEveryone(answer.everyone); setSilent(answer.silent); }).catch(() => {});
      };
      listeners.add(listener);
      listener();
      const often = window.setInterval(listener, OTHERS_MS);
      return () => { listeners.delete(listener); window.clearInterval(often); };
    }, []);
    if (!state) return React.createElement("div", { className: "mtf-panel" }, "…");
    const make = React.createElement;
    const rows = state.steps.map((one) => make("tr", { key: one.step },
      make("td", null, one.title), make("td", null, one.done), make("td", null, one.open),
      make("td", null, make("progress", { max: Math.max(one.done + one.open, 1), value: one.done }))));
    const others = Object.entries(everyone || {}).map(([name, counts]) => make("tr", { key: name },
      make("td", null, name), state.steps.map((one) => make("td", { key: one.step }, counts[one.step] || 0))));
    return make("div", { className: "mtf-panel", "data-cy": "mtf-progress" },
      make("h3", null, state.joint ? "joint session" : state.reviewer),
      make("table", null, make("thead", null, make("tr", null, ["step", "done", "open", ""].map((title) =>
        make("th", { key: title }, title)))), make("tbody", null, rows)),
      make("h3", null, "faces decided, by reviewer"),
      make("table", null, make("thead", null, make("tr", null, make("th", null, "reviewer"),
        state.steps.map((one) => make("th", { key: one.step }, one.title)))), make("tbody", null, others)),
      silent ? make("p", null, `${silent} of the panel have decided nothing yet`) : null);
  }
  fop.registerComponent({
    name: "mtf_review_progress",
    label: "Review progress",
    component: Progress,
    type: fop.PluginComponentType.Panel,
    activator: () => true,
    panelOptions: { surfaces: "grid" },
  });

  // ---- beginning ----------------------------------------------------------------------------------------------
  let begun = null;
  const loadedAt = Date.now();
  window.setInterval(async () => {
    const name = dataset();
    if (!name || begun === name || (!grid() && Date.now() - loadedAt < ABSENT_MS)) return;
    begun = name;
    try {
      const answer = await ask("page");
      if (answer.refused) return;
      state = answer;
      document.head.append(style);
      document.body.append(bar);
      document.body.classList.add("mtf-review");
      say("ready");
      // An advertisement lies over the grid and swallows clicks until it is dismissed, once per browser.
      window.localStorage.setItem("fiftyone-enterprise-tooltip-seen", "true");
      const advertised = [...document.querySelectorAll("button")].find((one) => one.textContent === "Dismiss");
      if (advertised) advertised.click();
      if (!hasSavedView()) showAnew(state.page);
    } catch (error) { begun = null; }
  }, BEGIN_MS);
})();
