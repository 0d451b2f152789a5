"""Marks on a drawn face (wrinkles, freckles, beards, moles, scars), and objects in front of it (glasses, a hand)."""

from __future__ import annotations

import numpy as np

from mtf.sample.paint import Canvas, Mask, circle, curve, mixed, shade
from mtf.sample.people import FacialTraits, HeadProjection


def paint_below(canvas: Canvas, traits: FacialTraits, head: HeadProjection, face: Mask) -> None:
    """Paint the marks below eyes, nose and mouth."""
    if traits.wrinkles:
        _paint_wrinkles(canvas, traits, head, face)
    if traits.freckles:
        _paint_freckles(canvas, traits, head, face)
    _paint_beard(canvas, traits, head, face)


def paint_above(canvas: Canvas, traits: FacialTraits, head: HeadProjection, face: Mask) -> None:
    """Paint the marks above eyes, nose and mouth."""
    _paint_moustache(canvas, traits, head)
    _paint_marks(canvas, traits, head, face)


def _paint_wrinkles(canvas: Canvas, traits: FacialTraits, head: HeadProjection, face: Mask) -> None:
    """Paint lines of the forehead, crow's feet, bags under the eyes, and folds from nose to mouth."""
    lines = [curve([(-0.40, y + 0.03), (-0.15, y - 0.01), (0.15, y - 0.01), (0.40, y + 0.03)]) for y in (-0.64, -0.54)]
    for side in (-1, 1):
        mouth = traits.mouth_width + 0.09
        lines.append(
            curve([(side * 0.19, 0.24), (side * 0.30, 0.38), (side * mouth, 0.60), (side * (mouth - 0.02), 0.70)])
        )
        bag = traits.eye_height + 0.17
        lines.append(
            curve(
                [
                    (side * (traits.eye_gap - 0.15), bag - 0.02),
                    (side * traits.eye_gap, bag + 0.03),
                    (side * (traits.eye_gap + 0.15), bag - 0.02),
                ]
            )
        )
        edge = traits.eye_gap + traits.eye_size
        for lift in (-0.06, 0.0, 0.06):
            start = (side * (edge + 0.03), traits.eye_height + 0.4 * lift)
            lines.append(curve([start, (side * (edge + 0.12), traits.eye_height + lift)]))
    lines.append(curve([(-0.05, traits.eye_height - 0.22), (-0.045, traits.eye_height - 0.12)]))
    lines.append(curve([(0.05, traits.eye_height - 0.22), (0.045, traits.eye_height - 0.12)]))
    spots = [head.points(line) for line in lines]
    depth = {"soft_px": head.px(0.008), "inside": face}
    canvas.stroke_all(spots, shade(traits.skin, 0.45), width_px=head.px(0.022), opacity=0.46 * traits.wrinkles, **depth)
    canvas.stroke_all(
        [spot + np.array([0, head.px(0.024)]) for spot in spots],
        mixed(traits.skin, (255, 255, 255), 0.5),
        width_px=head.px(0.016),
        opacity=0.35 * traits.wrinkles,
        **depth,
    )


def _paint_freckles(canvas: Canvas, traits: FacialTraits, head: HeadProjection, face: Mask) -> None:
    rng = np.random.default_rng(round(1e6 * traits.eye_gap))
    middles = np.stack([rng.normal(0, 0.30, 34), rng.uniform(0.06, 0.36, 34)], axis=1)
    spots = [circle(middle, head.px(rng.uniform(0.010, 0.018))) for middle in head.points(middles)]
    canvas.fill_all(spots, shade(traits.skin, 0.58), opacity=0.7, inside=face)


def _paint_beard(canvas: Canvas, traits: FacialTraits, head: HeadProjection, face: Mask) -> None:
    if traits.beard in ("none", "moustache"):
        return
    w, chin = traits.face_width, traits.chin
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
    shape = curve(small if traits.beard == "goatee" else cheeks, closed=True, steps=5)
    opacity = {"stubble": 0.40, "goatee": 0.88, "full": 0.92}[traits.beard]
    within = face if traits.beard == "stubble" else None
    canvas.fill(
        head.points(shape, depth=0.35),
        shade(traits.hair, 0.85),
        opacity=opacity,
        soft_px=head.px(0.05 if traits.beard == "stubble" else 0.022),
        inside=within,
    )
    if traits.beard == "full":
        _paint_whiskers(canvas, traits, head)


def _paint_whiskers(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    rng = np.random.default_rng(round(1e6 * traits.mouth_width))
    for tone in (0.6, 0.8, 1.1):
        x = rng.uniform(-0.62, 0.62, 50) * traits.face_width / 0.8
        y = rng.uniform(0.55, 0.98 * traits.chin, 50)
        whiskers = [np.array([(a, b), (1.02 * a, b + 0.06), (a, b + 0.11)]) for a, b in zip(x, y, strict=True)]
        lines = [head.points(whisker, depth=0.35) for whisker in whiskers]
        canvas.stroke_all(lines, shade(traits.hair, tone), width_px=head.px(0.012), opacity=0.28)


def _paint_moustache(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    if traits.beard not in ("moustache", "full", "goatee"):
        return
    y = 0.52 * traits.chin - 0.04
    half = traits.mouth_width + 0.05
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
        head.points(curve(shape, closed=True, steps=5)), shade(traits.hair, 0.8), opacity=0.93, soft_px=head.px(0.012)
    )


def _paint_marks(canvas: Canvas, traits: FacialTraits, head: HeadProjection, face: Mask) -> None:
    if traits.mole:
        canvas.disc(head.points([traits.mole])[0], head.px(0.028), shade(traits.skin, 0.35), opacity=0.9, inside=face)
    if traits.scar:
        cut = curve(
            [(0.40, traits.eye_height - 0.42), (0.45, traits.eye_height - 0.30), (0.47, traits.eye_height - 0.17)]
        )
        canvas.stroke(head.points(cut), shade(traits.skin, 0.6), width_px=head.px(0.05), opacity=0.6, inside=face)
        canvas.stroke(head.points(cut), mixed(traits.skin, (235, 235, 255), 0.6), width_px=head.px(0.02), inside=face)


def paint_glasses(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    """Paint glasses with clear lenses."""
    rim = (58, 46, 42)
    for side in (-1, 1):
        lens = _lens(traits, side)
        canvas.fill(head.points(lens, depth=0.72), (250, 245, 240), opacity=0.10)
        ring = np.concatenate([lens, lens[:1]])
        canvas.stroke(head.points(ring, depth=0.72), rim, width_px=head.px(0.018))
        arm = [
            (side * (traits.eye_gap + 0.24), traits.eye_height - 0.04),
            (side * traits.face_width, traits.eye_height - 0.08),
        ]
        canvas.stroke(head.points(arm, depth=0.45), rim, width_px=head.px(0.018))
    bridge = curve([(-0.09, traits.eye_height), (0, traits.eye_height - 0.04), (0.09, traits.eye_height)])
    canvas.stroke(head.points(bridge, depth=0.72), rim, width_px=head.px(0.018))


def paint_sunglasses(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    """Dark lenses that hide both eyes."""
    dark = (34, 26, 24)
    for side in (-1, 1):
        lens = _lens(traits, side, scale=1.18)
        mask = canvas.fill(head.points(lens, depth=0.72), dark, opacity=0.97)
        glare = [(x - 0.10, y) for x, y in ((side * traits.eye_gap, traits.eye_height - 0.10),)]
        canvas.disc(
            head.points(glare, depth=0.72)[0],
            head.px(0.06),
            (190, 180, 170),
            opacity=0.35,
            soft_px=head.px(0.03),
            inside=mask,
        )
    bar = [(-traits.face_width, traits.eye_height - 0.10), (traits.face_width, traits.eye_height - 0.10)]
    canvas.stroke(head.points(bar, depth=0.55), dark, width_px=head.px(0.06))


def paint_hand(canvas: Canvas, traits: FacialTraits, head: HeadProjection, side: int) -> None:
    """A hand that covers the mouth, from the left (-1) or the right (1)."""
    skin, crease = shade(traits.skin, 0.93), shade(traits.skin, 0.55)
    palm = [(side * 1.0, 1.6), (side * 0.86, 0.85), (side * 0.36, 0.42), (side * 0.02, 0.52), (side * 0.1, 1.6)]
    canvas.fill(head.points(curve(palm, closed=True), depth=0.5), skin)
    for number in range(4):
        y = 0.34 + 0.15 * number
        finger = [(side * 0.55, y + 0.10), (side * 0.1, y), (-side * (0.40 - 0.05 * abs(number - 1)), y - 0.03)]
        line = head.points(curve(finger), depth=0.6)
        canvas.stroke(line, crease, width_px=head.px(0.185), opacity=0.8)
        canvas.stroke(line, skin, width_px=head.px(0.155))


def _lens(traits: FacialTraits, side: int, scale: float = 1.0) -> np.ndarray:
    centre = np.array([side * (traits.eye_gap + 0.01), traits.eye_height + 0.02])
    corners = [(-0.24, -0.16), (0.0, -0.185), (0.24, -0.15), (0.22, 0.10), (0.0, 0.19), (-0.22, 0.12)]
    return centre + scale * curve(corners, closed=True, steps=6)
