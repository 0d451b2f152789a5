// Which faces a key is about: FiftyOne's selection is not always what a person sees selected.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FIRST_PAGE, load, viewOf } from "./fiftyone.mjs";

const NEXT_PAGE = { ...FIRST_PAGE, page: ["f2", "f3", "f4"], done: 1, message: "Accept: 1 face" };

async function ready() {
  const room = await load();
  room.answers.accept = NEXT_PAGE;
  await room.clock.pass(1000);
  return room;
}

const grid = (room) => room.modules.grid.inTheGrid(room.context({}));

test("the grid has the page, one before it, or a view of the person's own", async () => {
  const room = await ready();
  assert.equal(grid(room), "page");
  await room.select("f1");
  await room.press("a");
  assert.equal(grid(room), "page");
  room.view = viewOf(FIRST_PAGE.page);
  assert.equal(grid(room), "page before");
  room.view = viewOf(["f7"]);
  assert.equal(grid(room), "own");
  room.view = [];
  assert.equal(grid(room), "own");
  room.view = [...viewOf(NEXT_PAGE.page), { _cls: "fiftyone.core.stages.Limit", kwargs: [["limit", 1]] }];
  assert.equal(grid(room), "own");
});

test("a saved view or a filter is the person's own, with whatever faces", async () => {
  const room = await ready();
  room.viewName = "accepted";
  assert.equal(grid(room), "own");
  room.viewName = null;
  room.filters = { sharpness: { range: [0, 1] } };
  assert.equal(grid(room), "own");
});

test("what is selected, and not on the page, counts for no key", async () => {
  const room = await ready();
  room.selected = ["f1", "f9"];
  assert.deepEqual(room.modules.grid.facesOf(room.modules.grid.contextOf(room.context({}))), ["f1"]);
});

test("in a view of one's own only what was picked in it counts", async () => {
  const room = await ready();
  room.selected = ["f1"];
  room.modules.grid.contextOf(room.context({})); // picked on the page
  room.viewName = "accepted";
  room.selected = ["f1", "f8"];
  assert.deepEqual(room.modules.grid.facesOf(room.modules.grid.contextOf(room.context({}))), ["f8"]);
});

test("of an open face FiftyOne's own name is stripped", async () => {
  const room = await ready();
  room.open("f2");
  assert.deepEqual(room.modules.grid.facesOf(room.modules.grid.contextOf(room.context({}))), ["f2"]);
});

test("what was picked for the next key is selected again where FiftyOne forgets it with the page", async () => {
  const room = await ready();
  await room.select("f1");
  let answer;
  room.answers.accept = () => NEXT_PAGE;
  const { fetch } = globalThis;
  globalThis.fetch = async (...asked) => { await new Promise((resolve) => { answer = resolve; }); return fetch(...asked); };
  await room.press("a");
  await room.select("f1", "f3"); // while the answer is awaited
  answer();
  globalThis.fetch = fetch;
  await room.clock.pass(200);
  assert.deepEqual(room.selected, ["f3"], "set_view forgets the selection; what is on the next page comes back");
});

test("what a person deselects while the page comes stays so", async () => {
  const room = await ready();
  await room.select("f1");
  await room.press("a");
  await room.select("f3");
  await room.select();
  await room.clock.pass(2500);
  assert.deepEqual(room.selected, []);
});

test("a selection that left the screen is cleared once the page is there", async () => {
  const room = await ready();
  await room.select("f1");
  await room.press("a");
  room.selected = ["f1", "f3"]; // a click on a face that was leaving
  await room.clock.pass(3000);
  assert.deepEqual(room.selected, ["f3"]);
});
