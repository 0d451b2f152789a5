"""Decisions given on the boxes of one detector meet the boxes of every other, where both found the face."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from mtf.annotation.matching import match
from mtf.config import Crop
from mtf.faces import crop, decoding, detectors, opencv
from mtf.faces.box import Box, face_id
from mtf.sample.finds import PictureKind
from mtf.sample.panel import SAME_FACE_IOU
from mtf.sample.truth import Truth
from mtf.schemas import BOX, IMAGE

pytestmark = pytest.mark.lengthy(50)

# Those whose weights are installed; YuNet's file is fetched by hand.
DETECTORS = ("haar", "centerface", "mtcnn")
MAX_PIXELS = 60_000_000
NOT_SERVED = {PictureKind.NOT_FOUND, PictureKind.NO_SUCH_HOST, PictureKind.SLOW, PictureKind.PRIVATE_REDIRECT}
PAIRS = list(permutations(DETECTORS, 2))
# (identity, image) → boxes of the detector's faces.
Boxes = Mapping[tuple[str, str], list[Box]]


def boxes_of(name: str, pictures: Iterable[tuple[tuple[str, str], bytes]]) -> Boxes:
    detector = detectors.create(Crop(detector=name))
    found: dict[tuple[str, str], list[Box]] = {}
    for key, data in pictures:
        try:
            faces = crop.cut_faces(data, Crop(detector=name), max_pixels=MAX_PIXELS, detector=detector)
        except decoding.Unreadable:
            faces = []
        found[key] = [face.box for face in faces]
    return found


def table(boxes: Boxes) -> pl.DataFrame:
    rows = [
        {**dict(zip(IMAGE, key, strict=True)), **box._asdict(), "face_id": face_id(key[1], box)}
        for key, of_picture in boxes.items()
        for box in of_picture
    ]
    return pl.DataFrame(rows)


def met_faces(decided: Boxes, there: Boxes) -> dict[tuple[str, str, Box], str | None]:
    """For each box that was decided on, the face of the other detector that the decision meets."""
    matched = match(table(decided).drop("face_id"), table(there), box_iou=0.5)
    rows = matched.select(*IMAGE, *BOX, "face_id").iter_rows()
    return {(identity, image, Box(*box)): met for identity, image, *box, met in rows}


def drawn(sample) -> dict[tuple[str, str], Truth]:
    """Every second picture of the sample with a face; those that no address answers with are left out."""
    served = [truth for truth in sample.truths if truth.faces and truth.kind not in NOT_SERVED]
    return {(truth.identity, truth.image_id): truth for truth in served[::2]}


def boxes_at(boxes: Iterable[Box], place: Box) -> list[Box]:
    """Boxes of the face that was drawn at `place`. Haar finds a few faces twice, one box inside the other."""
    return [box for box in boxes if overlap(box, place) >= SAME_FACE_IOU]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(across, 0) * max(down, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    opencv.use_one_thread()


@pytest.fixture(scope="module")
def in_sample(shipped) -> Callable[[str], Boxes]:
    """Boxes of a detector in the sample's pictures."""
    pictures = drawn(shipped).items()
    return cache(lambda name: boxes_of(name, ((key, shipped.body(truth)) for key, truth in pictures)))


@pytest.fixture(scope="module")
def in_orl(real_data: Path) -> Callable[[str], Boxes]:
    """Boxes of a detector in every second picture of ORL: five of each of its forty people."""

    def pictures() -> Iterator[tuple[tuple[str, str], bytes]]:
        with tarfile.open(real_data / "orl" / "faces.tar") as tar:
            for member in [member for member in tar if member.isfile()][::2]:
                yield ("orl", member.name), tar.extractfile(member).read()

    return cache(lambda name: boxes_of(name, pictures()))


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_no_decision_on_a_drawn_face_is_orphaned_by_another_detector(shipped, in_sample, before, after) -> None:
    decided, there = in_sample(before), in_sample(after)
    met = met_faces(decided, there)
    faces, orphaned = 0, []
    for key, truth in drawn(shipped).items():
        for place, _ in truth.faces:
            old, new = (boxes_at(found[key], Box(*place)) for found in (decided, there))
            if old and new:
                faces += 1
                if not {met[*key, box] for box in old} & {face_id(key[1], box) for box in new}:
                    orphaned.append((key, old, new))
    assert orphaned == []
    assert faces > 240, "most of 283"


@pytest.mark.real
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_no_decision_on_a_photographed_face_is_orphaned_by_another_detector(in_orl, before, after) -> None:
    """ORL has one face a picture: the largest box."""
    decided, there = in_orl(before), in_orl(after)
    met = met_faces(decided, there)
    in_both = [key for key in decided if decided[key] and there[key]]
    largest = {key: [max(found[key], key=lambda box: box.width) for found in (decided, there)] for key in in_both}
    orphaned = [key for key, (old, new) in largest.items() if met[*key, old] != face_id(key[1], new)]
    assert orphaned == []
    assert len(in_both) > 175
