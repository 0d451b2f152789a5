// A verdict from the key to the answer: what is refused, what is confirmed, and what comes on the screen next.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FIRST_PAGE, load, viewOf } from "./fiftyone.mjs";

const NEXT_PAGE = { ...FIRST_PAGE, page: ["f2", "f3", "f4"], done: 1, message: "Accept: 1 face" };

async function ready(first = FIRST_PAGE) {
  const room = await load({ first });
  Object.assign(room.answers, { accept: NEXT_PAGE, reject: NEXT_PAGE, where: { at: { f9: "duplicate" } } });
  await room.clock.pass(1000);
  room.forget();
  return room;
}

test("a verdict is confirmed by the server's answer, and the next page comes", async () => {
  const room = await ready();
  await room.select("f1");
  room.forget();
  await room.press("a");
  assert.match(room.bar, /✓ Accept: 1 face/);
  assert.deepEqual(room.view, viewOf(["f2", "f3", "f4"]));
});

test("without a face nothing is asked", async () => {
  const room = await ready();
  await room.press("a");
  assert.match(room.bar, /select faces first/);
  assert.equal(room.asked.length, 0);
});

test("while no face is on the screen nothing is decided, of an earlier selection either", async () => {
  const room = await ready();
  await room.select("f1");
  room.page.faces = [];
  room.forget();
  await room.press("a");
  assert.match(room.bar, /no face is on the screen yet/);
  assert.equal(room.asked.length, 0);
});

test("the same faces are not decided twice within a moment", async () => {
  const room = await ready();
  room.answers.accept = { ...FIRST_PAGE, done: 1, message: "Accept: 1 face" };
  await room.select("f1");
  await room.press("a");
  room.selected = ["f1"];
  room.forget();
  await room.press("a");
  assert.match(room.bar, /too fast: that face is done/);
  assert.equal(room.asked.length, 0);
  await room.clock.pass(2000);
  await room.press("a");
  assert.equal(room.asked.length, 1);
});

test("a server that does not answer confirms nothing", async () => {
  const room = await ready();
  await room.select("f1");
  room.isReachable = false;
  await room.press("a");
  assert.match(room.bar, /NOT confirmed: connection refused/);
  assert.doesNotMatch(room.bar, /✓/);
  assert.equal(room.message.className, "message refused");
  assert.deepEqual(room.view, viewOf(FIRST_PAGE.page), "the page stays");
});

test("what the server refuses is said in its words, and may be pressed again at once", async () => {
  const room = await ready();
  room.answers.reject = { refused: "one of a group of duplicates has to stay" };
  await room.select("f1");
  await room.press("x");
  assert.match(room.bar, /one of a group of duplicates has to stay/);
  room.forget();
  room.answers.accept = { ...FIRST_PAGE, done: 1, message: "Accept: 1 face" };
  await room.press("a");
  assert.equal(room.asked.length, 1);
});

test("a verdict that is on disk is confirmed though the next page failed", async () => {
  const room = await ready();
  room.answers.accept = { done: 1, message: "Accept: 1 face", saved_but: "KeyError 3" };
  await room.select("f1");
  await room.press("a");
  assert.match(room.bar, /✓ Accept: 1 face; press n, the next page failed: KeyError 3/);
});

test("a face that is not on the page is decided at the step that was shown for it", async () => {
  const room = await ready();
  room.viewName = "rejected";
  room.view = viewOf(["f9"]);
  room.page.faces = ["f9"];
  await room.select("f9");
  assert.match(room.bar, /this face: duplicates/);
  room.forget();
  await room.press("a");
  assert.deepEqual(room.asked.map(({ operator, params }) => [operator, params.at]), [["accept", { f9: "duplicate" }]]);
  await room.clock.pass(1000);
  assert.deepEqual(room.done, ["set_selected_samples", "reload_samples"], "the person's own view stays");
});

test("a face whose step was not shown yet is looked at first", async () => {
  const room = await ready();
  room.viewName = "rejected";
  room.page.faces = ["f9"];
  room.selected = ["f9"];
  await room.press("a");
  assert.deepEqual(room.asked.map(({ operator }) => operator), ["where"]);
  assert.match(room.bar, /look at the step first, then press again/);
});

test("the whole page is not decided in a view of the person's own", async () => {
  const room = await ready();
  room.viewName = "rejected";
  await room.press("A", { shiftKey: true });
  assert.match(room.bar, /Shift \+ key is for a page of the queue/);
  assert.equal(room.asked.length, 0);
});

test("nor while a face is open", async () => {
  const room = await ready();
  room.open("f1");
  await room.press("A", { shiftKey: true });
  assert.match(room.bar, /Shift \+ key is for the page in the grid/);
  assert.equal(room.asked.length, 0);
});

test("nor before all of it was on the screen", async () => {
  const room = await ready();
  room.page.facesTop = 2000;
  await room.press("A", { shiftKey: true });
  assert.match(room.bar, /not all of the page was on the screen: scroll to its end first/);
  room.page.facesTop = 100;
  room.page.fire("scroll", {});
  room.page.facesTop = 2000; // seen, and scrolled away again
  await room.press("A", { shiftKey: true });
  assert.deepEqual(room.asked.map(({ params }) => params.ids), [FIRST_PAGE.page]);
});

test("nor before a person can have looked at it", async () => {
  const room = await ready();
  await room.press("n");
  await room.press("A", { shiftKey: true });
  assert.match(room.bar, /too fast: look at the page first/);
});

test("an open face is decided, whatever is selected behind it, and the next one opens", async () => {
  const room = await ready();
  await room.select("f3");
  room.open("f1");
  room.forget();
  await room.press("a");
  assert.deepEqual(room.asked[0].params.ids, ["f1"]);
  assert.equal(room.current, "f2");
});

test("after the last open face of the queue nothing is open", async () => {
  const room = await ready({ ...FIRST_PAGE, page: ["f1"] });
  room.answers.accept = { ...FIRST_PAGE, page: [], step: null, done: 1, message: "Accept: 1 face" };
  room.open("f1");
  await room.press("a");
  assert.equal(room.current, null);
  assert.match(room.bar, /Nothing is left for you/);
});

test("what is undone on an open face is shown in the grid", async () => {
  const room = await ready();
  room.answers.undo = { ...FIRST_PAGE, done: 1, message: "Undo: 1 face" };
  room.open("f1");
  room.forget();
  await room.press("u");
  assert.equal(room.current, null);
  assert.deepEqual(room.done, ["close_sample", "clear_selected_samples", "set_view"]);
});

test("a corrected label keeps the page where that stays the same", async () => {
  const room = await ready();
  room.answers.label = { ...FIRST_PAGE, done: 1, message: "Correct a label: 1 face (age: Old)" };
  await room.select("f1");
  room.forget();
  for (const key of ["l", "2", "2"]) await room.press(key);
  assert.match(room.bar, /✓ Correct a label/);
  assert.ok(!room.done.includes("set_view"));
});

test("an error of the screen itself is said", async () => {
  const room = await ready();
  await room.select("f1");
  room.answers.accept = null;
  const { error } = console;
  console.error = () => {};
  await room.press("a");
  console.error = error;
  assert.match(room.bar, /the screen failed: .*; press n to see what is still open/);
});
