// Which key is an action of the review, and when it is none.
import assert from "node:assert/strict";
import { test } from "node:test";

import { page, ready } from "./review.mjs";

test("keys typed into a field, or with Control, are not the review's", async () => {
  const review = await ready();
  assert.equal(await review.press("a", { target: { tagName: "INPUT" } }), false);
  assert.equal(await review.press("a", { ctrlKey: true }), false);
  assert.equal(review.asked.length, 0);
});

test("a key that is held down counts once; an arrow goes on", async () => {
  const review = await ready();
  assert.equal(await review.press("a", { repeat: true }), true);
  assert.equal(review.asked.length, 0);
  await review.press("ArrowRight");
  await review.press("ArrowDown", { repeat: true });
  assert.equal(review.store.state.focus, "f4");
});

test("digits count by their place in the upper row, on the keypad only while it types digits", async () => {
  const review = await ready();
  review.answers.reject = { ...page(["f2", "f3", "f4"]), done: 1, message: "Reject: 1 face" };
  assert.equal(await review.press("ArrowLeft", { code: "Numpad4" }), true);
  assert.equal(review.asked.length, 0);
  await review.press("!", { code: "Digit1", shiftKey: false });
  assert.equal(review.asked[0].params.reason, "not_a_face");
});

test("Space and Enter on a button press the button", async () => {
  const review = await ready();
  const button = { tagName: "BUTTON", closest: () => button };
  assert.equal(await review.press(" ", { target: button }), false);
  assert.equal(await review.press(" "), true);
  assert.deepEqual([...review.store.state.marked], ["f1"]);
});

test("while the keys are shown no key decides", async () => {
  const review = await ready();
  await review.press("?");
  assert.equal(await review.press("a"), false);
  await review.press("Escape");
  assert.equal(review.store.state.isHelping, false);
  assert.equal(review.asked.length, 0);
});

test("more choices than keys are offered in turn", async () => {
  const review = await ready();
  const values = Array.from({ length: 40 }, (_, number) => `value ${number}`);
  review.store.state.answer.labels = { kind: values };
  review.answers.label = { ...page(["f1", "f2", "f3", "f4"]), done: 1, message: "Correct a label: 1 face" };
  for (const key of ["l", "1", "0", "2"]) await review.press(key);
  assert.equal(review.asked[0].params.value, "value 36");
});
