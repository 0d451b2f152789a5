// As much of a browser's page as the review uses.

export class Element {
  constructor(tag) {
    Object.assign(this, { tagName: tag.toUpperCase(), className: "", children: [], dataset: {}, attributes: {} });
    this.text = "";
    this.style = { setProperty: (name, value) => { this.style[name] = value; } };
    this.classList = { add: (name) => { this.className += ` ${name}`; } };
    this.offsetHeight = 20;
  }

  get textContent() { return this.text + this.children.map((one) => one.textContent ?? one).join(" "); }

  set textContent(text) { this.text = text; this.children = []; }

  get firstChild() { return this.children[0]; }

  append(...more) { this.children.push(...more); }

  replaceChildren(...other) { this.children = other; }

  setAttribute(name, value) { this.attributes[name] = value; }

  closest() { return null; }

  getBoundingClientRect() { return { top: 800, height: 60 }; }

  // The first below it for which `is` holds.
  find(is) {
    for (const child of this.children) {
      if (!(child instanceof Element)) continue;
      const found = is(child) ? child : child.find(is);
      if (found) return found;
    }
    return null;
  }
}

export class Page {
  constructor(path, clock) {
    this.faces = [];               // the ids in the grid
    this.facesTop = 100;           // where each of them lies, from the top
    this.shows = new Set(["fo-grid"]); // FiftyOne's parts that are on the screen, by their data-cy
    this.reloads = 0;
    this.listeners = new Map();
    const stored = new Map();
    const storage = { getItem: (name) => stored.get(name) ?? null, setItem: (name, value) => stored.set(name, value) };
    const parts = { head: new Element("head"), body: new Element("body"), documentElement: new Element("html") };
    this.document = {
      ...parts,
      hidden: false,
      createElement: (tag) => new Element(tag),
      getElementById: (id) => parts.body.find((one) => one.id === id),
      querySelector: (selector) => (this.shows.has(namedIn(selector)) ? new Element("div") : null),
      querySelectorAll: (selector) => (namedIn(selector) === "looker" ? this.faces.map(() => this.face()) : []),
    };
    this.window = {
      location: { pathname: path, search: "", reload: () => { this.reloads += 1; }, assign: () => { this.reloads += 1; } },
      sessionStorage: storage,
      localStorage: storage,
      addEventListener: (name, listener) => this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]),
      setInterval: (run, ms) => clock.start(run, ms, ms),
      setTimeout: (run, ms) => clock.start(run, ms),
      clearInterval: (id) => clock.stop(id),
      clearTimeout: (id) => clock.stop(id),
    };
  }

  face() {
    const face = new Element("div");
    face.getBoundingClientRect = () => ({ top: this.facesTop, height: 60 });
    return face;
  }

  fire(name, event) {
    const sent = { isPrevented: false, isStopped: false, ...event };
    sent.preventDefault = () => { sent.isPrevented = true; };
    sent.stopImmediatePropagation = () => { sent.isStopped = true; };
    (this.listeners.get(name) ?? []).forEach((listener) => listener(sent));
    return sent;
  }
}

// The innermost data-cy of a selector.
const namedIn = (selector) => /data-cy="?([\w-]+)"?\](?!.*data-cy)/.exec(selector)?.[1];
