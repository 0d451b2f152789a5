"""Embeddings on real faces: same person or not, over all pairs of pictures of LFW.

    python benchmarks/embeddings.py [--embeddings appearance dlib] [--people 60] [--pictures 5] [--unaligned]

The people with five or more pictures. Each picture goes through the crop stage's code; of its faces, the one nearest to
the middle is embedded, in its crop, as `mtf screen` does.

- ROC area: probability that two pictures of one person are nearer than two pictures of two people.
- TAR at an FMR of 1 %: share of the pairs of one person that are nearer than 99 % of the pairs of two people.
- Processor time of one embedding, without decoding and detection, in one thread.

An embedding whose library or model file is not there is left out, with the line that says how to get it.
"""

from __future__ import annotations

import argparse
import tarfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

import crawled_project
from mtf.config import Crop, Screen
from mtf.core.errors import BadInput
from mtf.faces import crop as crops
from mtf.faces import detectors, embeddings, opencv
from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks

MAX_PIXELS = 10**7
MIN_PICTURES = 5
FALSE_MATCH_RATE = 0.01


class Face(NamedTuple):
    """A face in its crop, and the person's name."""

    person: str
    pixels: np.ndarray
    box: Box
    landmarks: Landmarks | None


def pictures(people: int | None, each: int | None) -> Iterator[tuple[str, bytes]]:
    """Name of the person and file of the first `each` pictures of the first `people` with MIN_PICTURES or more."""
    with tarfile.open(crawled_project.REAL_DATA / "lfw" / "faces.tar") as tar:
        by_person = defaultdict(list)
        for member in tar:
            if member.isfile():
                by_person[Path(member.name).parent.name].append(member)
        chosen = sorted(name for name, members in by_person.items() if len(members) >= MIN_PICTURES)
        for name in chosen[:people]:
            for member in by_person[name][:each]:
                file = tar.extractfile(member)
                if file is not None:
                    yield name, file.read()


def faces(people: int | None, each: int | None, settings: Crop) -> tuple[list[Face], int]:
    """Face nearest to the middle of each picture, and the number of pictures without one."""
    detector, found, without = detectors.create(settings), [], 0
    for person, data in pictures(people, each):
        cut = crops.cut_faces(data, settings, max_pixels=MAX_PIXELS, detector=detector)
        if not cut:
            without += 1
            continue
        face = min(cut, key=lambda face: _from_middle(face.box, face.shape))
        x, y = face.place.x, face.place.y
        landmarks = face.landmarks and Landmarks(*((px - x, py - y) for px, py in face.landmarks))
        box = face.box._replace(x=face.box.x - x, y=face.box.y - y)
        found.append(Face(person, crops.decoded(face.jpeg), box, landmarks))
    return found, without


def _from_middle(box: Box, shape: tuple[int, int]) -> float:
    return float(np.hypot(box.x + box.width / 2 - shape[1] / 2, box.y + box.height / 2 - shape[0] / 2))


def measured(embedding: embeddings.Embedding, known: list[Face], *, is_aligned: bool) -> tuple[float, float, float]:
    """ROC area, TAR and milliseconds a face."""
    first = known[0]
    embedding(first.pixels, first.box, first.landmarks if is_aligned else None)  # loads the model
    began = time.process_time()
    vectors = np.stack([embedding(face.pixels, face.box, face.landmarks if is_aligned else None) for face in known])
    milliseconds = 1000 * (time.process_time() - began) / len(known)
    people = np.unique([face.person for face in known], return_inverse=True)[1]
    left, right = np.triu_indices(len(known), 1)
    likeness = (vectors @ vectors.T)[left, right]
    same = people[left] == people[right]
    threshold = np.quantile(likeness[~same], 1 - FALSE_MATCH_RATE)
    return float(roc_auc_score(same, likeness)), float((likeness[same] > threshold).mean()), milliseconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--embeddings", nargs="+", default=embeddings.EMBEDDINGS.names())
    options.add_argument("--people", type=int, help="the first so many, by name")
    options.add_argument("--pictures", type=int, help="the first so many of each person")
    options.add_argument("--detector", default="centerface")
    options.add_argument("--unaligned", action="store_true", help="embed without the detector's landmarks")
    given = options.parse_args()
    opencv.use_one_thread()
    known, without = faces(given.people, given.pictures, Crop(detector=given.detector))
    people = len({face.person for face in known})
    print(f"{len(known)} faces of {people} people; {without} pictures without a face")
    print(f"{'embedding':12} {'ROC area':>9} {'TAR at FMR 1 %':>15} {'ms a face':>10}")
    for name in given.embeddings:
        try:
            embedding = embeddings.create(Screen(embedding=name))
        except BadInput as error:
            print(f"{name:12} {error}")
            continue
        area, accepted, milliseconds = measured(embedding, known, is_aligned=not given.unaligned)
        print(f"{name:12} {area:9.4f} {accepted:15.4f} {milliseconds:10.1f}")


if __name__ == "__main__":
    main()
