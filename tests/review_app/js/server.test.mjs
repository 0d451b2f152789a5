// What is asked of the review app's server, and what becomes of its refusals.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./fiftyone.mjs";

test("the data set is the one of the address", async () => {
  for (const [path, name] of [["/datasets/sample-anna", "sample-anna"], ["/datasets/a%20b/x", "a b"], ["/runs", null]]) {
    const room = await load({ path, begin: false });
    assert.equal(room.modules.server.dataset(), name);
  }
});

test("what the operator answers is given", async () => {
  const room = await load({ begin: false });
  room.answers.where = (params) => ({ at: params.ids });
  assert.deepEqual(await room.modules.server.ask("where", { ids: ["f1"] }), { at: ["f1"] });
});

test("a server that answers with an error says which", async () => {
  const room = await load({ begin: false });
  room.answers.where = { status: 503 };
  await assert.rejects(room.modules.server.ask("where"), /the review app answered 503/);
});

test("an operator that failed says the last line of its traceback", async () => {
  const room = await load({ begin: false });
  room.answers.where = { error: true, error_message: "Traceback\n  File x\nKeyError: 'f9'" };
  await assert.rejects(room.modules.server.ask("where"), (error) => error.message === "KeyError: 'f9'");
});

test("what is done in turn waits for what was begun before, even where that failed", async () => {
  const room = await load({ begin: false });
  const order = [];
  const { error } = console;
  console.error = () => order.push("said");
  let fail;
  room.modules.server.inTurn(() => new Promise((_, reject) => { fail = reject; }));
  const second = room.modules.server.inTurn(() => order.push("second"));
  await room.clock.pass(10);
  assert.deepEqual(order, []);
  fail(new Error("lost"));
  await second;
  console.error = error;
  assert.deepEqual(order, ["said", "second"]);
});
