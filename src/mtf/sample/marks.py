"""What age, life and razors leave on a face: lines, freckles, beards, moles, scars."""

from __future__ import annotations

import numpy as np

from mtf.sample.paint import Canvas, Mask, circle, curve, mixed, shade
from mtf.sample.people import Look
from mtf.sample.pose import Placed


def paint_below(canvas: Canvas, look: Look, placed: Placed, face: Mask) -> None:
    """What lies below eyes, nose and mouth."""
    if look.wrinkles:
        _paint_wrinkles(canvas, look, placed, face)
    if look.freckles:
        _paint_freckles(canvas, look, placed, face)
    _paint_beard(canvas, look, placed, face)


def paint_above(canvas: Canvas, look: Look, placed: Placed, face: Mask) -> None:
    """What lies above them."""
    _paint_moustache(canvas, look, placed)
    _paint_marks(canvas, look, placed, face)


def _paint_wrinkles(canvas: Canvas, look: Look, placed: Placed, face: Mask) -> None:
    """Lines of the forehead, crow's feet, bags under the eyes, folds from nose to mouth."""
    lines = [curve([(-0.40, y + 0.03), (-0.15, y - 0.01), (0.15, y - 0.01), (0.40, y + 0.03)]) for y in (-0.64, -0.54)]
    for side in (-1, 1):
        mouth = look.mouth_width + 0.09
        lines.append(
            curve([(side * 0.19, 0.24), (side * 0.30, 0.38), (side * mouth, 0.60), (side * (mouth - 0.02), 0.70)])
        )
        bag = look.eye_height + 0.17
        lines.append(
            curve(
                [
                    (side * (look.eye_gap - 0.15), bag - 0.02),
                    (side * look.eye_gap, bag + 0.03),
                    (side * (look.eye_gap + 0.15), bag - 0.02),
                ]
            )
        )
        edge = look.eye_gap + look.eye_size
        for lift in (-0.06, 0.0, 0.06):
            start = (side * (edge + 0.03), look.eye_height + 0.4 * lift)
            lines.append(curve([start, (side * (edge + 0.12), look.eye_height + lift)]))
    lines.append(curve([(-0.05, look.eye_height - 0.22), (-0.045, look.eye_height - 0.12)]))
    lines.append(curve([(0.05, look.eye_height - 0.22), (0.045, look.eye_height - 0.12)]))
    spots = [placed.points(line) for line in lines]
    depth = {"soft_px": placed.px(0.008), "inside": face}
    canvas.stroke_all(spots, shade(look.skin, 0.45), width_px=placed.px(0.022), opacity=0.46 * look.wrinkles, **depth)
    canvas.stroke_all(
        [spot + np.array([0, placed.px(0.024)]) for spot in spots],
        mixed(look.skin, (255, 255, 255), 0.5),
        width_px=placed.px(0.016),
        opacity=0.35 * look.wrinkles,
        **depth,
    )


def _paint_freckles(canvas: Canvas, look: Look, placed: Placed, face: Mask) -> None:
    rng = np.random.default_rng(round(1e6 * look.eye_gap))
    middles = np.stack([rng.normal(0, 0.30, 34), rng.uniform(0.06, 0.36, 34)], axis=1)
    spots = [circle(middle, placed.px(rng.uniform(0.010, 0.018))) for middle in placed.points(middles)]
    canvas.fill_all(spots, shade(look.skin, 0.58), opacity=0.7, inside=face)


def _paint_beard(canvas: Canvas, look: Look, placed: Placed, face: Mask) -> None:
    if look.beard in ("none", "moustache"):
        return
    w, chin = look.face_width, look.chin
    cheeks = [
        (-w, 0.12),
        (-0.86 * w, 0.30),
        (-0.62 * w, 0.44),
        (-0.40, 0.42),
        (0, 0.40),
        (0.40, 0.42),
        (0.62 * w, 0.44),
        (0.86 * w, 0.30),
        (w, 0.12),
        (1.02 * w, 0.6),
        (0.5, chin + 0.06),
        (0, chin + 0.10),
        (-0.5, chin + 0.06),
        (-1.02 * w, 0.6),
    ]
    small = [
        (-0.30, 0.52),
        (-0.24, 0.44),
        (0, 0.41),
        (0.24, 0.44),
        (0.30, 0.52),
        (0.30, 0.80),
        (0.16, chin + 0.04),
        (-0.16, chin + 0.04),
        (-0.30, 0.80),
    ]
    shape = curve(small if look.beard == "goatee" else cheeks, closed=True, steps=5)
    opacity = {"stubble": 0.40, "goatee": 0.88, "full": 0.92}[look.beard]
    within = face if look.beard == "stubble" else None
    canvas.fill(
        placed.points(shape, depth=0.35),
        shade(look.hair, 0.85),
        opacity=opacity,
        soft_px=placed.px(0.05 if look.beard == "stubble" else 0.022),
        inside=within,
    )
    if look.beard == "full":
        _paint_whiskers(canvas, look, placed)


def _paint_whiskers(canvas: Canvas, look: Look, placed: Placed) -> None:
    rng = np.random.default_rng(round(1e6 * look.mouth_width))
    for tone in (0.6, 0.8, 1.1):
        x = rng.uniform(-0.62, 0.62, 50) * look.face_width / 0.8
        y = rng.uniform(0.55, 0.98 * look.chin, 50)
        whiskers = [np.array([(a, b), (1.02 * a, b + 0.06), (a, b + 0.11)]) for a, b in zip(x, y, strict=True)]
        lines = [placed.points(whisker, depth=0.35) for whisker in whiskers]
        canvas.stroke_all(lines, shade(look.hair, tone), width_px=placed.px(0.012), opacity=0.28)


def _paint_moustache(canvas: Canvas, look: Look, placed: Placed) -> None:
    if look.beard not in ("moustache", "full", "goatee"):
        return
    y = 0.52 * look.chin - 0.04
    half = look.mouth_width + 0.05
    shape = [
        (-half, y + 0.09),
        (-0.55 * half, y - 0.05),
        (0, y - 0.045),
        (0.55 * half, y - 0.05),
        (half, y + 0.09),
        (0.5 * half, y + 0.045),
        (0, y + 0.03),
        (-0.5 * half, y + 0.045),
    ]
    canvas.fill(
        placed.points(curve(shape, closed=True, steps=5)), shade(look.hair, 0.8), opacity=0.93, soft_px=placed.px(0.012)
    )


def _paint_marks(canvas: Canvas, look: Look, placed: Placed, face: Mask) -> None:
    if look.mole:
        canvas.disc(placed.points([look.mole])[0], placed.px(0.028), shade(look.skin, 0.35), opacity=0.9, inside=face)
    if look.scar:
        cut = curve([(0.40, look.eye_height - 0.42), (0.45, look.eye_height - 0.30), (0.47, look.eye_height - 0.17)])
        canvas.stroke(placed.points(cut), shade(look.skin, 0.6), width_px=placed.px(0.05), opacity=0.6, inside=face)
        canvas.stroke(placed.points(cut), mixed(look.skin, (235, 235, 255), 0.6), width_px=placed.px(0.02), inside=face)
