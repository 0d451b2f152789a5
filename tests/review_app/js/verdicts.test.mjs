// A verdict from the key to the answer: what is sent, what fades, what is confirmed, and what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";

import { page, ready } from "./review.mjs";

const done = (ids, message = "Accept: 1 face") => ({ ...page(ids), done: 1, message });

test("a key decides the face in focus, which fades in place, and the focus goes on", async () => {
  const review = await ready();
  review.answers.accept = done(["f2", "f3", "f4"]);
  await review.press("a");
  const { state } = review.store;
  assert.deepEqual(review.asked[0], { operator: "accept", params: { ids: ["f1"], step: "face" } });
  assert.deepEqual(state.faces.map((face) => face.id), ["f1", "f2", "f3", "f4"]);
  assert.deepEqual([state.said.get("f1"), state.focus, state.message.text], ["accepted", "f2", "✓ Accept: 1 face"]);
});

test("nothing is confirmed before the server answers, and keys meanwhile are sent in their order", async () => {
  const review = await ready();
  let release;
  review.held = new Promise((resolve) => { release = resolve; });
  review.answers.accept = done(["f2", "f3", "f4"]);
  review.answers.reject = done(["f3", "f4"], "Reject: 1 face (not a face)");
  await review.press("a");
  await review.press("1");
  const { state } = review.store;
  assert.equal(state.said.size, 0);
  assert.deepEqual([...state.waiting], ["f1", "f2"]);
  assert.equal(review.asked.length, 1, "one request at a time");
  release();
  await review.clock.pass(10);
  assert.deepEqual(review.asked.map(({ operator, params }) => [operator, ...params.ids]), [["accept", "f1"], ["reject", "f2"]]);
  assert.deepEqual([...state.said], [["f1", "accepted"], ["f2", "rejected: not a face"]]);
});

test("marked faces are decided together, wherever the focus is", async () => {
  const review = await ready();
  review.answers.reject = done(["f1", "f4"]);
  review.store.toggleMark("f2");
  review.store.toggleMark("f3");
  await review.press("2");
  assert.deepEqual(review.asked[0].params, { reason: "partial_face", ids: ["f2", "f3"], step: "face" });
  assert.equal(review.store.state.marked.size, 0);
});

test("Shift decides what is open on the screen, and only once it was looked at", async () => {
  const review = await ready();
  review.answers.accept = done([]);
  review.store.setShown(2);
  await review.press("A", { shiftKey: true });
  assert.match(review.store.state.message.text, /too fast/);
  assert.equal(review.asked.length, 0);
  review.store.state.isLookedAt = true;
  await review.press("A", { shiftKey: true });
  assert.deepEqual(review.asked[0].params.ids, ["f1", "f2"], "not the faces of the page's next part");
});

test("of a page in parts, the next part comes once this one is decided", async () => {
  const review = await ready();
  review.store.setShown(2);
  review.store.state.isLookedAt = true;
  review.answers.accept = done(["f3", "f4"]);
  await review.press("A", { shiftKey: true });
  assert.deepEqual(review.store.onScreen().map((face) => face.id), ["f3", "f4"]);
  assert.equal(review.store.state.isLookedAt, false);
});

test("a server that does not answer confirms nothing, and later keys of that moment are dropped", async () => {
  const review = await ready();
  review.isReachable = false;
  await review.press("a");
  await review.clock.pass(10);
  assert.match(review.store.state.message.text, /NOT confirmed/);
  assert.deepEqual([review.store.state.said.size, review.store.state.waiting.size], [0, 0]);
});

test("a verdict that was saved without an answer is not asked for again: the key would decide the next face", async () => {
  const review = await ready();
  review.isReachable = false;
  await review.press("a");
  await review.clock.pass(10);
  review.isReachable = true;
  await review.verdicts.refresh();
  assert.match(review.store.state.message.text, /NOT confirmed/, "its face is still open");
  review.answers.page = page(["f2", "f3", "f4"]);
  await review.verdicts.refresh();
  assert.match(review.store.state.message.text, /answers again/);
  const told = review.store.state.message.number;
  await review.verdicts.refresh();
  assert.equal(review.store.state.message.number, told, "said once");
});

test("a tab that is loaded anew says again what was not confirmed, as long as its face is open", async () => {
  const review = await ready();
  review.isReachable = false;
  await review.press("a");
  await review.clock.pass(10);
  review.isReachable = true;
  const { text } = review.store.state.message;
  review.store.say("");                        // as a tab begins
  review.verdicts.tellLost();
  assert.equal(review.store.state.message.text, text);
  review.store.say("");
  review.store.state.answer.page = ["f2", "f3"];
  review.verdicts.tellLost();
  assert.match(review.store.state.message.text, /answers again/);
});

test("a refusal is shown, and the page is asked for again", async () => {
  const review = await ready();
  review.answers.accept = { refused: "this face was decided meanwhile; press n" };
  review.answers.page = page(["f2", "f3", "f4"]);
  await review.press("a");
  await review.clock.pass(10);
  assert.match(review.store.state.message.text, /decided meanwhile/);
  assert.deepEqual(review.asked.map(({ operator }) => operator), ["accept", "page"]);
  assert.equal(review.store.state.said.get("f1"), "decided");
});

test("an undo brings faces back where they were", async () => {
  const review = await ready();
  review.answers.accept = done(["f2", "f3", "f4"]);
  await review.press("a");
  review.answers.undo = done(["f1", "f2", "f3", "f4"], "Undo: 1 face");
  await review.press("u");
  const { state } = review.store;
  assert.deepEqual([state.said.size, state.focus], [0, "f1"]);
});

test("faces that are taken down leave the screen with their pictures", async () => {
  const review = await ready();
  review.answers.page = page(["f1", "f2", "f3"], { gone: ["f4"], left_out: "this picture of ada was taken down" });
  await review.verdicts.refresh();
  const { state } = review.store;
  assert.deepEqual([...state.missing], ["f4"]);
  assert.match(state.message.text, /faces were left out: this picture of ada was taken down/);
  assert.equal(review.pictures.urlOf("/f4.jpg"), undefined);
});

test("a corrected label leaves its face open; a label that the page asks for settles it", async () => {
  const review = await ready();
  review.answers.label = done(["f1", "f2", "f3", "f4"], "Correct a label: 1 face (age: Old)");
  for (const key of ["l", "2", "2"]) await review.press(key);
  assert.deepEqual(review.asked[0].params, { column: "age", value: "Old", ids: ["f1"] });
  assert.deepEqual([review.store.state.said.size, review.store.state.focus], [0, "f1"]);
});

test("what the watch heard of before the last key does not undo the key", async () => {
  const review = await ready();
  let release;
  review.held = new Promise((resolve) => { release = resolve; });
  const late = review.verdicts.refresh();
  review.held = null;
  review.answers.accept = done(["f2", "f3", "f4"]);
  await review.press("a");
  release();
  await late;
  assert.equal(review.store.state.said.get("f1"), "accepted");
});
