"""Scenery of a portrait: blurred backgrounds, and clothes."""

from __future__ import annotations

import cv2
import numpy as np

from mtf.sample.paint import Canvas, Colour, circle, curve, hsv, mixed, shade
from mtf.sample.people import FacialTraits, HeadProjection

# Backgrounds are blurred, so they are painted at a quarter of the size.
_SCALE = 4


def paint_background(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint one of six backgrounds, blurred as by a wide aperture."""
    width, height = canvas.size_px
    small = Canvas(-(-width // _SCALE), -(-height // _SCALE))
    places = (_studio, _lights, _foliage, _shelf, _window, _street)
    places[int(rng.integers(len(places)))](small, rng)
    blurred = cv2.GaussianBlur(small.pixels, (0, 0), float(rng.uniform(1.2, 3.0)))
    canvas.pixels[:] = cv2.resize(blurred, canvas.size_px, interpolation=cv2.INTER_LINEAR)


def paint_clothes(canvas: Canvas, traits: FacialTraits, head: HeadProjection, rng: np.random.Generator) -> None:
    """Paint shoulders in a jersey, a shirt with a collar, or stripes."""
    cloth = hsv(rng.uniform(0, 360), rng.uniform(0.10, 0.55), rng.uniform(0.25, 0.85))
    wide = 1.55 + 0.25 * traits.jaw
    shoulders = [
        (-0.42, 1.22),
        (-1.0, 1.48),
        (-wide, 1.75),
        (-wide - 0.15, 5.0),
        (wide + 0.15, 5.0),
        (wide, 1.75),
        (1.0, 1.48),
        (0.42, 1.22),
        (0.0, 1.40),
    ]
    body = canvas.fill(head.points(curve(shoulders, closed=True, steps=5), depth=-0.1), cloth)
    for side in (-1, 1):
        sleeve = curve([(side * 1.15, 1.75), (side * 1.12, 2.6), (side * 1.2, 4.0)])
        canvas.stroke(
            head.points(sleeve, depth=-0.1),
            shade(cloth, 0.55),
            width_px=head.px(0.10),
            opacity=0.5,
            soft_px=head.px(0.07),
            inside=body,
        )
    match int(rng.integers(3)):
        case 0:
            rim = curve([(-0.52, 1.24), (-0.3, 1.47), (0, 1.55), (0.3, 1.47), (0.52, 1.24)])
            canvas.stroke(head.points(rim, depth=-0.05), shade(cloth, 0.7), width_px=head.px(0.09))
        case 1:
            _paint_collar(canvas, head, mixed(cloth, (250, 250, 250), 0.7))
        case _:
            for y in np.arange(1.7, 4.0, 0.32):
                stripe = curve([(-2.2, y + 0.15), (0, y + 0.08), (2.2, y + 0.15)])
                canvas.stroke(
                    head.points(stripe, depth=-0.1),
                    mixed(cloth, (245, 245, 245), 0.45),
                    width_px=head.px(0.12),
                    opacity=0.8,
                    inside=body,
                )


def _paint_collar(canvas: Canvas, head: HeadProjection, colour: Colour) -> None:
    for side in (-1, 1):
        flap = np.array([(side * 0.50, 1.18), (side * 0.05, 1.52), (side * 0.26, 1.80), (side * 0.66, 1.36)])
        canvas.fill(head.points(flap, depth=-0.05), colour)
        canvas.stroke(head.points(flap, depth=-0.05), shade(colour, 0.6), width_px=head.px(0.02), opacity=0.6)


def _gradient(canvas: Canvas, top: Colour, bottom: Colour) -> None:
    share = np.linspace(0, 1, canvas.size_px[1], dtype=np.float32)[:, None, None]
    canvas.pixels[:] = (1 - share) * np.asarray(top, np.float32) + share * np.asarray(bottom, np.float32)


def _studio(canvas: Canvas, rng: np.random.Generator) -> None:
    tone = hsv(rng.uniform(0, 360), rng.uniform(0.03, 0.25), rng.uniform(0.45, 0.9))
    _gradient(canvas, tone, shade(tone, 0.7))
    width, height = canvas.size_px
    centre = np.array([rng.uniform(0.3, 0.7) * width, 0.35 * height])
    canvas.disc(centre, 0.4 * width, mixed(tone, (255, 255, 255), 0.5), opacity=0.5, soft_px=0.15 * width)


def _lights(canvas: Canvas, rng: np.random.Generator) -> None:
    tone = hsv(rng.uniform(200, 280), rng.uniform(0.2, 0.5), rng.uniform(0.20, 0.45))
    _gradient(canvas, tone, shade(tone, 0.6))
    for _ in range(26):
        centre = rng.uniform(0, 1, 2) * canvas.size_px
        glow = hsv(rng.uniform(10, 60), rng.uniform(0.1, 0.5), 0.95)
        canvas.disc(centre, float(rng.uniform(2, 7)), glow, opacity=float(rng.uniform(0.15, 0.5)))


def _foliage(canvas: Canvas, rng: np.random.Generator) -> None:
    _gradient(canvas, hsv(95, 0.20, rng.uniform(0.7, 0.9)), hsv(100, 0.45, 0.45))
    for _ in range(60):
        centre = rng.uniform(0, 1, 2) * canvas.size_px
        leaf = hsv(rng.uniform(70, 130), rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.8))
        canvas.fill(circle(centre, rng.uniform(2.5, 9), height=rng.uniform(2.5, 9)), leaf, opacity=0.6)


def _shelf(canvas: Canvas, rng: np.random.Generator) -> None:
    width, height = canvas.size_px
    _gradient(canvas, (70, 85, 100), (50, 62, 76))
    for row in range(4):
        x, floor = 0.0, (row + 1) * height / 4
        while x < width:
            book, tall = rng.uniform(3.5, 8), rng.uniform(0.6, 0.95) * height / 4
            back = np.array([(x, floor - tall), (x + book, floor - tall), (x + book, floor - 2), (x, floor - 2)])
            canvas.fill(back, hsv(rng.uniform(0, 360), rng.uniform(0.15, 0.5), rng.uniform(0.35, 0.8)))
            x += book + 0.5


def _window(canvas: Canvas, rng: np.random.Generator) -> None:
    width, height = canvas.size_px
    wall = hsv(rng.uniform(20, 60), 0.12, rng.uniform(0.6, 0.85))
    _gradient(canvas, wall, shade(wall, 0.8))
    left = rng.uniform(-0.1, 0.7) * width
    pane = np.array(
        [(left, 0.05), (left + 0.42 * width, 0.05), (left + 0.42 * width, 0.65 * height), (left, 0.65 * height)]
    )
    canvas.fill(pane, (250, 246, 238))
    for bar in (left + 0.14 * width, left + 0.28 * width):
        canvas.stroke(np.array([(bar, 0), (bar, 0.65 * height)]), shade(wall, 0.6), width_px=2)


def _street(canvas: Canvas, rng: np.random.Generator) -> None:
    width, height = canvas.size_px
    _gradient(canvas, hsv(210, rng.uniform(0.1, 0.35), 0.95), hsv(30, 0.08, 0.6))
    x = -5.0
    while x < width:
        house, roof = rng.uniform(15, 33), rng.uniform(0.15, 0.5) * height
        front = np.array([(x, roof), (x + house, roof), (x + house, height), (x, height)])
        canvas.fill(front, hsv(rng.uniform(10, 50), rng.uniform(0.1, 0.4), rng.uniform(0.45, 0.85)))
        x += house
