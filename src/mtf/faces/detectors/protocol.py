"""The detector protocol: upright pixels in, boxes with scores and landmarks out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from pydantic import ValidationError

from mtf import schemas
from mtf.config import Crop, Section
from mtf.core.errors import BadInput, shortened
from mtf.faces.box import Box
from mtf.faces.registry import Registry


class Landmarks(NamedTuple):
    """Five points of a face, each (x, y) in pixels. Left and right are the picture's, not the person's.

    The order is the one of MTCNN, CenterFace and ArcFace's alignment template.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    left_mouth: tuple[float, float]
    right_mouth: tuple[float, float]

    def as_row(self) -> dict[str, float]:
        """The landmarks' columns of the table faces."""
        return dict(zip(schemas.LANDMARKS, (value for point in self for value in point), strict=True))

    @classmethod
    def of_row(cls, row: Mapping[str, Any], *, origin: tuple[int, int] = (0, 0)) -> Landmarks | None:
        """The landmarks of a row of the table faces, in pixels from `origin` (x, y); None where it has none."""
        values = [row[name] for name in schemas.LANDMARKS]
        if values[0] is None:
            return None
        return cls(*((x - origin[0], y - origin[1]) for x, y in zip(values[::2], values[1::2], strict=True)))

    def scaled(self, shape: tuple[int, int], to: tuple[int, int]) -> Landmarks:
        """The same points in a picture of shape `to`; both shapes are (height, width)."""
        down, across = to[0] / shape[0], to[1] / shape[1]
        return Landmarks(*((x * across, y * down) for x, y in self))


class Detection(NamedTuple):
    """One face, in pixels of the picture that the detector was given.

    box: inside the picture, at least one pixel wide and high; a square, so that crops are.
    score: the detector's confidence, 0 to 1; None where it has none.
    landmarks: five points, which may lie outside the box; None where the detector finds none.
    """

    box: Box
    score: float | None = None
    landmarks: Landmarks | None = None


class Detector(Protocol):
    """A face detector.

    colour: the pixels it reads, (height, width, 3) in blue, green, red if true, else (height, width) in grey.
    side_px: the shorter side at which pictures are given to it; larger ones are reduced, smaller ones left alone.
    """

    colour: ClassVar[bool]
    side_px: int

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:
        """The detector with its parameters in `crop`; `root` is what relative paths of model files start from.

        Raises BadInput for a parameter that is not permitted, and for a model file that is missing or unreadable.
        """
        ...

    @classmethod
    def describe(cls, crop: Crop) -> str:
        """Its name and what decides its boxes, for the documents of a release: "the detector … (…)"."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """All that decides its results: name, version, parameters and the sha256 of its weights, as JSON values."""
        ...

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """The faces in `pixels` (uint8, upright), in any order; an empty list where there is none."""
        ...


Parameters = TypeVar("Parameters", bound=Section)


def parameters(crop: Crop, name: str, model: type[Parameters]) -> Parameters:
    """A detector's own parameters: `crop.detectors` under its `name`, as `model`, which brings the defaults.

    Raises BadInput, in one line that names the key, for an unknown key or a value that is not permitted.
    """
    given = crop.detectors.get(name, {})
    try:
        return model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["params.yaml: crop.detectors", name, *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            raise BadInput(f"{where}: unknown key; permitted: {', '.join(model.model_fields)}") from None
        reason = first["msg"][0].lower() + first["msg"][1:]
        raise BadInput(f"{where}: {shortened(first['input'])} is not permitted: {reason}") from None


DETECTORS: Registry[type[Detector]] = Registry(key="crop.detector", group="mtf.detectors")


def create(crop: Crop, *, root: Path = Path()) -> Detector:
    """The detector that `crop.detector` names. Raises BadInput for an unknown name; see also Detector.from_params."""
    return DETECTORS.get(crop.detector).from_params(crop, root=root)


def describe(crop: Crop) -> str:
    """The detector that `crop.detector` names, in words. Raises BadInput for an unknown name."""
    return DETECTORS.get(crop.detector).describe(crop)
