// Size of the faces: as large as the page fits into the space, and how many fit at all.

export const GAP_PX = 10;
export const MIN_SIDE_PX = 96;     // smaller faces cannot be judged: the page is then shown in parts

// Columns, side of a face and number of faces for `count` faces in `width` × `height` pixels. `caption` is the height
// of the text below each face, `mostPx` the largest side.
export function fit(count, width, height, { caption = 0, mostPx = 340 } = {}) {
  if (!count || width <= 0 || height <= 0) return { columns: 1, side: MIN_SIDE_PX, shown: count };
  const whole = largest(count, width, height, caption, mostPx);
  if (whole.side >= MIN_SIDE_PX) return { ...whole, shown: count };
  const across = Math.max(Math.floor((width + GAP_PX) / (MIN_SIDE_PX + GAP_PX)), 1);
  const down = Math.max(Math.floor((height + GAP_PX) / (MIN_SIDE_PX + caption + GAP_PX)), 1);
  const parts = Math.ceil(count / (across * down));
  const shown = Math.ceil(count / parts);
  const part = largest(shown, width, height, caption, mostPx);
  return { ...part, side: Math.max(part.side, 48), shown };
}

function largest(count, width, height, caption, mostPx) {
  let best = { columns: 1, side: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const across = (width - GAP_PX * (columns - 1)) / columns;
    const down = (height - GAP_PX * (rows - 1)) / rows - caption;
    const side = Math.floor(Math.min(across, down, mostPx));
    if (side > best.side) best = { columns, side };
  }
  return best;
}
