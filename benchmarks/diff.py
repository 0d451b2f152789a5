"""Time of `mtf diff` between two versions of a made-up project, read from git and DVC without a checkout.

    python benchmarks/diff.py [--identities 640] [--images 180] [--decisions 300000]

Between the versions one identity in twenty is removed, one in twenty added, and one image in fifty rejected. Prints the
seconds of the whole command with Python's start, of the faster of two runs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

REPOSITORY = Path(__file__).parents[1]
LABELS = {"race": ["Amber", "Blue", "Green", "Violet"], "gender": ["Males", "Females"], "age": ["Young", "Old"]}
WHEN = datetime(2024, 5, 1, tzinfo=UTC)


def rows_of(identity: str, images: int) -> list[dict[str, object]]:
    chance = random.Random(identity)
    labels = {column: chance.choice(names) for column, names in LABELS.items()}
    rows = []
    for number in range(images):
        image_id = hashlib.sha256(f"{identity}/{number}".encode()).hexdigest()
        rows.append(
            {
                "identity": identity,
                "face_id": image_id[:32],
                "image_id": image_id,
                **{"x": 10, "y": 10, "width": 60, "height": 60},
                "url": f"https://pictures.example/{identity}/{number}.jpg",
                "split": chance.choices(["train", "val", "test"], [70, 6, 24])[0],
                "is_rejected": chance.random() < 0.02,
                **labels,
            }
        )
    return rows


def write_version(root: Path, names: list[str], images: int, *, rejects: bool) -> None:
    """Write the tables that `mtf diff` reads, and the roster."""
    rows = pl.DataFrame([row for name in names for row in rows_of(name, images)])
    gone = pl.col("is_rejected") if rejects else pl.lit(False)
    for path, table in {
        "split/splits": rows.filter(~gone).drop("url", "is_rejected"),
        "curate/exclusions": rows.filter(gone).select(
            "identity", "face_id", "image_id", step=pl.lit("quality"), reason=pl.lit("blurred")
        ),
        "crawl/fetches": rows.select("identity", "url", "image_id", outcome=pl.lit("stored")),
    }.items():
        file = root / "build" / f"{path}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(file)
    (root / "data").mkdir(exist_ok=True)
    pl.DataFrame({"identity": names, "name": names}).write_csv(root / "data/roster.csv")


def write_ledger(root: Path, decisions: int, sitting: str) -> None:
    path = root / "data/review/rita" / f"{sitting}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {"step": "face", "verdict": "accept", "box": [10, 10, 60, 60], "at": WHEN.isoformat()}
    with path.open("w") as file:
        for number in range(decisions):
            file.write(json.dumps({"image_id": hashlib.sha256(str(number).encode()).hexdigest()} | line) + "\n")


def commit(root: Path, tag: str) -> None:
    for command in (
        ["dvc", "add", "-q", "build/split", "build/curate", "build/crawl", "data"],
        ["git", "add", "-A"],
        ["git", "-c", "user.name=made-up", "-c", "user.email=made-up@example.org", "commit", "-qm", tag],
        ["git", "tag", tag],
    ):
        subprocess.run(command, cwd=root, check=True)


def seconds(root: Path, *arguments: str) -> float:
    """Seconds of the faster of two runs."""
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mtf", "diff", *arguments], cwd=root, check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=640)
    parser.add_argument("--images", type=int, default=180)
    parser.add_argument("--decisions", type=int, default=300_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        subprocess.run(["dvc", "init", "-q"], cwd=root, check=True)
        (root / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
        names = [f"person-{number:04}" for number in range(given.identities + given.identities // 20)]
        write_ledger(root, given.decisions, "1")
        write_version(root, names[: given.identities], given.images, rejects=False)
        commit(root, "v1")
        write_ledger(root, given.decisions // 20, "2")
        write_version(root, names[given.identities // 20 :], given.images, rejects=True)
        commit(root, "v2")
        print(
            f"{given.identities} identities, {given.identities * given.images:,} images, {given.decisions:,} decisions"
        )
        print(f"mtf diff v1 v2    {seconds(root, 'v1', 'v2'):6.2f} s")
        print(f"mtf diff v1       {seconds(root, 'v1'):6.2f} s")


if __name__ == "__main__":
    main()
