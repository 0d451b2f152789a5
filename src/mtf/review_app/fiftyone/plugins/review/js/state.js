// State of the page: the server's last answer, and what the reviewer is about to do.

export let state = null;
export function renew(answer) { state = answer; }

export const onPage = (ids) => ids.every((id) => state.page.includes(id));

export const titleOf = (step) => {
  const found = state.steps.find((one) => one.step === step);
  return found ? found.title : "settled by the panel";
};

// The chosen faces that are not on the page, and the step each is at: {key, at}.
export let looked = null;
export function setLooked(found) { looked = found; }

// A label that is being corrected: {column, from}, of which nothing is chosen yet, then the column.
export let choosing = null;
export function choose(next) { choosing = next; }
export const offered = () => (choosing.column ? state.labels[choosing.column] : Object.keys(state.labels));
