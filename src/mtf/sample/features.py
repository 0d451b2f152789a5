"""Facial features of a drawn head: eyes, brows, nose and mouth."""

from __future__ import annotations

import numpy as np

from mtf.sample import marks
from mtf.sample.paint import Canvas, Colour, Mask, circle, curve, mixed, shade
from mtf.sample.people import Expression, FacialTraits, HeadProjection

_PUPIL: Colour = (22, 18, 16)
_WHITE: Colour = (246, 248, 248)
_TEETH: Colour = (240, 246, 248)


def paint(canvas: Canvas, traits: FacialTraits, head: HeadProjection, expression: Expression, face: Mask) -> None:
    """Paint the features, and the marks below and above them, inside `face`."""
    marks.paint_below(canvas, traits, head, face)
    for side in (-1, 1):
        _paint_socket(canvas, traits, head, side, face)
        _paint_eye(canvas, traits, head, expression, side)
        _paint_brow(canvas, traits, head, expression, side)
    _paint_nose(canvas, traits, head, expression, face)
    _paint_mouth(canvas, traits, head, expression)
    marks.paint_above(canvas, traits, head, face)


def _paint_socket(canvas: Canvas, traits: FacialTraits, head: HeadProjection, side: int, face: Mask) -> None:
    hollow = circle((side * traits.eye_gap, traits.eye_height - 0.02), 0.25, height=0.15)
    canvas.fill(head.points(hollow), shade(traits.skin, 0.58), opacity=0.66, soft_px=head.px(0.06), inside=face)
    if traits.lashes > 0.5:
        lid = circle((side * traits.eye_gap, traits.eye_height - 0.07), 0.19, height=0.08)
        tint = mixed(shade(traits.skin, 0.7), traits.lips, 0.35)
        canvas.fill(head.points(lid), tint, opacity=0.35, soft_px=head.px(0.03), inside=face)


def _paint_eye(canvas: Canvas, traits: FacialTraits, head: HeadProjection, expression: Expression, side: int) -> None:
    centre = np.array([side * traits.eye_gap, traits.eye_height])
    width, height = traits.eye_size, 0.50 * traits.eye_size * (0.25 + 0.75 * expression.lids)
    lower = 0.62 * height * (1 - 0.3 * max(0.0, expression.smile))
    inner, outer = (-side * width, 0.015), (side * width, -traits.eye_tilt * width)
    upper_lid = curve([inner, (-side * 0.4 * width, -0.85 * height), (side * 0.25 * width, -height), outer])
    lower_lid = curve([outer, (side * 0.3 * width, lower), (-side * 0.4 * width, 0.8 * lower), inner])
    white = canvas.fill(head.points(centre + np.concatenate([upper_lid, lower_lid])), _WHITE)
    middle = head.points(centre[None] + np.array([0.05 * expression.gaze, -0.10 * height]))[0]
    canvas.disc(middle, head.px(0.60 * width), shade(traits.iris, 0.55), inside=white)
    canvas.disc(middle, head.px(0.50 * width), traits.iris, inside=white)
    canvas.disc(middle, head.px(0.28 * width), _PUPIL, inside=white)
    canvas.disc(
        middle + head.px(0.16 * width) * np.array([expression.light_from, -1]),
        head.px(0.10 * width),
        (255, 255, 255),
        opacity=0.95,
    )
    shadow = head.points(centre + upper_lid + (0, 0.025))
    canvas.stroke(shadow, (90, 80, 80), width_px=head.px(0.05), opacity=0.35, soft_px=head.px(0.02), inside=white)
    lash = (30, 24, 24)
    canvas.stroke(head.points(centre + upper_lid), lash, width_px=head.px(0.026 + 0.018 * traits.lashes))
    canvas.stroke(head.points(centre + lower_lid), shade(traits.skin, 0.45), width_px=head.px(0.014), opacity=0.7)
    if traits.lashes > 0.5:
        wing = curve([outer, (side * (width + 0.05), outer[1] - 0.05)])
        canvas.stroke(head.points(centre + wing), lash, width_px=head.px(0.03))
    fold = centre + upper_lid[2:-1] + (0, -0.05)
    canvas.stroke(head.points(fold), shade(traits.skin, 0.5), width_px=head.px(0.014), opacity=0.5)


def _paint_brow(canvas: Canvas, traits: FacialTraits, head: HeadProjection, expression: Expression, side: int) -> None:
    base = traits.eye_height - 0.25 - 0.05 * expression.brows
    thick, arch = traits.brow_thickness, traits.brow_arch
    inner, outer = traits.eye_gap - 0.20, traits.eye_gap + 0.22
    top = [(inner, base - 0.02), (traits.eye_gap - 0.02, base - arch - thick), (outer, base + 0.05)]
    bottom = [(outer, base + 0.06), (traits.eye_gap, base - arch + 0.2 * thick), (inner, base + 0.02 + 0.7 * thick)]
    shape = np.concatenate([curve(top), curve(bottom)]) * (side, 1)
    colour = mixed(shade(traits.hair, 0.62), (58, 50, 50), 0.55)
    canvas.fill(head.points(shape), colour, opacity=0.92, soft_px=head.px(0.010))


def _paint_nose(canvas: Canvas, traits: FacialTraits, head: HeadProjection, expression: Expression, face: Mask) -> None:
    top, tip, width = traits.eye_height + 0.05, traits.eye_height + traits.nose_length, traits.nose_width
    dark, light, away = shade(traits.skin, 0.55), mixed(traits.skin, (248, 252, 255), 0.6), -expression.light_from
    flank = [
        (away * 0.06, top),
        (away * 0.085, (top + tip) / 2),
        (away * (width + 0.01), tip),
        (away * 0.02, tip - 0.05),
    ]
    canvas.fill(head.points(curve(flank, closed=True)), dark, opacity=0.30, soft_px=head.px(0.035), inside=face)
    bridge = [(-0.03, top - 0.08), (0.03, top - 0.08), (0.035, tip - 0.1), (-0.035, tip - 0.1)]
    canvas.fill(head.points(curve(bridge, closed=True)), light, opacity=0.55, soft_px=head.px(0.03), inside=face)
    canvas.disc(
        head.points([(0, tip - 0.03)], depth=0.82)[0],
        head.px(0.06),
        light,
        opacity=0.5,
        soft_px=head.px(0.03),
        inside=face,
    )
    under = [
        (-width, tip + 0.01),
        (-0.4 * width, tip + 0.075),
        (0, tip + 0.09),
        (0.4 * width, tip + 0.075),
        (width, tip + 0.01),
    ]
    canvas.stroke(
        head.points(curve(under)), dark, width_px=head.px(0.05), opacity=0.45, soft_px=head.px(0.022), inside=face
    )
    for side in (-1, 1):
        nostril = circle((side * 0.48 * width, tip + 0.045), 0.036, height=0.020)
        canvas.fill(head.points(nostril), shade(traits.skin, 0.28), opacity=0.85, soft_px=head.px(0.008))
        wing = curve(
            [(side * width * 0.85, tip - 0.05), (side * width, tip + 0.01), (side * width * 0.75, tip + 0.055)]
        )
        canvas.stroke(head.points(wing), dark, width_px=head.px(0.02), opacity=0.6)


def _paint_mouth(canvas: Canvas, traits: FacialTraits, head: HeadProjection, expression: Expression) -> None:
    half, full = traits.mouth_width * (1 + 0.16 * expression.smile), traits.lip_fullness
    y = 0.52 * traits.chin + 0.06
    corner, gap = y - 0.075 * expression.smile, 0.13 * expression.open
    upper = [
        (-half, corner),
        (-0.45 * half, y - 0.8 * full),
        (-0.12 * half, y - full),
        (0, y - 0.8 * full),
        (0.12 * half, y - full),
        (0.45 * half, y - 0.8 * full),
        (half, corner),
    ]
    meet = [(half, corner), (0.5 * half, y), (0, y + 0.012), (-0.5 * half, y), (-half, corner)]
    lower_top = [(-half, corner), (-0.5 * half, y + gap), (0, y + 0.012 + gap), (0.5 * half, y + gap), (half, corner)]
    bottom = y + gap + 1.15 * full
    lower = [
        (half, corner),
        (0.5 * half, bottom - 0.25 * full),
        (0, bottom),
        (-0.5 * half, bottom - 0.25 * full),
        (-half, corner),
    ]
    below = [(-0.6 * half, bottom + 0.035), (0, bottom + 0.06), (0.6 * half, bottom + 0.035)]
    canvas.stroke(
        head.points(curve(below)),
        shade(traits.skin, 0.5),
        width_px=head.px(0.06),
        opacity=0.35,
        soft_px=head.px(0.03),
    )
    if gap > 0.01:
        inside = canvas.fill(head.points(np.concatenate([curve(meet), curve(lower_top)])), (40, 30, 60))
        teeth = [
            (-0.8 * half, y - 0.05),
            (0.8 * half, y - 0.05),
            (0.7 * half, y + 0.5 * gap + 0.01),
            (0, y + 0.6 * gap + 0.02),
            (-0.7 * half, y + 0.5 * gap + 0.01),
        ]
        canvas.fill(head.points(teeth), _TEETH, inside=inside)
    canvas.fill(head.points(np.concatenate([curve(upper), curve(meet)])), shade(traits.lips, 0.86))
    canvas.fill(head.points(np.concatenate([curve(lower_top), curve(lower)])), traits.lips)
    shine = circle((0.1 * half * expression.light_from, y + gap + 0.55 * full), 0.4 * half, height=0.25 * full)
    canvas.fill(head.points(shine), (245, 245, 255), opacity=0.30, soft_px=head.px(0.02))
    if gap <= 0.01:
        canvas.stroke(head.points(curve(meet)), shade(traits.lips, 0.35), width_px=head.px(0.024), opacity=0.9)
    for side in (-1, 1):
        canvas.disc(
            head.points([(side * (half + 0.01), corner)])[0],
            head.px(0.022),
            shade(traits.skin, 0.5),
            opacity=0.55,
            soft_px=head.px(0.012),
        )
