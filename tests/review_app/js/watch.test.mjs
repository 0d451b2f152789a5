// A screen that has lost its page has it again by itself.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FIRST_PAGE, load, viewOf } from "./fiftyone.mjs";

async function ready() {
  const room = await load();
  await room.clock.pass(20_000); // long after the page was loaded
  room.forget();
  return room;
}

test("the review begins with the first page, once FiftyOne shows a data set of the review app", async () => {
  const room = await load({ begin: true });
  assert.match(room.bar, /ready/);
  assert.deepEqual(room.view, viewOf(FIRST_PAGE.page));
  await room.clock.pass(5000);
  assert.equal(room.asked.filter(({ operator }) => operator === "page").length, 0, "once is enough");
});

test("a page that stays as it is asks the server for nothing", async () => {
  const room = await ready();
  await room.clock.pass(60_000);
  assert.deepEqual([room.asked.length, room.page.reloads], [0, 0]);
});

test("faces that are missing are spoken of, and the page is loaded again when the review app answers", async () => {
  const room = await ready();
  room.page.faces = [];
  await room.clock.pass(4500);
  assert.match(room.bar, /no face is on the screen: it is loaded again in a moment/);
  assert.equal(room.page.reloads, 0);
  await room.clock.pass(4000);
  assert.equal(room.page.reloads, 1);
});

test("and no more often than every 15 seconds", async () => {
  const room = await ready();
  room.page.faces = [];
  await room.clock.pass(20_000);
  assert.equal(room.page.reloads, 1);
  await room.clock.pass(15_000);
  assert.equal(room.page.reloads, 2);
});

test("while the review app does not answer nothing is loaded: the page would be lost", async () => {
  const room = await ready();
  room.page.faces = [];
  room.isReachable = false;
  await room.clock.pass(30_000);
  assert.equal(room.page.reloads, 0);
  room.isReachable = true;
  await room.clock.pass(2000);
  assert.equal(room.page.reloads, 1);
});

test("faces that come back by themselves are said to be there", async () => {
  const room = await ready();
  const { faces } = room.page;
  room.page.faces = [];
  await room.clock.pass(4500);
  room.page.faces = faces;
  await room.clock.pass(3000);
  assert.match(room.bar, /the faces are back/);
  assert.equal(room.page.reloads, 0);
});

test("an empty view of the person's own misses nothing", async () => {
  const room = await ready();
  room.viewName = "rejected";
  room.page.faces = [];
  await room.clock.pass(30_000);
  assert.equal(room.page.reloads, 0);
});

test("all faces in place of the page, which nobody asked for, make room for the page", async () => {
  const room = await ready();
  room.view = [];
  await room.clock.pass(1500);
  assert.deepEqual(room.view, viewOf(FIRST_PAGE.page));
});

test("a view that a person has cleared stays cleared", async () => {
  const room = await ready();
  room.page.fire("click", { target: { closest: () => null } });
  room.view = [];
  await room.clock.pass(30_000);
  assert.deepEqual(room.view, []);
});

test("where FiftyOne has given up and shows how to connect, the page is loaded again", async () => {
  const room = await ready();
  room.page.shows.add("setup-page");
  await room.clock.pass(1500);
  assert.equal(room.page.reloads, 1);
});

test("a FiftyOne that carries out no operator any more is loaded again", async () => {
  const room = await ready();
  room.operators.delete("@mtf/review/watch");
  await room.clock.pass(10_000);
  assert.equal(room.page.reloads, 1);
});

test("while a face is open, or the window is out of sight, nothing is missed", async () => {
  for (const hide of [(room) => room.open("f1"), (room) => { room.page.document.hidden = true; }]) {
    const room = await ready();
    hide(room);
    room.page.faces = [];
    await room.clock.pass(30_000);
    assert.equal(room.page.reloads, 0);
  }
});
