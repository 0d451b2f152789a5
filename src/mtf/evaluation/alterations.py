"""Alterations that hide who is in a picture: how much of a person, and of the other labels, survives them.

MTF (section 6) names privacy as future work. An alteration is a registered class like `Alteration`.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from mtf.faces.registry import Registry

Eyes = np.ndarray
BLACK = 0


class Alteration(Protocol):
    """An alteration of pictures. Its class takes no argument; its docstring says how strong it is."""

    def __call__(self, picture: np.ndarray, eyes: Eyes, generator: np.random.Generator) -> np.ndarray:
        """The altered copy, of the same shape and type.

        picture: (size, size, 3) uint8 RGB; it must not be changed.
        eyes: (2, 2), x and y of the left and the right eye in pixels.
        generator: for what is drawn at random; it depends on the seed and the picture alone.
        """
        ...


ALTERATIONS: Registry[type[Alteration]] = Registry(key="evaluation.alterations", group="mtf.alterations")


@ALTERATIONS.register("blur")
class Blur:
    """Gaussian blur with a standard deviation of 5 % of the side."""

    def __call__(self, picture: np.ndarray, eyes: Eyes, generator: np.random.Generator) -> np.ndarray:  # noqa: ARG002
        return cv2.GaussianBlur(picture, (0, 0), sigmaX=0.05 * picture.shape[0])


@ALTERATIONS.register("pixelate")
class Pixelate:
    """Squares of one colour each, 12 to a side."""

    def __call__(self, picture: np.ndarray, eyes: Eyes, generator: np.random.Generator) -> np.ndarray:  # noqa: ARG002
        small = cv2.resize(picture, (12, 12), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)


@ALTERATIONS.register("mask_eyes")
class MaskEyes:
    """Black bar over both eyes, 1.9 times as long as their distance and 0.6 times as high, turned with them."""

    def __call__(self, picture: np.ndarray, eyes: Eyes, generator: np.random.Generator) -> np.ndarray:  # noqa: ARG002
        between = eyes[1] - eyes[0]
        distance = max(float(np.hypot(*between)), 1.0)
        middle = tuple(map(float, eyes.mean(axis=0)))
        angle = float(np.degrees(np.arctan2(between[1], between[0])))
        corners = cv2.boxPoints((middle, (1.9 * distance, 0.6 * distance), angle))
        return cv2.fillConvexPoly(picture.copy(), np.rint(corners).astype(np.int32), (BLACK, BLACK, BLACK))


@ALTERATIONS.register("noise")
class Noise:
    """Gaussian noise with a standard deviation of 50 of 255 on each channel."""

    def __call__(self, picture: np.ndarray, eyes: Eyes, generator: np.random.Generator) -> np.ndarray:  # noqa: ARG002
        return np.clip(picture + generator.normal(0, 50, picture.shape), 0, 255).astype(np.uint8)
