"""Detector protocol: upright pixels in, boxes with scores and landmarks out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from pydantic import ValidationError

from mtf.config import Crop, Section
from mtf.core.errors import BadInput, bad_value, shortened
from mtf.faces.box import Box
from mtf.faces.landmarks import Landmarks
from mtf.faces.registry import Registry


class Detection(NamedTuple):
    """One face, in pixels of the detector's input.

    box: a square inside the picture, at least one pixel wide.
    score: confidence of the detector, 0 to 1; None if it has none.
    landmarks: five points, which may lie outside the box; None if the detector finds none.
    """

    box: Box
    score: float | None = None
    landmarks: Landmarks | None = None


class Detector(Protocol):
    """A face detector.

    One with weights also has `model_files`, as the built-in ones have, so that an audit can judge them and the cards
    can name them (`mtf.faces.weights_in_use`).

    colour: True for an input of (height, width, 3) in blue, green, red, False for (height, width) in grey.
    side_px: shorter side of the input; larger pictures are reduced, smaller ones unchanged.
    """

    colour: ClassVar[bool]
    side_px: int

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:
        """Create the detector from its parameters in `crop`; relative paths of model files start at `root`.

        Raises BadInput for a parameter that is not permitted, and for a missing or unreadable model file.
        """
        ...

    @classmethod
    def describe(cls, crop: Crop) -> str:
        """Name and main parameters, for the documents of a release: "the detector … (…)"."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Inputs of its results as JSON values: name, version, parameters, and the sha256 of its weights."""
        ...

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """Faces in `pixels` (uint8, upright), in any order."""
        ...


Parameters = TypeVar("Parameters", bound=Section)


def parameters(crop: Crop, name: str, model: type[Parameters]) -> Parameters:
    """Parameters of the detector `name` in `crop.detectors`, checked by `model`, which has the defaults.

    Raises BadInput with the key for an unknown key or a value that is not permitted.
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
    """Create the detector `crop.detector`.

    Raises BadInput for an unknown name, there or in `crop.detectors`, and as Detector.from_params does.
    """
    names = DETECTORS.names()
    if unknown := next((name for name in crop.detectors if name not in names), None):
        raise bad_value("params.yaml: crop.detectors", unknown, ", ".join(names))
    return DETECTORS.get(crop.detector).from_params(crop, root=root)


def describe(crop: Crop) -> str:
    """Description of the detector `crop.detector` in words. Raises BadInput for an unknown name."""
    return DETECTORS.get(crop.detector).describe(crop)
