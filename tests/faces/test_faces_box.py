"""A box in another picture's pixels: at the same place, and inside."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mtf.faces.box import Box

SIDES = st.integers(1, 4000)
SHAPES = st.tuples(SIDES, SIDES)


@st.composite
def placed(draw: st.DrawFn) -> tuple[tuple[int, int], Box]:
    height, width = draw(SHAPES)
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (height, width), Box(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))


@settings(max_examples=100, deadline=None)
@given(placed(), SHAPES)
def test_a_scaled_box_is_inside_and_where_the_share_of_the_picture_is(
    at: tuple[tuple[int, int], Box], to: tuple[int, int]
) -> None:
    shape, box = at
    scaled = box.scaled(shape, to)
    is_inside(scaled, to)
    # Half a pixel from rounding, and one more where a box would else have no pixel left.
    across, down = to[1] / shape[1], to[0] / shape[0]
    for now, wanted in (
        (scaled.x, box.x * across),
        (scaled.y, box.y * down),
        (scaled.x + scaled.width, (box.x + box.width) * across),
        (scaled.y + scaled.height, (box.y + box.height) * down),
    ):
        assert abs(now - wanted) <= 1.5


@settings(max_examples=100, deadline=None)
@given(placed(), st.integers(1, 8))
def test_a_box_that_is_enlarged_and_reduced_again_is_the_same(at: tuple[tuple[int, int], Box], times: int) -> None:
    shape, box = at
    larger = shape[0] * times, shape[1] * times
    assert box.scaled(shape, shape) == box
    assert box.scaled(shape, larger).scaled(larger, shape) == box


@settings(max_examples=100, deadline=None)
@given(placed(), st.floats(0, 2))
def test_a_margin_is_inside_and_around_the_box(at: tuple[tuple[int, int], Box], share: float) -> None:
    shape, box = at
    wide = box.with_margin(share, shape=shape)
    is_inside(wide, shape)
    assert wide.x <= box.x and wide.y <= box.y
    assert wide.x + wide.width >= box.x + box.width and wide.y + wide.height >= box.y + box.height


def is_inside(box: Box, shape: tuple[int, int]) -> None:
    assert box.x >= 0 and box.y >= 0 and box.width >= 1 and box.height >= 1
    assert box.x + box.width <= shape[1] and box.y + box.height <= shape[0]
