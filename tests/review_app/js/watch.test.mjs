// The watch: one request at a time, later after failures; and a tab that is loaded again after FiftyOne gave up.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./review.mjs";

test("the next request waits for the answer to the last one", async () => {
  const review = await load();
  const answers = [];
  review.watch.watch(() => new Promise((resolve) => { answers.push(resolve); }), { usualMs: 1000 });
  await review.clock.pass(60_000);
  assert.equal(answers.length, 1);
  answers[0]();
  await review.clock.pass(1000);
  assert.equal(answers.length, 2);
});

test("after failures it asks ever less often, and again as usual once there is an answer", async () => {
  const review = await load();
  const at = [];
  let fails = true;
  review.watch.watch(async () => { at.push(review.clock.now); if (fails) throw new Error("away"); },
    { usualMs: 1000, retryMs: 500, longestMs: 4000 });
  await review.clock.pass(20_000);
  const waits = at.slice(1).map((time, number) => time - at[number]);
  assert.deepEqual(waits.slice(0, 6), [500, 1000, 2000, 4000, 4000, 4000]);
  fails = false;
  await review.clock.pass(4000);
  const before = at.length;
  await review.clock.pass(5000);
  assert.equal(at.length - before, 5);
});

test("a watch that was ended asks no more", async () => {
  const review = await load();
  let asked = 0;
  const end = review.watch.watch(async () => { asked += 1; }, { usualMs: 1000 });
  await review.clock.pass(2500);
  end();
  await review.clock.pass(10_000);
  assert.equal(asked, 2);
});

test("a tab is loaded again once the app answers, after FiftyOne gave up, and no more often than it helps", async () => {
  const review = await load();
  let answers = false;
  let isLost = true;
  review.watch.reloadWhenLost({
    isLost: () => isLost, answers: async () => { if (!answers) throw new Error("away"); },
  });
  await review.clock.pass(60_000);
  assert.equal(review.window.reloads, 0, "the app does not answer yet");
  answers = true;
  await review.clock.pass(60_000);
  assert.equal(review.window.reloads >= 1, true);
  const before = review.window.reloads;
  await review.clock.pass(120_000);
  assert.equal(review.window.reloads - before <= 3, true);
  isLost = false;
  const after = review.window.reloads;
  await review.clock.pass(600_000);
  assert.equal(review.window.reloads, after);
});

test("a tab is not loaded again while a verdict is on its way", async () => {
  const review = await load();
  let isSending = true;
  review.watch.reloadWhenLost({ isLost: () => !isSending, answers: async () => { isSending = true; } });
  await review.clock.pass(60_000);
  isSending = false;
  await review.clock.pass(60_000);
  assert.equal(review.window.reloads, 0, "a key was pressed while the app was asked");
  review.watch.reloadWhenLost({ isLost: () => true, answers: async () => {} });
  await review.clock.pass(60_000);
  assert.equal(review.window.reloads > 0, true);
});
