"""Portrait: a painted head with `FacialTraits`, a `Pose` and an `Expression`.

Points are in head units: the face's middle is (0, 0), the chin about (0, 1), the face's edge about (±0.8, 0).
They lie on an ellipsoid that is turned and tilted before it is projected.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtf.sample import features, hair, marks
from mtf.sample.paint import Canvas, Mask, curve, mixed, shade
from mtf.sample.people import Expression, FacialTraits, HeadProjection, Pose

Box = tuple[int, int, int, int]
"""Box as x, y, width, height in pixels."""


def paint_head(
    canvas: Canvas, traits: FacialTraits, pose: Pose, expression: Expression, *, clothes: Callable[[], None]
) -> Box:
    """Paint a head with hair onto `canvas`. Returns the box of the face, as detectors frame it.

    `clothes` paints the shoulders: over the neck and the ends of long hair, but under the chin.
    """
    head = HeadProjection(pose, traits.face_width)
    hair.paint_behind(canvas, traits, head)
    _paint_neck(canvas, traits, head)
    clothes()
    _paint_ears(canvas, traits, head)
    face = _paint_skin(canvas, traits, head, expression)
    features.paint(canvas, traits, head, expression, face)
    hair.paint_in_front(canvas, traits, head)
    if traits.glasses:
        marks.paint_glasses(canvas, traits, head)
    return face_box(head)


def face_box(head: HeadProjection) -> Box:
    """Square box from the hairline to the chin, as frontal detectors frame a face."""
    centre = head.points([(0.0, 0.05)])[0]
    half = 1.05 * head.pose.size_px
    return round(centre[0] - half), round(centre[1] - half), round(2 * half), round(2 * half)


def outline(traits: FacialTraits) -> np.ndarray:
    """Outline of the face, with a round or pointed chin or a square jaw."""
    width, jaw = traits.face_width, traits.jaw
    right = [
        (0.0, -1.0),
        (0.50 * width, -0.93),
        (0.86 * width, -0.66),
        (1.0 * width, -0.22),
        (0.985 * width, 0.14),
        ((0.84 + 0.11 * jaw) * width, 0.52),
        ((0.52 + 0.20 * jaw) * width, (0.82 + 0.02 * jaw) * traits.chin),
        ((0.22 + 0.14 * jaw) * width, 0.97 * traits.chin),
    ]
    left = [(-x, y) for x, y in reversed(right[1:])]
    return curve([*right, (0.0, traits.chin), *left], closed=True, steps=6)


def _paint_neck(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    width = (0.44 + 0.10 * traits.jaw) * traits.face_width / 0.8
    neck = [(-width, 0.45), (-width, 1.15), (-width - 0.16, 1.55), (width + 0.16, 1.55), (width, 1.15), (width, 0.45)]
    mask = canvas.fill(head.points(curve(neck), depth=-0.1), shade(traits.skin, 0.80))
    shadow = curve([(-0.75, 0.55), (-0.45, 1.0), (0.0, 1.22), (0.45, 1.0), (0.75, 0.55)], closed=True)
    canvas.fill(
        head.points(shadow, depth=0), shade(traits.skin, 0.48), opacity=0.65, soft_px=head.px(0.06), inside=mask
    )


def _paint_ears(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    for side in (-1, 1):
        x = side * traits.face_width
        ear = [(x, -0.16), (x + side * 0.10, -0.20), (x + side * 0.13, -0.05), (x + side * 0.07, 0.16), (x, 0.18)]
        canvas.fill(head.points(curve(ear, closed=True), depth=-0.05), shade(traits.skin, 0.86))
        inner = [(x + side * 0.02, -0.10), (x + side * 0.08, -0.10), (x + side * 0.05, 0.10)]
        canvas.stroke(
            head.points(curve(inner), depth=-0.05), shade(traits.skin, 0.62), width_px=head.px(0.025), opacity=0.7
        )
        if traits.earrings:
            pendant = head.points([(x + side * 0.045, 0.25)], depth=-0.05)[0]
            canvas.disc(pendant, head.px(0.045), (120, 215, 250))
            canvas.disc(pendant - head.px(0.012), head.px(0.015), (235, 250, 255))


def _paint_skin(canvas: Canvas, traits: FacialTraits, head: HeadProjection, expression: Expression) -> Mask:
    """Paint the skin with its light and shadows. Returns the mask of the face."""
    face = canvas.fill(head.points(outline(traits), depth=0), traits.skin)
    dark, light = shade(traits.skin, 0.55), mixed(traits.skin, (245, 250, 255), 0.55)
    side = expression.light_from
    edge = head.points(outline(traits), depth=0)
    canvas.stroke(edge, dark, width_px=head.px(0.16), opacity=0.30, soft_px=head.px(0.09), inside=face)
    far = [(-side * 0.42, -0.9), (-side * 0.95, -0.5), (-side * 0.98, 0.4), (-side * 0.45, 1.05), (-side * 0.55, 0.1)]
    canvas.fill(
        head.points(curve(far, closed=True), depth=0),
        dark,
        opacity=0.36 * abs(expression.light_strength),
        soft_px=head.px(0.16),
        inside=face,
    )
    forehead = [(side * 0.05 - 0.34, -0.60), (side * 0.05, -0.74), (side * 0.05 + 0.34, -0.60), (side * 0.05, -0.42)]
    canvas.fill(head.points(curve(forehead, closed=True)), light, opacity=0.42, soft_px=head.px(0.12), inside=face)
    blush = mixed(traits.skin, (95, 80, 235), 0.34)
    for cheek in (-1, 1):
        centre = head.points([(cheek * 0.46, 0.32)])[0]
        canvas.disc(centre, head.px(0.17), blush, opacity=0.34, soft_px=head.px(0.10), inside=face)
        shine = head.points([(cheek * 0.42 + side * 0.03, 0.19)])[0]
        canvas.disc(shine, head.px(0.10), light, opacity=0.40, soft_px=head.px(0.07), inside=face)
    chin = head.points([(side * 0.02, 0.83 * traits.chin)])[0]
    canvas.disc(chin, head.px(0.10), light, opacity=0.30, soft_px=head.px(0.06), inside=face)
    return face
