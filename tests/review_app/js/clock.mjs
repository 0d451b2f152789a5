// A clock that stands still until it is told to go on, for the page's timers and for Date.now.

const REALLY = globalThis.setImmediate;

export class Clock {
  constructor() {
    this.now = Date.UTC(2026, 0, 2);
    this.timers = new Map();
    this.last = 0;
    Date.now = () => this.now;
  }

  start(run, ms = 0, every = null) {
    this.last += 1;
    this.timers.set(this.last, { run, at: this.now + ms, every });
    return this.last;
  }

  stop(id) { this.timers.delete(id); }

  // Run what is due within `ms`, in its order, and let promises settle after each.
  async pass(ms) {
    const end = this.now + ms;
    await settled();
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.now = Math.max(this.now, timer.at);
      if (timer.every === null) this.timers.delete(id);
      else timer.at += timer.every;
      timer.run();
      await settled();
    }
    this.now = end;
  }
}

const settled = () => new Promise((resolve) => { REALLY(resolve); });
