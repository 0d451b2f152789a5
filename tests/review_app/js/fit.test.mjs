// Faces as large as the page fits into the space.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./review.mjs";

const { fit, GAP_PX, MIN_SIDE_PX } = (await load()).fit;

test("every number of faces fits into every space that has room for one", () => {
  for (const [width, height] of [[1050, 690], [880, 480], [600, 280], [300, 200]]) {
    for (let count = 1; count <= 80; count += 1) {
      const { columns, side, shown } = fit(count, width, height, { caption: 24 });
      const rows = Math.ceil(shown / columns);
      assert.ok(columns * side + (columns - 1) * GAP_PX <= width, `${count} in ${width} × ${height}`);
      assert.ok(rows * (side + 24) + (rows - 1) * GAP_PX <= height, `${count} in ${width} × ${height}`);
      assert.ok(shown >= 1 && shown <= count);
    }
  }
});

test("a page that would be too small is shown in parts of about the same size", () => {
  const { side, shown } = fit(80, 880, 480);
  assert.ok(side >= MIN_SIDE_PX);
  assert.ok(shown < 80 && Math.ceil(80 / shown) * shown - 80 < shown / 2, String(shown));
});

test("no face is larger than asked for", () => {
  assert.equal(fit(1, 2000, 2000, { mostPx: 240 }).side, 240);
});
