"""What is in front of a face: glasses, sunglasses, a hand."""

from __future__ import annotations

import numpy as np

from mtf.sample.paint import Canvas, curve, shade
from mtf.sample.people import Look
from mtf.sample.pose import Placed


def paint_glasses(canvas: Canvas, look: Look, placed: Placed) -> None:
    rim = (58, 46, 42)
    for side in (-1, 1):
        lens = _lens(look, side)
        canvas.fill(placed.points(lens, depth=0.72), (250, 245, 240), opacity=0.10)
        ring = np.concatenate([lens, lens[:1]])
        canvas.stroke(placed.points(ring, depth=0.72), rim, width_px=placed.px(0.018))
        arm = [(side * (look.eye_gap + 0.24), look.eye_height - 0.04), (side * look.face_width, look.eye_height - 0.08)]
        canvas.stroke(placed.points(arm, depth=0.45), rim, width_px=placed.px(0.018))
    bridge = curve([(-0.09, look.eye_height), (0, look.eye_height - 0.04), (0.09, look.eye_height)])
    canvas.stroke(placed.points(bridge, depth=0.72), rim, width_px=placed.px(0.018))


def paint_sunglasses(canvas: Canvas, look: Look, placed: Placed) -> None:
    """Dark lenses that hide both eyes."""
    dark = (34, 26, 24)
    for side in (-1, 1):
        lens = _lens(look, side, scale=1.18)
        mask = canvas.fill(placed.points(lens, depth=0.72), dark, opacity=0.97)
        glare = [(x - 0.10, y) for x, y in ((side * look.eye_gap, look.eye_height - 0.10),)]
        canvas.disc(
            placed.points(glare, depth=0.72)[0],
            placed.px(0.06),
            (190, 180, 170),
            opacity=0.35,
            soft_px=placed.px(0.03),
            inside=mask,
        )
    bar = [(-look.face_width, look.eye_height - 0.10), (look.face_width, look.eye_height - 0.10)]
    canvas.stroke(placed.points(bar, depth=0.55), dark, width_px=placed.px(0.06))


def paint_hand(canvas: Canvas, look: Look, placed: Placed, side: int) -> None:
    """A hand that covers the mouth, from the left (-1) or the right (1)."""
    skin, crease = shade(look.skin, 0.93), shade(look.skin, 0.55)
    palm = [(side * 1.0, 1.6), (side * 0.86, 0.85), (side * 0.36, 0.42), (side * 0.02, 0.52), (side * 0.1, 1.6)]
    canvas.fill(placed.points(curve(palm, closed=True), depth=0.5), skin)
    for number in range(4):
        y = 0.34 + 0.15 * number
        finger = [(side * 0.55, y + 0.10), (side * 0.1, y), (-side * (0.40 - 0.05 * abs(number - 1)), y - 0.03)]
        line = placed.points(curve(finger), depth=0.6)
        canvas.stroke(line, crease, width_px=placed.px(0.185), opacity=0.8)
        canvas.stroke(line, skin, width_px=placed.px(0.155))


def _lens(look: Look, side: int, scale: float = 1.0) -> np.ndarray:
    centre = np.array([side * (look.eye_gap + 0.01), look.eye_height + 0.02])
    corners = [(-0.24, -0.16), (0.0, -0.185), (0.24, -0.15), (0.22, 0.10), (0.0, 0.19), (-0.22, 0.12)]
    return centre + scale * curve(corners, closed=True, steps=6)
