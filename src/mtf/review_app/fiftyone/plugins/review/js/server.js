// Requests to the review app's server, and operators that FiftyOne runs on the screen.

const foo = window.__foo__;
export const URI = "@mtf/review/";

export function dataset() {
  const match = window.location.pathname.match(/\/datasets\/([^/?]+)/);
  return match ? decodeURIComponent(match[1]) : null;
}

// Answer of an operator; throws if the review app does not answer, or the operator failed.
export async function ask(operator, params) {
  const response = await fetch("/operators/execute", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ operator_uri: URI + operator, dataset_name: dataset(), params: params || {} }),
  });
  if (!response.ok) throw new Error("the review app answered " + response.status);
  const answer = await response.json();
  if (answer.error) throw new Error(String(answer.error_message || answer.error).split("\n").pop());
  return answer.result;
}

export const execute = (operator, params) => foo.executeOperator(operator, params || {});

// Registers an operator: only operators learn the selection and the view, which `run` gets as `ctx`.
export function register(name, run) {
  class Own extends foo.Operator {
    get config() { return new foo.OperatorConfig({ name, label: "Review: " + name, unlisted: true }); }
    async execute(ctx) { await run(ctx); }
  }
  foo.registerOperator(Own, "@mtf/review");
}

// Runs jobs one after another, so that each sees the result of the one before.
let last = Promise.resolve();
export function inTurn(job) {
  last = last.then(job).catch((error) => console.error(error));
  return last;
}
