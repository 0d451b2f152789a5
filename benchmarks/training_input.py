"""Training input in pictures per second: torchvision's ImageFolder and this project's input cache.

The reference is the MTF paper's script: ImageFolder over 1024×1024 JPEGs, Resize(224), ToTensor, Normalize,
through a DataLoader with 2 workers. Both sides give shuffled batches of 32, normalised float pictures of 224 px.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import v2

from mtf.core import shards
from mtf.training import augmentation, data, input_cache

SIDE_PX, INPUT_PX, BATCH, WORKERS = 1024, 224, 32, 2


def drawn(number: int) -> bytes:
    """JPEG like a photograph (smooth shapes and fine grain), about 150 KB."""
    random = np.random.default_rng(number)
    small = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    picture = cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = random.normal(0, 5, picture.shape).astype(np.int16)
    return cv2.imencode(".jpg", (picture + grain).clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[
        1
    ].tobytes()


def lay_out(folder: Path, count: int) -> pl.DataFrame:
    """Write the same pictures as a folder per label for ImageFolder, and as shards for this project."""
    rows = []
    for label in ("a", "b"):
        (folder / "images" / label).mkdir(parents=True)
        with shards.writing(folder / "shards" / f"{label}.tar", "benchmark") as shard:
            for number in range(count // 2):
                encoded = drawn(number + (label == "b") * count)
                (folder / "images" / label / f"{number}.jpg").write_bytes(encoded)
                face_id = hashlib.sha256(encoded).hexdigest()[:32]
                offset, size_bytes = shard.add(f"{face_id}.jpg", encoded)
                rows.append({"identity": label, "face_id": face_id, "offset": offset, "size_bytes": size_bytes})
            shard.finish(pl.DataFrame(rows[-(count // 2) :]))
    return pl.DataFrame(rows)


def pictures_per_s(batches: Iterable, count: int) -> float:
    started = time.perf_counter()
    seen = sum(len(batch) for batch in batches)
    assert seen == count
    return count / (time.perf_counter() - started)


def reference(folder: Path, count: int) -> float:
    steps = v2.Compose([v2.Resize((INPUT_PX, INPUT_PX)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    pictures = datasets.ImageFolder(str(folder / "images"), transform=steps)
    loader = DataLoader(pictures, batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    return pictures_per_s((augmentation.normalised(batch, "imagenet") for batch, _ in loader), count)


def ours(pictures: np.ndarray, count: int) -> float:
    examples = data.Examples(pictures, np.arange(count), np.zeros(count, np.int64))
    loader = data.loader(examples, batch=BATCH, shuffle_seed=1)
    return pictures_per_s(
        (augmentation.normalised(augmentation.as_input(batch), "imagenet") for batch, _ in loader), count
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=20, help="epochs over which the one-off resizing is spread")
    arguments = parser.parse_args()
    count = arguments.pictures // 2 * 2
    folder = Path(tempfile.mkdtemp(prefix="mtf-benchmark-"))
    try:
        faces = lay_out(folder, count)
        theirs = reference(folder, count)
        started = time.perf_counter()
        pictures = input_cache.prepare(faces, folder / "shards", folder / "inputs", size_px=INPUT_PX)
        prepared = count / (time.perf_counter() - started)
        started = time.perf_counter()
        input_cache.prepare(faces, folder / "shards", folder / "inputs", size_px=INPUT_PX)
        reopened = time.perf_counter() - started
        steady = ours(pictures, count)
        epochs = arguments.epochs
        overall = epochs / (1 / prepared + epochs / steady)
        print(
            f"{count} JPEGs of {SIDE_PX} px to batches of {BATCH} at {INPUT_PX} px, {WORKERS} workers for ImageFolder"
        )
        print(f"torchvision ImageFolder      {theirs:8.0f} pictures/s")
        print(f"ours, resizing once          {prepared:8.0f} pictures/s")
        print(f"ours, opened again           {reopened:8.2f} s")
        print(f"ours, every epoch after      {steady:8.0f} pictures/s   {steady / theirs:5.1f}× (warm)")
        print(f"ours, {epochs} epochs, all counted {overall:8.0f} pictures/s   {overall / theirs:5.1f}×")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
