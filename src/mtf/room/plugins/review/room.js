// The review's keys, its status bar and its panel. FiftyOne binds no keys for Python operators; this does.
// A key is confirmed on the bar only after the server has answered, and it answers when the verdict is on disk.
(function () {
  "use strict";

  const foo = window.__foo__;
  const fop = window.__fop__;
  const React = window.React;
  const URI = "@mtf/review/";
  const TOO_FAST_MS = 1500;

  // One digit per reason, the same at every step.
  const DIGITS = {
    not_a_face: "1", partial_face: "2", wrong_person: "3", obstructed: "4", not_a_photograph: "5",
    unnatural: "6", blurred: "7", near_duplicate: "8", wrong_age_group: "9", childhood: "0",
  };
  const REASON_OF = Object.fromEntries(Object.entries(DIGITS).map(([reason, digit]) => [digit, reason]));

  let state = null;        // the server's last answer
  let shown = [];          // the ids in the grid
  let choosing = null;     // a label being corrected: {column}
  let last = { ids: "", at: 0 };
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
    #mtf-bar { position: fixed; left: 0; right: 0; bottom: 0; height: 58px; z-index: 100000; display: flex;
      flex-direction: column; justify-content: center; gap: 3px; padding: 0 14px; background: #15181c; color: #e8eaed;
      font: 13px/1.25 system-ui, sans-serif; border-top: 2px solid #4a90d9; box-sizing: border-box; }
    #mtf-bar .line { display: flex; gap: 18px; white-space: nowrap; overflow: hidden; }
    #mtf-bar .keys { color: #aab2bd; }
    #mtf-bar kbd { background: #2c3440; border-radius: 3px; padding: 0 5px; color: #fff; font: inherit; }
    #mtf-bar .run-accept { color: #7fd18b; } #mtf-bar .run-reject { color: #f09a8c; }
    #mtf-bar .said { margin-left: auto; font-weight: 600; } #mtf-bar .refused { color: #ffb454; }
    #mtf-bar .waiting { color: #8ab4f8; }
    body.mtf-review #root { height: calc(100vh - 58px) !important; overflow: hidden; }
    body.mtf-review [data-cy="modal"] { bottom: 58px !important; height: calc(100vh - 58px) !important; }
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
    } else {
      top.append(element("span", "", "Nothing is left for you. Stop the room with Ctrl-C where it was started."));
    }
    if (state.per_minute) top.append(element("span", "", `${state.per_minute} a minute, ${state.minutes_left} min left`));
    top.append(element("span", "said " + message.kind, message.text));
    const keys = element("div", "line keys");
    if (choosing) {
      const choices = choosing.column ? state.labels[choosing.column] : Object.keys(state.labels);
      keys.append(element("span", "", choosing.column ? `${choosing.column} should be` : "correct which label?"));
      choices.forEach((choice, index) => keys.append(keyHint(String(index + 1), choice)));
      keys.append(keyHint("Esc", "leave it"));
    } else {
      keys.append(keyHint("a", "accept"));
      if (state.reasons.length) {
        const own = state.reasons.filter((reason) => DIGITS[reason]);
        keys.append(keyHint("x", "reject"));
        own.forEach((reason) => keys.append(keyHint(DIGITS[reason], pretty(reason))));
      }
      if (state.step === "duplicate") keys.append(keyHint("k", "keep this one"));
      keys.append(keyHint("l", "label"), keyHint("s", "skip"), keyHint("u", "undo"), keyHint("n", "next page"),
        keyHint("Shift", "+ key: the whole page"));
    }
    bar.replaceChildren(top, keys);
    listeners.forEach((listener) => listener());
  }

  // ---- what is on the screen ----------------------------------------------------------------------------------
  function showGrid(ids) {
    shown = ids.slice();
    foo.executeOperator("clear_selected_samples", {});
    foo.executeOperator("set_view", {
      view: [{ _cls: "fiftyone.core.stages.Select", kwargs: [["sample_ids", ids], ["ordered", true]] }],
    });
  }

  function showNext(before, current) {
    if (!modalIsOpen()) { showGrid(state.page); return; }
    const rest = before.slice(before.indexOf(current) + 1).filter((id) => state.page.includes(id));
    const next = rest[0] || state.page[0];
    if (!next) { foo.executeOperator("close_sample", {}); showGrid([]); return; }
    if (shown.includes(next)) { foo.executeOperator("open_sample", { id: next }); return; }
    showGrid(state.page);
    window.setTimeout(() => foo.executeOperator("open_sample", { id: next }), 700);
  }

  let wasOpen = false;
  window.setInterval(() => {
    const open = modalIsOpen();
    if (wasOpen && !open && state && dataset()) showGrid(state.page);
    wasOpen = open;
  }, 250);

  // ---- acting -------------------------------------------------------------------------------------------------
  async function act(verb, params, context) {
    const current = context.current;
    const ids = params.ids || (current ? [current] : context.selected);
    if (verb !== "undo" && verb !== "page") {
      if (ids.length === 0) { say("select faces first (Shift + key: the whole page)", "refused"); return; }
      const key = ids.join();
      if (key === last.ids && Date.now() - last.at < TOO_FAST_MS) { say("too fast: that face is done", "refused"); return; }
      last = { ids: key, at: Date.now() };
    } else { last = { ids: "", at: 0 }; }
    const before = state ? state.page : [];
    const onPage = ids.every((id) => before.includes(id));
    say("…", "waiting");
    let answer;
    try {
      answer = await ask(verb, { ...params, ids, step: onPage && state && ids.length ? state.step : null });
    } catch (error) {
      last = { ids: "", at: 0 };
      say("NOT saved: " + error.message, "refused");
      return;
    }
    if (answer.refused) { last = { ids: "", at: 0 }; say(answer.refused, "refused"); return; }
    state = answer;
    say("✓ " + answer.said);
    if (verb === "label") return;
    if (verb === "undo" && modalIsOpen()) { foo.executeOperator("close_sample", {}); showGrid(state.page); return; }
    showNext(before, current);
  }

  class Act extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name: "act", label: "Review: act", unlisted: true }); }
    async execute(ctx) {
      const { verb, ...params } = ctx.params;
      const selected = Array.from(ctx.selectedSamples ? ctx.selectedSamples.keys() : []);
      const current = modalIsOpen() ? String(ctx.currentSample || "").replace(/-modal$/, "") : "";
      chain = chain.then(() => act(verb, params, { selected, current }));
      await chain;
    }
  }
  foo.registerOperator(Act, "@mtf/review");

  const act_now = (verb, params) => foo.executeOperator(URI + "act", { verb, ...(params || {}) });

  function chooseLabel(index) {
    if (!choosing.column) {
      const column = Object.keys(state.labels)[index];
      if (column) { choosing = { column }; draw(); }
      return;
    }
    const value = state.labels[choosing.column][index];
    if (value === undefined) return;
    const column = choosing.column;
    choosing = null;
    act_now("label", { column, value });
  }

  function onKey(event) {
    if (!state || !dataset() || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))) return;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
    const key = event.key.toLowerCase();
    const taken = () => { event.preventDefault(); event.stopImmediatePropagation(); };
    if (choosing) {
      if (key === "escape") { choosing = null; draw(); taken(); }
      if (digit && digit[1] !== "0") { taken(); chooseLabel(Number(digit[1]) - 1); }
      return;
    }
    const whole = event.shiftKey ? { ids: state.page.slice() } : {};
    if (digit) {
      const reason = REASON_OF[digit[1]];
      taken();
      act_now("reject", { reason, ...whole });
      return;
    }
    const verbs = { a: "accept", x: "reject", k: "keep", s: "skip" };
    if (verbs[key]) { taken(); act_now(verbs[key], verbs[key] === "keep" ? {} : whole); }
    else if (key === "u") { taken(); act_now("undo"); }
    else if (key === "n") { taken(); act_now("page", { turn: true }); }
    else if (key === "l" && Object.keys(state.labels).length) { taken(); choosing = {}; draw(); }
  }
  window.addEventListener("keydown", onKey, true);

  // ---- the panel ----------------------------------------------------------------------------------------------
  function Progress() {
    const [everyone, setEveryone] = React.useState(null);
    const [, redraw] = React.useState(0);
    React.useEffect(() => {
      const listener = () => {
        redraw((count) => count + 1);
        ask("progress").then((answer) => setEveryone(answer.everyone)).catch(() => {});
      };
      listeners.add(listener);
      listener();
      return () => { listeners.delete(listener); };
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
        state.steps.map((one) => make("th", { key: one.step }, one.title)))), make("tbody", null, others)));
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
  window.setInterval(async () => {
    const name = dataset();
    if (!name || begun === name || !document.querySelector('[data-cy="fo-grid"]')) return;
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
      if (!new URLSearchParams(window.location.search).has("view")) showGrid(state.page);
    } catch (error) { begun = null; }
  }, 300);
})();
