"""MTCNN (Zhang et al., 2016): a cascade of three small networks, with five landmarks.

Das et al. use it for detection, alignment and landmarks (their reference 33). The weights come with the package
facenet-pytorch (MIT); they were trained on WIDER FACE and CelebA.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from mtf.config import Crop, Section, Share
from mtf.faces.detectors.protocol import DETECTORS, Detection, parameters
from mtf.faces.detectors.suppression import Candidates
from mtf.faces.model_files import Agreed, ModelFile, PackagedFile, register

if TYPE_CHECKING:
    from torch import Tensor


def _registered(file: str, size_bytes: int, sha256: str) -> ModelFile:
    return register(
        ModelFile(
            name=f"mtcnn-{file.removesuffix('.pt')}",
            used_for="detector",
            file=file,
            size_bytes=size_bytes,
            sha256=sha256,
            license="MIT",
            trained_on="WIDER FACE, CelebA",
            data_license="LicenseRef-CelebA",
            agreed=Agreed.NOT_ASKED,
            package=PackagedFile("facenet_pytorch", "facenet-pytorch==2.6.0", str(PurePosixPath("data", file))),
            url=f"https://raw.githubusercontent.com/timesler/facenet-pytorch/master/data/{file}",
        )
    )


WEIGHTS = (
    _registered("pnet.pt", 28_570, "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f"),
    _registered("rnet.pt", 403_147, "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86"),
    _registered("onet.pt", 1_559_269, "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d"),
)
# Window of the proposal network, and step between two of its cells.
CELL_PX, STEP_PX = 12, 2
MAX_OVERLAP, MAX_OVERLAP_IN_SCALE = 0.7, 0.5


class MtcnnParameters(Section):
    """Parameters `crop.detectors.mtcnn`.

    min_scores: lowest confidence that passes each of the three networks, 0 to 1.
    pyramid_factor: ratio of two neighbouring scales.
    side_px: shorter side of the picture during detection.
    """

    min_scores: tuple[Share, Share, Share] = (0.6, 0.7, 0.7)
    pyramid_factor: Annotated[float, Field(gt=0.3, lt=0.95)] = 0.709
    side_px: Annotated[int, Field(ge=64, le=4096)] = 320


@DETECTORS.register("mtcnn")
class Mtcnn:
    """MTCNN; finds faces down to `crop.min_face_share` of the picture's shorter side, and to 12 pixels at `side_px`."""

    colour: ClassVar[bool] = True

    def __init__(self, weights: tuple[Path, Path, Path], settings: MtcnnParameters, *, min_face_share: float) -> None:
        self._weights = weights
        self._settings = settings
        self._min_face_share = min_face_share
        self.side_px = settings.side_px

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:
        """Create it from `crop.detectors.mtcnn`. Raises BadInput if one of its files is missing or another one."""
        settings = parameters(crop, "mtcnn", MtcnnParameters)
        proposal, refinement, output = (file.located("params.yaml: crop.detector", root=root) for file in WEIGHTS)
        return cls((proposal, refinement, output), settings, min_face_share=crop.min_face_share)

    @classmethod
    def model_files(cls, crop: Crop, *, root: Path) -> list[ModelFile]:  # noqa: ARG003  (always the same)
        """The three networks."""
        return list(WEIGHTS)

    @classmethod
    def describe(cls, crop: Crop) -> str:
        """Name, paper and lowest scores."""
        scores = ", ".join(str(score) for score in parameters(crop, "mtcnn", MtcnnParameters).min_scores)
        return f"the detector MTCNN (Zhang et al., 2016; scores of at least {scores})"

    def fingerprint(self) -> dict[str, Any]:
        """torch's version, the digests of the networks, and the parameters."""
        from importlib.metadata import version

        return {
            "name": "mtcnn",
            "version": version("torch"),
            "weights": [file.sha256 for file in WEIGHTS],
            "min_face_share": self._min_face_share,
            **self._settings.model_dump(mode="json"),
        }

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """Faces in `pixels` (height, width, 3; blue, green, red), highest score first."""
        import torch

        from mtf.faces.detectors.mtcnn_networks import load

        shape = (pixels.shape[0], pixels.shape[1])
        smallest_px = max(self._min_face_share * min(shape), CELL_PX)
        image = torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::-1])).permute(2, 0, 1).float()[None]
        networks = load(*self._weights)
        first, second, third = self._settings.min_scores
        boxes = _proposals(networks.proposal, image, first, smallest_px, self._settings.pyramid_factor)
        boxes = _refined(networks.refinement, image, boxes, second)
        candidates = _with_landmarks(networks.output, image, boxes, third)
        return candidates.inside(shape).detections(shape)


def _proposals(network: Any, image: Tensor, min_score: float, smallest_px: float, factor: float) -> Tensor:
    """Square boxes (n, 4) of proposed faces, from all scales of the picture."""
    import torch
    from torchvision.ops import nms

    height, width = image.shape[2:]
    scale = CELL_PX / smallest_px
    boxes, scores = [torch.zeros(0, 8)], [torch.zeros(0)]
    while min(height, width) * scale >= CELL_PX:
        small = _resized(image, (int(height * scale + 1), int(width * scale + 1)))
        [probabilities], [corrections] = network(small)
        rows, columns = (probabilities >= min_score).nonzero(as_tuple=True)
        cells = torch.stack([columns, rows], dim=1) * STEP_PX
        corners = torch.cat([(cells + 1) / scale, (cells + CELL_PX) / scale], dim=1).floor()
        kept = nms(corners, probabilities[rows, columns], MAX_OVERLAP_IN_SCALE)
        boxes.append(torch.cat([corners, corrections[:, rows, columns].T], dim=1)[kept])
        scores.append(probabilities[rows, columns][kept])
        scale *= factor
    proposals = torch.cat(boxes)
    proposals = proposals[nms(proposals[:, :4], torch.cat(scores), MAX_OVERLAP)]
    sizes = proposals[:, 2:4] - proposals[:, :2]
    return _squared(proposals[:, :4] + proposals[:, 4:] * sizes.repeat(1, 2))


def _refined(network: Any, image: Tensor, boxes: Tensor, min_score: float) -> Tensor:
    """Square boxes that pass the second network, corrected by it."""
    from torchvision.ops import nms

    boxes, windows = _windows(image, boxes, side_px=24)
    if not len(boxes):
        return boxes
    scores, corrections = network(windows)
    passed = (scores > min_score).nonzero()[:, 0]
    passed = passed[nms(boxes[passed], scores[passed], MAX_OVERLAP)]
    return _squared(_corrected(boxes[passed], corrections[passed]))


def _with_landmarks(network: Any, image: Tensor, boxes: Tensor, min_score: float) -> Candidates:
    """Faces that pass the third network, highest score first."""
    boxes, windows = _windows(image, boxes, side_px=48)
    if not len(boxes):
        return Candidates(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
    scores, corrections, shares = network(windows)
    passed = (scores > min_score).nonzero()[:, 0]
    boxes, scores, corrections, shares = (part[passed] for part in (boxes, scores, corrections, shares))
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    points = shares.reshape(-1, 2, 5).transpose(1, 2) * sizes[:, None] + boxes[:, None, :2] - 1
    candidates = Candidates(_corrected(boxes, corrections).numpy(), scores.numpy(), points.numpy())
    return candidates.at(_not_contained(candidates))


def _not_contained(faces: Candidates) -> np.ndarray:
    """Indices of faces, highest score first, without those that a better one covers by more than MAX_OVERLAP.

    The overlap is a share of the smaller box.
    """
    places, kept = np.argsort(-faces.scores, kind="stable"), []
    areas = (faces.corners[:, 2:] - faces.corners[:, :2] + 1).prod(axis=1)
    while len(places):
        first, places = places[0], places[1:]
        kept.append(first)
        low = np.maximum(faces.corners[first, :2], faces.corners[places, :2])
        high = np.minimum(faces.corners[first, 2:], faces.corners[places, 2:])
        shared = np.clip(high - low + 1, 0, None).prod(axis=1)
        places = places[shared / np.minimum(areas[first], areas[places]) <= MAX_OVERLAP]
    return np.array(kept, np.int64)


def _windows(image: Tensor, boxes: Tensor, *, side_px: int) -> tuple[Tensor, Tensor]:
    """Boxes (n, 4) that overlap the picture, and its pixels inside them, (n, 3, side_px, side_px).

    Coordinates count from 1, as in the original.
    """
    import torch

    height, width = image.shape[2:]
    whole = boxes.trunc().long()
    left, top = whole[:, 0].clamp(min=1) - 1, whole[:, 1].clamp(min=1) - 1
    right, bottom = whole[:, 2].clamp(max=width), whole[:, 3].clamp(max=height)
    inside = ((right > left) & (bottom > top)).nonzero()[:, 0].tolist()
    windows = [_resized(image[:, :, top[at] : bottom[at], left[at] : right[at]], (side_px, side_px)) for at in inside]
    return boxes[inside], torch.cat(windows) if windows else torch.zeros(0, 3, side_px, side_px)


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels resized by area interpolation and scaled to the networks' range, (pixel − 127.5) / 128."""
    from torch.nn.functional import interpolate

    return (interpolate(pixels, size=size, mode="area") - 127.5) / 128


def _corrected(boxes: Tensor, corrections: Tensor) -> Tensor:
    """Boxes with corners moved by shares of their size; both corners belong to the box, as in the original."""
    return boxes + corrections * (boxes[:, 2:] - boxes[:, :2] + 1).repeat(1, 2)


def _squared(boxes: Tensor) -> Tensor:
    """Boxes widened to squares about their middle."""
    import torch

    sizes = boxes[:, 2:] - boxes[:, :2]
    side = sizes.max(dim=1, keepdim=True).values
    corner = boxes[:, :2] + sizes / 2 - side / 2
    return torch.cat([corner, corner + side], dim=1)
