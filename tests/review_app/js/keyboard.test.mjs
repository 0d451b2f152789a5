// The keys: what each asks the server for, and which are left to FiftyOne.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FIRST_PAGE, load } from "./fiftyone.mjs";

const VERBS = ["accept", "reject", "skip", "keep", "undo", "label"];

async function withOneSelected(first = FIRST_PAGE) {
  const room = await load({ first });
  for (const verb of VERBS) room.answers[verb] = { ...first, done: 1, message: verb };
  await room.select("f1");
  room.forget();
  return room;
}

for (const [key, operator, params] of [
  ["a", "accept", {}], ["A", "accept", {}], ["x", "reject", {}], ["s", "skip", {}], ["k", "keep", {}], ["u", "undo", {}],
  ["1", "reject", { reason: "not_a_face" }], ["0", "reject", { reason: "childhood" }],
  ["e", "reject", { reason: "exact_duplicate" }],
]) {
  test(`${key} asks for ${operator} ${JSON.stringify(params)} of the selected face`, async () => {
    const room = await withOneSelected();
    const event = await room.press(key);
    assert.deepEqual(room.asked, [{
      operator, dataset: "sample-anna", url: "/operators/execute", params: { ...params, ids: ["f1"], step: "face" },
    }]);
    assert.ok(event.isPrevented && event.isStopped, "FiftyOne gets a key of the review as well");
  });
}

test("each choice of a label has a key of its own", async () => {
  const { CHOICES } = await import("../../../src/mtf/review_app/fiftyone/plugins/review/js/keys.js");
  assert.equal(new Set(CHOICES).size, CHOICES.length);
  assert.ok(!CHOICES.includes("0"), "0 shows the rest");
});

test("n deals the page anew, for no face", async () => {
  const room = await withOneSelected();
  await room.press("n");
  assert.deepEqual(room.asked.map(({ operator, params }) => [operator, params.turn]), [["page", true]]);
});

test("Shift + a is for the whole page", async () => {
  const room = await withOneSelected();
  await room.clock.pass(1000);
  await room.press("A", { shiftKey: true });
  assert.deepEqual(room.asked.map(({ params }) => params.ids), [FIRST_PAGE.page]);
});

for (const [what, options] of [
  ["with Ctrl", { ctrlKey: true }], ["with Meta", { metaKey: true }], ["with Alt", { altKey: true }],
  ["typed into a field", { target: { tagName: "INPUT" } }],
  ["typed into an editable text", { target: { tagName: "DIV", isContentEditable: true } }],
]) {
  test(`a key ${what} is not the review's`, async () => {
    const room = await withOneSelected();
    const event = await room.press("a", options);
    assert.deepEqual([room.asked.length, event.isPrevented], [0, false]);
  });
}

test("a key that is held down speaks once, and FiftyOne never gets it", async () => {
  const room = await withOneSelected();
  await room.press("u");
  const held = await room.press("u", { repeat: true });
  assert.deepEqual([room.asked.length, held.isPrevented], [1, true]);
});

test("a digit counts by its place, whatever the layout types there", async () => {
  const room = await withOneSelected();
  await room.press("&", { code: "Digit1" });
  assert.equal(room.asked[0].params.reason, "not_a_face");
});

test("the keypad's 4 without NumLock is an arrow, and no reason", async () => {
  const room = await withOneSelected();
  const event = await room.press("ArrowLeft", { code: "Numpad4" });
  assert.deepEqual([room.asked.length, event.isPrevented], [0, false]);
});

test("l asks which label, then what it should be", async () => {
  const room = await withOneSelected();
  await room.press("l");
  assert.match(room.bar, /correct which label\?.*1 gender.*2 age/);
  await room.press("2");
  assert.match(room.bar, /age should be.*1 Young.*2 Old/);
  await room.press("2");
  assert.deepEqual(room.asked.map(({ operator, params }) => [operator, params.column, params.value]), [
    ["label", "age", "Old"],
  ]);
  assert.doesNotMatch(room.bar, /should be/);
});

test("Esc leaves the label as it is, and a key that names no choice does nothing", async () => {
  const room = await withOneSelected();
  await room.press("l");
  await room.press("z");
  assert.match(room.bar, /correct which label/);
  await room.press("Escape", { code: "Escape" });
  assert.doesNotMatch(room.bar, /correct which label/);
  assert.equal(room.asked.length, 0);
});

test("where there are more choices than keys, 0 shows the rest and then the first again", async () => {
  const names = Array.from({ length: 40 }, (_, number) => `value-${number}`);
  const room = await withOneSelected({ ...FIRST_PAGE, labels: { region: names } });
  await room.press("l");
  await room.press("1");
  assert.match(room.bar, /1 value-0 .*z value-34 .*0 more/);
  await room.press("0");
  assert.match(room.bar, /1 value-35 .*5 value-39 .*0 more/);
  assert.doesNotMatch(room.bar, /value-34/);
  await room.press("0");
  assert.match(room.bar, /1 value-0 /);
  await room.press("0");
  await room.press("5");
  assert.equal(room.asked[0].params.value, "value-39");
});

test("a joint session goes straight to the label that the panel is split on", async () => {
  const room = await withOneSelected({ ...FIRST_PAGE, settle: "age" });
  await room.press("l");
  assert.match(room.bar, /age should be/);
});

test("where no label can be corrected, l does nothing", async () => {
  const room = await withOneSelected({ ...FIRST_PAGE, labels: {} });
  const event = await room.press("l");
  assert.deepEqual([room.asked.length, event.isPrevented], [0, false]);
});
