// What is asked of the review app's server, and what becomes of its refusals.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./review.mjs";

const answering = (status, body) => { globalThis.fetch = async () => ({ ok: status === 200, status, json: async () => body }); };

test("the data set is the one of the address", async () => {
  for (const [path, name] of [["/datasets/sample-anna", "sample-anna"], ["/datasets/a%20b/x", "a b"], ["/runs", null]]) {
    assert.equal((await load({ path })).server.dataset(), name);
  }
});

test("what the operator answers is given", async () => {
  const review = await load();
  review.answers.look = (params) => ({ at: params.ids });
  assert.deepEqual(await review.server.ask("look", { ids: ["f1"] }), { at: ["f1"] });
});

test("a server that answers with an error says which", async () => {
  const review = await load();
  answering(503, {});
  await assert.rejects(review.server.ask("look"), /the review app answered 503/);
});

test("an operator that failed says the last line of its traceback", async () => {
  const review = await load();
  answering(200, { error: true, error_message: "Traceback\n  File x\nKeyError: 'f9'" });
  await assert.rejects(review.server.ask("look"), (error) => error.message === "KeyError: 'f9'");
});
