"""Hair of a drawn head: the part behind the head, and the part in front."""

from __future__ import annotations

import numpy as np

from mtf.sample.paint import Canvas, Colour, Mask, circle, curve, mixed, shade
from mtf.sample.people import FacialTraits, HeadProjection

LONG = ("long", "fringe", "wavy", "curly_long", "bob")
CURLY = ("curly_short", "curly_long")


def paint_behind(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    """Paint the hair behind the head: long hair, a bun."""
    dark = shade(traits.hair, 0.72)
    if traits.hair_style == "bun":
        knot = canvas.disc(head.points([(0, -1.13)], depth=-0.2)[0], head.px(0.38), shade(traits.hair, 0.84))
        turns = [_arc(-1.13, 0.40, turn) for turn in (-0.8, -0.6, -0.4, -0.2, 0.0)]
        _strands(canvas, head, traits.hair, turns, depth=-0.2, inside=knot)
    if traits.hair_style not in LONG:
        return
    length = min(traits.hair_length, 0.85) if traits.hair_style == "bob" else traits.hair_length
    edge = traits.face_width + traits.hair_volume
    waves = {"wavy": 0.09, "curly_long": 0.05}.get(traits.hair_style, 0.0)
    side = [(edge * _fall(t) + waves * np.sin(9 * t), -0.75 + t * (length + 0.75)) for t in np.linspace(0, 1, 9)]
    top = [(-0.55 * edge, -1.05 - traits.hair_volume), (0.55 * edge, -1.05 - traits.hair_volume)]
    left = [(-x, y) for x, y in reversed(side)]
    shape = curve([*top, *side, (0.5 * edge, length + 0.03), (-0.5 * edge, length + 0.03), *left], closed=True)
    mask = canvas.fill(head.points(shape, depth=-0.25), dark)
    if traits.hair_style == "curly_long":
        for sign in (-1, 1):
            for share in (0.72, 0.86, 0.98):
                _curls(canvas, head, traits, [(sign * share * x, y) for x, y in side[2:]], depth=-0.25)
    else:
        falls = [_fall_line(side, share) for share in np.linspace(-0.97, 0.97, 16)]
        _strands(canvas, head, traits.hair, falls, depth=-0.25, inside=mask)


def paint_in_front(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    """Paint the hair on the head and beside the face."""
    if traits.hair_style == "sides_only":
        _paint_sides(canvas, traits, head)
        return
    line = _hairline(traits)
    cap = curve([*_crown(traits), *line], closed=True)
    shadow = curve([(x, y + 0.05) for x, y in line])
    canvas.stroke(
        head.points(shadow, depth=0.45),
        shade(traits.skin, 0.45),
        width_px=head.px(0.07),
        opacity=0.35,
        soft_px=head.px(0.03),
    )
    mask = canvas.fill(head.points(cap, depth=0.15), traits.hair, opacity=0.99)
    _gloss(canvas, traits, head, mask)
    if traits.hair_style in CURLY:
        for along in (_inner_crown(traits), line[1:-1], _crown(traits)):
            _curls(canvas, head, traits, along, depth=0.15)
    else:
        _strands(canvas, head, traits.hair, _combed(traits, line), depth=0.15, inside=mask)
    if traits.hair_style in LONG:
        _paint_locks(canvas, traits, head)


def _crown(traits: FacialTraits) -> list[tuple[float, float]]:
    """Outer edge of the hair, from the left temple over the top to the right one."""
    lift = {"crew": 0.04, "receding": 0.05, "bun": 0.07}.get(traits.hair_style, traits.hair_volume)
    edge = traits.face_width + 0.45 * lift
    low = -0.02 if traits.lashes < 0.5 else 0.10
    left = [(-edge, low), (-edge - 0.02, -0.45), (-0.72 * edge, -0.88 - 0.6 * lift)]
    right = [(0.72 * edge, -0.88 - 0.6 * lift), (edge + 0.02, -0.45), (edge, low)]
    return [*left, (0.0, -1.04 - lift), *right]


def _inner_crown(traits: FacialTraits) -> list[tuple[float, float]]:
    return [(0.8 * x, 0.86 * y) for x, y in _crown(traits)[1:-1]]


def _hairline(traits: FacialTraits) -> list[tuple[float, float]]:
    """Hairline along the forehead, from the right temple to the left one."""
    w, part = traits.face_width, traits.part
    temple = [(0.93 * w, -0.10), (0.90 * w, -0.34)]
    across = {
        "short": [(0.66 * w, -0.60), (0.25 * w, -0.70), (-0.25 * w, -0.70), (-0.66 * w, -0.60)],
        "crew": [(0.70 * w, -0.66), (0.3 * w, -0.74), (-0.3 * w, -0.74), (-0.70 * w, -0.66)],
        "receding": [(0.74 * w, -0.66), (0.48 * w, -0.92), (0.0, -0.80), (-0.48 * w, -0.92), (-0.74 * w, -0.66)],
        "fringe": [(0.74 * w, -0.46), (0.3 * w, -0.44), (-0.3 * w, -0.44), (-0.74 * w, -0.46)],
        "swept": [(0.72 * w, -0.62), (0.42 * w, -0.84), (-0.1 * w, -0.80), (-0.55 * w, -0.66)],
        "bun": [(0.66 * w, -0.66), (0.25 * w, -0.80), (-0.25 * w, -0.80), (-0.66 * w, -0.66)],
        "curly_short": [(0.62 * w, -0.58), (0.2 * w, -0.64), (-0.2 * w, -0.64), (-0.62 * w, -0.58)],
    }
    parted = [
        (0.72 * w, -0.52),
        ((part + 0.36) * w, -0.68),
        (part * w, -0.90),
        ((part - 0.36) * w, -0.68),
        (-0.72 * w, -0.52),
    ]
    back = [(-x, y) for x, y in reversed(temple)]
    return [*temple, *across.get(traits.hair_style, parted), *back]


def _paint_sides(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    """A bald crown with hair above the ears."""
    w = traits.face_width
    for side in (-1, 1):
        tuft = [(0.90 * w, 0.05), (w + 0.09, 0.02), (w + 0.10, -0.35), (0.86 * w, -0.66), (0.84 * w, -0.40)]
        shape = curve([(side * x, y) for x, y in tuft], closed=True)
        canvas.fill(head.points(shape, depth=0.05), traits.hair, soft_px=head.px(0.012))
    shine = curve([(-0.22, -0.84), (0.0, -0.90), (0.22, -0.84), (0.0, -0.76)], closed=True)
    canvas.fill(head.points(shine), (250, 252, 255), opacity=0.38, soft_px=head.px(0.06))


def _paint_locks(canvas: Canvas, traits: FacialTraits, head: HeadProjection) -> None:
    """Hair that frames the cheeks."""
    w, low = traits.face_width, min(traits.hair_length, 0.72 if traits.hair_style == "bob" else 1.15)
    for side in (-1, 1):
        lock = [
            (0.80 * w, -0.62),
            (w + 0.07, -0.30),
            (w + 0.10, 0.25),
            (w + 0.04, low),
            (0.90 * w, 0.55),
            (0.93 * w, 0.05),
            (0.86 * w, -0.30),
        ]
        shape = curve([(side * x, y) for x, y in lock], closed=True)
        mask = canvas.fill(head.points(shape, depth=0.05), shade(traits.hair, 0.92))
        falls = [
            curve([(side * (0.9 * w + d), -0.4), (side * (w + d), 0.1), (side * (0.97 * w + d), 0.6)])
            for d in (0, 0.05)
        ]
        _strands(canvas, head, traits.hair, falls, depth=0.05, inside=mask)


def _gloss(canvas: Canvas, traits: FacialTraits, head: HeadProjection, mask: Mask) -> None:
    band = curve([(-0.55, -0.80), (0.0, -0.98), (0.55, -0.80)])
    canvas.stroke(
        head.points(band, depth=0.15),
        mixed(traits.hair, (255, 250, 245), 0.5),
        width_px=head.px(0.09),
        opacity=0.45,
        soft_px=head.px(0.05),
        inside=mask,
    )


def _combed(traits: FacialTraits, line: list[tuple[float, float]]) -> list[np.ndarray]:
    """Strands from the parting to the edge."""
    start = np.array([traits.part * traits.face_width, -0.98])
    ends = np.concatenate([curve(_crown(traits), steps=4), curve(line[1:-1], steps=3)])
    return [curve(np.stack([start, 0.55 * (start + end) * (1, 1.03), end]), steps=4) for end in ends]


def _strands(
    canvas: Canvas,
    head: HeadProjection,
    colour: Colour,
    lines: list[np.ndarray],
    *,
    depth: float,
    inside: Mask | None = None,
) -> None:
    for number, tone in enumerate((mixed(colour, (235, 235, 235), 0.22), shade(colour, 0.66))):
        own = [head.points(line, depth=depth) for line in lines[number::2]]
        canvas.stroke_all(own, tone, width_px=head.px(0.018), opacity=0.38, inside=inside)


def _curls(
    canvas: Canvas, head: HeadProjection, traits: FacialTraits, along: list[tuple[float, float]], *, depth: float
) -> None:
    """Curls scattered about a line, the dark ones below the light ones."""
    rng = np.random.default_rng(round(1e6 * traits.hair_volume))
    line = curve(along, steps=4)
    for tone, size in ((0.68, 0.125), (0.88, 0.10), (1.06, 0.075)):
        middles = head.points(line + rng.normal(0, 0.035, line.shape), depth=depth)
        radii = head.px(size) * rng.uniform(0.85, 1.2, len(middles))
        discs = [circle(middle, radius) for middle, radius in zip(middles, radii, strict=True)]
        canvas.fill_all(discs, shade(traits.hair, tone), opacity=0.9)
        rings = [circle(middle, 0.6 * radius)[:18:3] for middle, radius in zip(middles, radii, strict=True)]
        light = mixed(traits.hair, (250, 250, 250), 0.25)
        canvas.stroke_all(rings, light, width_px=head.px(0.014), opacity=0.45)


def _fall(t: float) -> float:
    """Distance of the hair from the head at `t`, from the crown (0) to the ends (1)."""
    return 0.90 + 0.16 * np.sin(np.pi * min(1.0, 0.25 + 0.75 * t))


def _fall_line(side: list[tuple[float, float]], share: float) -> np.ndarray:
    return curve([(share * x, y) for x, y in side])


def _arc(y: float, radius: float, turn: float) -> np.ndarray:
    return curve([(-radius, y + turn * radius), (0, y + turn * radius - 0.08), (radius, y + turn * radius)])
