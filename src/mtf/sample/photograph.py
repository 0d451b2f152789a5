"""Photographs of drawn people: one person, a group, a hidden face, a cartoon; and effects of the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import cv2
import numpy as np

from mtf.sample import marks, scenery
from mtf.sample.paint import Canvas
from mtf.sample.people import Expression, FacialTraits, HeadProjection, Pose
from mtf.sample.portrait import Box, paint_head

SIDE_PX = 400


class Hidden(StrEnum):
    """Object that hides part of a face."""

    SUNGLASSES = "sunglasses"
    HAND = "hand"


@dataclass(frozen=True)
class Photograph:
    """Photograph.

    - `pixels`: (height, width, 3), BGR, uint8;
    - `faces`: box and identity of each face.
    """

    pixels: np.ndarray
    faces: tuple[tuple[Box, str], ...] = field(default=())


def portrait(
    traits: FacialTraits,
    identity: str,
    rng: np.random.Generator,
    *,
    hidden: Hidden | None = None,
    side_px: int = SIDE_PX,
) -> Photograph:
    """Portrait of one person, head and shoulders."""
    width, height = _format(rng, side_px)
    canvas = Canvas(width, height)
    scenery.paint_background(canvas, rng)
    unit = rng.uniform(0.20, 0.285) * side_px
    pose = Pose(
        x_px=width * rng.uniform(0.43, 0.57),
        y_px=max(1.42 * unit, height * rng.uniform(0.40, 0.48)),
        size_px=unit,
        yaw=float(rng.normal(0, 6)),
        pitch=float(rng.normal(0, 4)),
        roll=float(rng.normal(0, 3.5)),
    )
    expression = _expression(rng)
    box = _paint_person(canvas, traits, pose, expression, rng)
    head = HeadProjection(pose, traits.face_width)
    if hidden is Hidden.SUNGLASSES:
        marks.paint_sunglasses(canvas, traits, head)
    elif hidden is Hidden.HAND:
        marks.paint_hand(canvas, traits, head, side=int(rng.choice([-1, 1])))
    return Photograph(_exposed(canvas, rng), ((_within(box, width, height), identity),))


def group(
    people: Sequence[tuple[FacialTraits, str]], rng: np.random.Generator, *, side_px: int = SIDE_PX
) -> Photograph:
    """Group picture of several people side by side."""
    width, height = round(side_px * (0.55 + 0.36 * len(people))), round(side_px * 0.95)
    canvas = Canvas(width, height)
    scenery.paint_background(canvas, rng)
    unit = 0.155 * side_px
    faces = []
    for place, (traits, identity) in enumerate(people):
        pose = Pose(
            x_px=width * (place + 0.5) / len(people) + rng.normal(0, 0.04) * unit,
            y_px=height * rng.uniform(0.36, 0.50),
            size_px=unit * rng.uniform(0.92, 1.08),
            yaw=float(rng.normal(0, 5)),
            pitch=float(rng.normal(0, 3)),
            roll=float(rng.normal(0, 3)),
        )
        box = _paint_person(canvas, traits, pose, _expression(rng), rng)
        faces.append((_within(box, width, height), identity))
    return Photograph(_exposed(canvas, rng), tuple(faces))


def cartoon(traits: FacialTraits, identity: str, rng: np.random.Generator, *, side_px: int = SIDE_PX) -> Photograph:
    """Cartoon of a person: a pencil sketch, or flat colours with ink lines."""
    taken = portrait(traits, identity, rng, side_px=side_px)
    grey = cv2.GaussianBlur(cv2.cvtColor(taken.pixels, cv2.COLOR_BGR2GRAY), (0, 0), 1.2)
    if rng.random() < 0.5:
        negative = cv2.GaussianBlur(255 - grey, (0, 0), 9)
        pencil = cv2.divide(grey, 255 - negative, scale=246)
        return Photograph(cv2.cvtColor(pencil, cv2.COLOR_GRAY2BGR), taken.faces)
    flat = cv2.bilateralFilter(taken.pixels, 9, 60, 9)
    flat = (flat // 48 * 48 + 24).astype(np.uint8)
    ink = cv2.dilate(cv2.Canny(grey, 30, 80), np.ones((2, 2), np.uint8))
    flat[ink > 0] = (30, 25, 25)
    return Photograph(flat, taken.faces)


def strange_colours(taken: Photograph, rng: np.random.Generator) -> Photograph:
    """Picture with an effect filter: a negative with rotated hues."""
    turned = cv2.cvtColor(taken.pixels, cv2.COLOR_BGR2HSV)
    turned[..., 0] = (turned[..., 0].astype(int) + int(rng.integers(60, 120))) % 180
    turned[..., 1] = np.minimum(255, turned[..., 1].astype(int) * 2 + 60)
    return Photograph(cv2.cvtColor(turned, cv2.COLOR_HSV2BGR), taken.faces)


def out_of_focus(taken: Photograph, rng: np.random.Generator) -> Photograph:
    """Blurred picture."""
    return Photograph(cv2.GaussianBlur(taken.pixels, (0, 0), float(rng.uniform(5.0, 7.0))), taken.faces)


def pixelated(taken: Photograph, rng: np.random.Generator) -> Photograph:
    """Picture reduced to coarse blocks."""
    height, width = taken.pixels.shape[:2]
    block = int(rng.integers(11, 15))
    small = cv2.resize(taken.pixels, (width // block, height // block), interpolation=cv2.INTER_AREA)
    return Photograph(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), taken.faces)


def next_frame(taken: Photograph, rng: np.random.Generator) -> Photograph:
    """Next frame of a burst: moved by a few pixels, slightly brighter or darker, with other grain."""
    height, width = taken.pixels.shape[:2]
    right, down = (int(value) for value in rng.integers(-6, 7, 2))
    moved = cv2.warpAffine(
        taken.pixels,
        np.array([[1, 0, right], [0, 1, down]], np.float32),
        (width, height),
        borderMode=cv2.BORDER_REPLICATE,
    )
    lit = moved.astype(np.float32) * rng.uniform(0.93, 1.07) + rng.normal(0, 1.2, moved.shape)
    faces = tuple((_within((x + right, y + down, w, h), width, height), who) for (x, y, w, h), who in taken.faces)
    return Photograph(np.clip(lit, 0, 255).astype(np.uint8), faces)


def _paint_person(
    canvas: Canvas, traits: FacialTraits, pose: Pose, expression: Expression, rng: np.random.Generator
) -> Box:
    head = HeadProjection(pose, traits.face_width)
    body = np.random.default_rng(int(rng.integers(2**32)))
    return paint_head(
        canvas, traits, pose, expression, clothes=lambda: scenery.paint_clothes(canvas, traits, head, body)
    )


def _format(rng: np.random.Generator, side_px: int) -> tuple[int, int]:
    width, height = ((1.0, 1.0), (0.92, 1.12), (1.12, 0.95))[int(rng.integers(3))]
    return round(width * side_px), round(height * side_px)


def _expression(rng: np.random.Generator) -> Expression:
    return Expression(
        smile=float(np.clip(rng.normal(0.45, 0.4), -0.4, 1.0)),
        open=float(rng.choice([0.0, 0.0, rng.uniform(0.4, 0.9)])),
        lids=float(rng.uniform(0.75, 1.0)),
        gaze=float(rng.normal(0, 0.4)),
        brows=float(rng.normal(0.2, 0.5)),
        light_from=int(rng.choice([-1, 1])),
        light_strength=float(rng.uniform(0.3, 0.85)),
    )


def _exposed(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Pixels of a canvas with the effects of lens, light and sensor: vignette, tint, softness, grain."""
    width, height = canvas.size_px
    y, x = np.mgrid[-1 : 1 : complex(height), -1 : 1 : complex(width)]
    vignette = 1 - rng.uniform(0.03, 0.20) * (x**2 + y**2).astype(np.float32) / 2
    warmth = rng.normal(0, 0.025)
    light = np.array([1 - warmth, 1.0, 1 + warmth], np.float32) * np.float32(rng.uniform(0.84, 1.08))
    soft = cv2.GaussianBlur(canvas.pixels, (0, 0), float(rng.uniform(0.5, 1.0)))
    grain = rng.standard_normal((height, width, 1), np.float32) * np.float32(rng.uniform(0.8, 2.4))
    return np.clip(soft * (vignette[..., None] * light) + grain, 0, 255).astype(np.uint8)


def _within(box: Box, width: int, height: int) -> Box:
    x, y, w, h = box
    left, top = max(0, x), max(0, y)
    return left, top, min(width, x + w) - left, min(height, y + h) - top
