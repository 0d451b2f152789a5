// Pictures in this tab's memory, so that the next page is there before it is needed. Those of earlier pages are dropped:
// a picture that was taken down must not stay.

const stored = new Map();          // address → { url, ready }; url is null if there is no such picture

export function load(address) {
  if (!stored.has(address)) {
    const entry = { url: undefined };
    entry.ready = fetched(address).then((url) => {
      if (stored.get(address) !== entry) { if (url) URL.revokeObjectURL(url); return; }
      entry.url = url;
    });
    stored.set(address, entry);
  }
  return stored.get(address).ready;
}

// Address within the tab; undefined while it is loading, null if the server has no such picture.
export const urlOf = (address) => stored.get(address)?.url;

export function forgetAllBut(addresses) {
  const kept = new Set(addresses);
  for (const [address, entry] of stored) {
    if (kept.has(address)) continue;
    if (entry.url) URL.revokeObjectURL(entry.url);
    stored.delete(address);
  }
}

async function fetched(address) {
  try {
    const response = await fetch(address);
    if (!response.ok) return null;
    const url = URL.createObjectURL(await response.blob());
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => {});
    return url;
  } catch { return null; }
}
