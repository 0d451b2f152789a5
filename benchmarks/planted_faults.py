"""Planted faults: sunglasses, covered mouths, blur, bad light and turned pictures, drawn into pictures of faces.

All are drawn at the landmarks of the unspoilt picture, in units of the distance between the eyes. The detector sees the
spoilt picture.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from mtf.faces.detectors import Landmarks

Rng = np.random.Generator


class Frame(NamedTuple):
    """Axes of a face in its picture: origin between the eyes, unit the distance of the eyes, across and down."""

    origin: np.ndarray
    across: np.ndarray
    down: np.ndarray

    @classmethod
    def of(cls, landmarks: Landmarks) -> Frame:
        left, right = np.asarray(landmarks.left_eye), np.asarray(landmarks.right_eye)
        mouth = (np.asarray(landmarks.left_mouth) + np.asarray(landmarks.right_mouth)) / 2
        across, middle = right - left, (left + right) / 2
        down = np.array([-across[1], across[0]])
        # A turned head brings the eyes together, and not eyes and mouth: the unit is the larger of both.
        unit = max(float(np.hypot(*across)), float(np.hypot(*(mouth - middle))) / 1.1)
        return cls(middle, across, down / max(float(np.hypot(*down)), 1e-6) * unit)

    def points(self, places: np.ndarray) -> np.ndarray:
        """Points of the picture (n, 2) at `places` (n, 2) of the face."""
        return self.origin + places[:, :1] * self.across + places[:, 1:] * self.down


def _laid_over(
    pixels: np.ndarray, shape: np.ndarray, colours: np.ndarray, *, opacity: float, soft_px: float
) -> np.ndarray:
    """`pixels` with `colours` (height, width, 3) over them inside the polygon `shape` (n, 2)."""
    mask = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(shape * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    share = cv2.GaussianBlur(mask, (0, 0), max(soft_px, 0.3)).astype(np.float32)[:, :, None] / 255 * opacity
    return np.clip(pixels * (1 - share) + colours * share, 0, 255).astype(np.uint8)


def _ellipse(x: float, y: float, width: float, height: float, power: float = 2.0) -> np.ndarray:
    """Superellipse (power 2: ellipse; larger: towards a rectangle)."""
    angle = np.linspace(0, 2 * np.pi, 60)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.column_stack(
        [x + width * np.sign(cos) * np.abs(cos) ** (2 / power), y + height * np.sign(sin) * np.abs(sin) ** (2 / power)]
    )


def _lens(kind: str, side: int) -> np.ndarray:
    if kind == "round":
        return _ellipse(side * 0.5, 0.05, 0.33, 0.31)
    if kind == "rectangular":
        return _ellipse(side * 0.52, 0.04, 0.4, 0.24, 5)
    lens = _ellipse(side * 0.52, 0.08, 0.4, 0.34, 2.6)  # aviator: wide above, drawn in and outwards below
    lower = lens[:, 1] > 0.08
    lens[lower, 0] = side * 0.52 + (lens[lower, 0] - side * 0.52) * (1 - 0.9 * (lens[lower, 1] - 0.08)) + side * 0.04
    return lens


LENSES = ("round", "rectangular", "aviator", "shield")
TINTS = {
    "black": (18, 16, 16),
    "brown": (28, 45, 70),
    "grey": (70, 66, 64),
    "green": (35, 60, 40),
    "mirror": (150, 120, 90),
}


def sunglasses(pixels: np.ndarray, landmarks: Landmarks, rng: Rng, *, lens: str, tint: str) -> np.ndarray:
    """Sunglasses of a shape of LENSES and a tint of TINTS, with frame, bridge, gradient and a reflection."""
    frame = Frame.of(landmarks)
    unit = float(np.hypot(*frame.down))
    height = pixels.shape[0]
    colour = np.array(TINTS[tint], np.float32)
    top, bottom = frame.points(np.array([[0, -0.3], [0, 0.4]]))
    rows = np.clip((np.arange(height) - top[1]) / max(bottom[1] - top[1], 1), 0, 1)[:, None, None]
    lightness = 0.75 + rows * (1.6 if tint == "mirror" else rng.uniform(0, 0.9))
    colours = np.broadcast_to(colour * lightness, pixels.shape) + rng.normal(0, 3, pixels.shape)
    opacity = rng.uniform(0.85, 1.0)
    shapes = [_lens(lens, side) for side in (-1, 1)] if lens != "shield" else [_ellipse(0, 0.05, 0.98, 0.3, 4)]
    for shape in shapes:
        outer = shape.mean(axis=0) + (shape - shape.mean(axis=0)) * 1.12
        rim = np.full(pixels.shape, rng.choice([15.0, 40.0, 90.0]), np.float32)
        pixels = _laid_over(pixels, frame.points(outer), rim, opacity=1.0, soft_px=unit / 60)
        pixels = _laid_over(pixels, frame.points(shape), colours, opacity=opacity, soft_px=unit / 80)
        middle = shape.mean(axis=0) + rng.uniform(-0.12, 0.12, 2)
        shine = np.full(pixels.shape, 230.0, np.float32)
        glint = _ellipse(middle[0], middle[1], rng.uniform(0.04, 0.12), rng.uniform(0.02, 0.08))
        pixels = _laid_over(pixels, frame.points(glint), shine, opacity=rng.uniform(0, 0.5), soft_px=unit / 20)
    bridge = np.array([[-0.2, -0.08], [0.2, -0.08], [0.2, -0.02], [-0.2, -0.02]])
    return _laid_over(pixels, frame.points(bridge), np.full(pixels.shape, 30.0), opacity=1.0, soft_px=unit / 60)


COVERS = ("surgical mask", "white mask", "black mask", "patterned mask", "hand", "scarf", "microphone")


def _mask_shape(rng: Rng) -> np.ndarray:
    top, wide, low = rng.uniform(0.38, 0.6), rng.uniform(0.85, 1.05), rng.uniform(1.65, 1.9)
    return np.array(
        [
            [-wide, top + 0.1],
            [-0.3, top],
            [0, top - 0.05],
            [0.3, top],
            [wide, top + 0.1],
            [wide * 0.9, 1.2],
            [0.45, low],
            [0, low + 0.08],
            [-0.45, low],
            [-wide * 0.9, 1.2],
        ]
    )


def _cloth(
    pixels: np.ndarray, frame: Frame, colour: np.ndarray, rng: Rng, *, folds: float, pattern: bool
) -> np.ndarray:
    """Colours of cloth: folds across, shade towards the sides, weave."""
    height, width = pixels.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32) - frame.origin
    unit = float(np.hypot(*frame.down))
    down, across = grid @ (frame.down / unit**2), grid @ (frame.across / max(float(frame.across @ frame.across), 1e-6))
    light = (
        1 - 0.25 * np.clip(np.abs(across), 0, 1.2) ** 2 + folds * np.sin(down * rng.uniform(16, 30) + rng.uniform(0, 6))
    )
    colours = colour * light[:, :, None]
    if pattern:
        dots = np.sin(down * rng.uniform(18, 40)) * np.sin(across * rng.uniform(18, 40)) > rng.uniform(0.1, 0.6)
        colours = np.where(dots[:, :, None], rng.uniform(0, 255, 3), colours)
    return colours + rng.normal(0, 4, pixels.shape)


def covered_mouth(pixels: np.ndarray, landmarks: Landmarks, rng: Rng, *, cover: str) -> np.ndarray:
    """Mouth hidden behind one of COVERS."""
    frame = Frame.of(landmarks)
    unit = float(np.hypot(*frame.down))
    if cover == "microphone":
        shape = _ellipse(
            rng.uniform(-0.1, 0.1), rng.uniform(1.1, 1.25), rng.uniform(0.42, 0.55), rng.uniform(0.38, 0.5)
        )
        colours = np.full(pixels.shape, rng.uniform(20, 90), np.float32) + rng.normal(0, 18, pixels.shape)
        return _laid_over(pixels, frame.points(shape), colours, opacity=1.0, soft_px=unit / 50)
    if cover == "hand":
        return _hand(pixels, frame, rng)
    plain = {"surgical mask": (200, 170, 120), "white mask": (225, 225, 225), "black mask": (32, 30, 30)}
    colour = np.array(plain.get(cover, rng.uniform(20, 230, 3)), np.float32) * rng.uniform(0.7, 1.05)
    shape = _mask_shape(rng)
    if cover == "scarf":
        shape = np.array([[-1.3, 0.75], [0, rng.uniform(0.55, 0.7)], [1.3, 0.75], [1.5, 2.4], [-1.5, 2.4]])
    folds = {"surgical mask": 0.06, "scarf": 0.25}.get(cover, 0.03)
    colours = _cloth(pixels, frame, colour, rng, folds=folds, pattern=cover == "patterned mask")
    return _laid_over(pixels, frame.points(shape), colours, opacity=1.0, soft_px=unit / 50)


def _hand(pixels: np.ndarray, frame: Frame, rng: Rng, *, top: float = 0.72) -> np.ndarray:
    """Hand of the face's own skin: four fingers side by side, each lighter in its middle, from `top` down."""
    unit = float(np.hypot(*frame.down))
    cheeks = np.round(frame.points(np.array([[-0.45, 0.5], [0.45, 0.5]]))).astype(int)
    height, width = pixels.shape[:2]
    patches = [
        pixels[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].reshape(-1, 3)
        for x, y in np.clip(cheeks, 0, [width - 1, height - 1])
    ]
    skin = np.concatenate(patches).mean(axis=0)
    slope = rng.uniform(-0.4, 0.4)
    for finger in range(4):
        y = top + 0.2 * finger
        across = np.linspace(-0.95, 0.75 + 0.08 * np.cos(finger), 30)
        edge = 0.125 * np.sqrt(np.clip(1 - ((across - across[0]) / (across[-1] - across[0])) ** 8, 0, 1))
        upper = np.column_stack([across, y + slope * across * 0.5 - edge])
        lower = np.column_stack([across, y + slope * across * 0.5 + edge])[::-1]
        outline = np.concatenate([upper, lower])
        dark = np.broadcast_to(skin * 0.62, pixels.shape).astype(np.float32)
        pixels = _laid_over(pixels, frame.points(outline), dark, opacity=1.0, soft_px=unit / 40)
        inner = outline.copy()
        inner[:, 1] = y + slope * inner[:, 0] * 0.5 + (outline[:, 1] - y - slope * outline[:, 0] * 0.5) * 0.72
        light = skin * rng.uniform(0.92, 1.06) + rng.normal(0, 4, pixels.shape)
        pixels = _laid_over(pixels, frame.points(inner), light, opacity=0.95, soft_px=unit / 25)
    return pixels


UNSEEN_BY_FIT = {"eyes": ("bar", "hand", "mosaic"), "mouth": ("cup", "paper", "mosaic")}


def unseen(pixels: np.ndarray, landmarks: Landmarks, rng: Rng, *, part: str, kind: str) -> np.ndarray:
    """Eyes or mouth hidden in one of the ways of UNSEEN_BY_FIT, which no fit may use."""
    frame = Frame.of(landmarks)
    unit = float(np.hypot(*frame.down))
    y = 0.03 if part == "eyes" else 1.12
    if kind == "hand":
        return _hand(pixels, frame, rng, top=-0.28)
    if kind == "mosaic":
        side = max(unit * rng.uniform(0.2, 0.4), 2)
        height, width = pixels.shape[:2]
        small = cv2.resize(
            pixels, (max(round(width / side), 1), max(round(height / side), 1)), interpolation=cv2.INTER_AREA
        )
        blocks = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.float32)
        shape = _ellipse(0, y, 0.95, 0.35, 6) if part == "eyes" else _ellipse(0, y, 0.65, 0.4, 6)
        return _laid_over(pixels, frame.points(shape), blocks, opacity=1.0, soft_px=0.3)
    noise = rng.normal(0, 3, pixels.shape)
    if kind == "bar":
        colours = np.full(pixels.shape, rng.uniform(0, 40)) + noise
        return _laid_over(pixels, frame.points(_ellipse(0, y, 1.0, 0.25, 20)), colours, opacity=1.0, soft_px=0.4)
    if kind == "paper":
        tilt = rng.uniform(-0.15, 0.15)
        shape = np.array([[-1.2, 0.75 - tilt], [1.2, 0.75 + tilt], [1.2, 2.4], [-1.2, 2.4]])
        colours = np.full(pixels.shape, rng.uniform(200, 245)) + noise
        return _laid_over(pixels, frame.points(shape), colours, opacity=1.0, soft_px=unit / 60)
    across = (np.arange(pixels.shape[1]) - frame.origin[0]) / max(unit, 1)
    light = (1.15 - 0.8 * np.abs(across + 0.15))[None, :, None]
    colours = rng.uniform(30, 240, 3) * np.clip(light, 0.35, 1.15) + noise
    shape = np.array([[-0.5, 0.72], [0.5, 0.72], [0.4, 1.9], [-0.4, 1.9]])
    return _laid_over(pixels, frame.points(shape), colours, opacity=1.0, soft_px=unit / 60)


def gaussian_blur(pixels: np.ndarray, landmarks: Landmarks, _rng: Rng, *, share: float) -> np.ndarray:
    """Gaussian blur with a sigma of `share` of the distance of the eyes."""
    return cv2.GaussianBlur(pixels, (0, 0), share * float(np.hypot(*Frame.of(landmarks).down)))


def motion_blur(pixels: np.ndarray, landmarks: Landmarks, rng: Rng, *, share: float) -> np.ndarray:
    """Blur along a line of `share` of the distance of the eyes, in a random direction."""
    length = max(round(share * float(np.hypot(*Frame.of(landmarks).down))), 3)
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(pixels, -1, kernel / max(float(kernel.sum()), 1e-6))


def upscaled(pixels: np.ndarray, landmarks: Landmarks, _rng: Rng, *, eyes_px: float) -> np.ndarray:
    """Picture reduced until the eyes are `eyes_px` apart, and enlarged again."""
    share = min(eyes_px / float(np.hypot(*Frame.of(landmarks).down)), 1.0)
    small = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def exposed(pixels: np.ndarray, _landmarks: Landmarks, _rng: Rng, *, stops: float) -> np.ndarray:
    """Exposure changed by `stops`, in linear light of sRGB (gamma 2.2); what is too bright is clipped."""
    linear = (pixels.astype(np.float32) / 255) ** 2.2 * 2.0**stops
    return np.round(np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def beside(pixels: np.ndarray, other: np.ndarray, *, share: float) -> np.ndarray:
    """Picture with `other`, of `share` of its height, at its right."""
    height = max(round(pixels.shape[0] * share), 1)
    small = cv2.resize(
        other, (max(round(other.shape[1] * height / other.shape[0]), 1), height), interpolation=cv2.INTER_AREA
    )
    framed = cv2.copyMakeBorder(small, 0, pixels.shape[0] - height, 0, 0, cv2.BORDER_REPLICATE)
    return np.hstack([pixels, framed])


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """Picture turned clockwise about its middle; past its edge the border repeats."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    return cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
