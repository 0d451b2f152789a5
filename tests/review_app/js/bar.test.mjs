// The bar at the foot of the screen.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FIRST_PAGE, load } from "./fiftyone.mjs";

const withPage = async (changes) => (await load({ first: { ...FIRST_PAGE, ...changes } })).bar;

test("it says who reviews, where the step stands and what the page is", async () => {
  assert.match(await withPage({}), /anna faces: 0 done, 4 open page of 4: looks like a face/);
});

test("a joint session is called so", async () => {
  assert.match(await withPage({ joint: true }), /^joint session /);
});

test("the bar shows the question of the step, or the label to settle in a joint session", async () => {
  assert.match(await withPage({}), /looks like a face · a whole face\?/);
  assert.match(await withPage({ settle: "age" }), /looks like a face · the label age\?/);
});

test("of duplicates it names those to keep by their places", async () => {
  const duplicates = { step: "duplicate", can_keep: true, page: ["f1", "f2", "f3"] };
  assert.match(await withPage({ ...duplicates, proposed: ["f1"] }), /proposed to keep: the first/);
  assert.match(await withPage({ ...duplicates, proposed: ["f2", "f3"] }), /proposed to keep: no. 2, 3/);
  assert.match(await withPage({ ...duplicates, proposed: ["f1"] }), /k keep this one/);
});

test("the keys of the reasons that the step permits are shown, and x only where there is one", async () => {
  assert.match(await withPage({}), /x reject 1 not a face 2 partial face l label/);
  assert.doesNotMatch(await withPage({ reasons: [] }), /reject/);
});

test("the pace is said once there is one", async () => {
  assert.match(await withPage({ per_minute: 30.5, minutes_left: 12 }), /30.5 a minute, 12 min left/);
  assert.doesNotMatch(await withPage({}), /a minute/);
});

test("where nothing is left it says how to end", async () => {
  assert.match(await withPage({ step: null, page: [] }), /Nothing is left for you. Stop the review app with Ctrl-C/);
});

test("answers are counted, what is only waited for is not", async () => {
  const room = await load();
  const bar = room.page.document.getElementById("mtf-bar");
  const before = Number(bar.dataset.answers);
  const { say } = room.modules.bar;
  say("…", "waiting");
  assert.equal(Number(bar.dataset.answers), before);
  say("Accept: 1 face");
  assert.equal(Number(bar.dataset.answers), before + 1);
  assert.equal(bar.attributes.role, "status");
});
