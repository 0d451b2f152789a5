// Requests to the review app's server.

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
