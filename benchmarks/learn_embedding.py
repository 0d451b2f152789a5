"""Gender, race and age on FairFace from a frozen embedding and a linear head, on a held-out fifth, three seeds.

Each picture goes through the crop stage's detector; of its faces, the one nearest to the middle is embedded, aligned
by its landmarks. The head is scikit-learn's logistic regression on the standardised vectors. A test picture without a
detected face counts as an error; for training it is left out.

The embedding takes nearly all of the time: `--vectors FILE` keeps it, and a second run continues there. Prints mean
and standard deviation over the seeds, which draw the division, as a Markdown table.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtf.comparison import run_figures
from mtf.config import Crop, Screen
from mtf.core import atomic_files
from mtf.datasets import fairface, protocol_splits, tables
from mtf.faces import crop as crops
from mtf.faces import detectors, embeddings, opencv
from mtf.faces.detectors import Landmarks
from mtf.label_classifier import roster_contradictions

REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "fairface"
TASKS = ("gender", "race", "age")
MAX_PIXELS = 10**7
# Vectors are written after so many pictures.
STEP = 100
FIRST = 4000


def embedded(
    data: bytes, crop: Crop, detector: detectors.Detector, embedding: embeddings.Embedding
) -> np.ndarray | None:
    """Vector of the face nearest to the middle; None if no face is found."""
    cut = crops.cut_faces(data, crop, max_pixels=MAX_PIXELS, detector=detector)
    if not cut:
        return None
    face = min(cut, key=from_middle)
    x, y = face.place.x, face.place.y
    landmarks = face.landmarks and Landmarks(*((px - x, py - y) for px, py in face.landmarks))
    box = face.box._replace(x=face.box.x - x, y=face.box.y - y)
    return embedding(crops.decoded(face.jpeg), box, landmarks)


def from_middle(face: crops.CutFace) -> float:
    height, width = face.shape[:2]
    across, down = face.box.x + face.box.width / 2 - width / 2, face.box.y + face.box.height / 2 - height / 2
    return across**2 + down**2


def vectors(pictures: pl.DataFrame, files: tables.Files, kept: Path | None, name: str) -> np.ndarray:
    """Vectors (n, d) of the pictures, a row of NaN where no face is found."""
    opencv.use_one_thread()
    crop = Crop(detector="centerface")
    detector, embedding = detectors.create(crop), embeddings.create(Screen(embedding=name))
    found: dict[str, np.ndarray] = {}
    if kept is not None and kept.is_file():
        table = pl.read_parquet(kept)
        found = {file: vector.to_numpy() for file, vector in zip(table["file"], table["vector"], strict=True)}
    missing = [file for file in pictures["file"] if file not in found]
    started = time.process_time()
    for number, file in enumerate(missing, start=1):
        vector = embedded(files.read(file), crop, detector, embedding)
        found[file] = np.full(0, np.nan) if vector is None else vector
        if kept is not None and (number % STEP == 0 or number == len(missing)):
            with atomic_files.replacing(kept) as beside:
                pl.DataFrame(
                    {"file": list(found), "vector": [each.tolist() for each in found.values()]},
                    schema={"file": pl.String, "vector": pl.List(pl.Float32)},
                ).write_parquet(beside)
    if missing:
        each = (time.process_time() - started) / len(missing)
        print(f"{1000 * each:.1f} ms of processor time a picture, detection included, {len(missing):,} pictures")
    width = max(len(vector) for vector in found.values())
    return np.stack([found[file] if len(found[file]) else np.full(width, np.nan) for file in pictures["file"]])


def accuracies(pictures: pl.DataFrame, found: np.ndarray, *, seed: int) -> tuple[dict[str, float], int]:
    """Task → test accuracy, `all` for all three at once, and the number of test pictures."""
    split = protocol_splits.stratified(pictures, "gender", seed=seed, order=fairface.ATTRIBUTES["gender"]).to_numpy()
    has_face = ~np.isnan(found[:, 0])
    train, test = np.flatnonzero((split != "test") & has_face), np.flatnonzero(split == "test")
    right = {}
    for task in TASKS:
        targets = roster_contradictions.label_numbers(pictures[task], fairface.ATTRIBUTES[task])
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        head.fit(found[train], targets[train])
        predicted = head.predict(np.nan_to_num(found[test]))
        right[task] = (predicted == targets[test]) & has_face[test]
    right["all"] = np.logical_and.reduce(list(right.values()))
    return {task: float(each.mean()) for task, each in right.items()}, len(test)


def shuffled(pictures: pl.DataFrame) -> pl.DataFrame:
    """Pictures in a fixed order, so that fewer pictures are the first of more."""
    first = pictures.sample(FIRST, seed=42, shuffle=True)
    rest = pictures.join(first, on="file", how="anti", maintain_order="left")
    return pl.concat([first, rest.sample(rest.height, seed=42, shuffle=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedding", default="dlib")
    parser.add_argument("--images", type=int, help="the first so many of a fixed order; all where it is left out")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--vectors", type=Path, help="Parquet file that keeps the vectors")
    options = parser.parse_args()
    data_set, files = fairface.load(REAL / "labels.csv"), tables.Files(REAL / "train.tar")
    digests = pl.Series([hashlib.sha256(files.read(file)).hexdigest() for file in data_set.pictures["file"]])
    unique = data_set.pictures.filter(digests.is_first_distinct())
    pictures = shuffled(unique).head(options.images or unique.height)
    found = vectors(pictures, files, options.vectors, options.embedding)
    print(f"{pictures.height:,} pictures, {int(np.isnan(found[:, 0]).sum())} without a detected face")
    results = [accuracies(pictures, found, seed=seed) for seed in options.seeds]
    print(f"| model | {' | '.join(TASKS)} | all three | test pictures |\n|---|{'---|' * (len(TASKS) + 2)}")
    cells = [
        run_figures.format_mean_std(run_figures.mean_and_std([each[task] for each, _ in results]), scale=100, digits=1)
        for task in (*TASKS, "all")
    ]
    print(f"| {options.embedding} and a linear head | {' | '.join(cells)} | {results[0][1]:,} |")


if __name__ == "__main__":
    main()
