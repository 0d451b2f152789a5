// What the server said last, and what is chosen beyond it.

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
