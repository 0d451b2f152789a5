"""Recall on real faces: withdrawn pictures found in changed copies, false hits, and files looked at per second.

    python benchmarks/recall.py [--withdrawn 1000] [--files 20000] [--scratch FOLDER]

Of FairFace and of LFW, `--withdrawn` pictures are put on a list. Found: the share of them that is recognised after each
change. False hits: pictures not on the list that are called withdrawn; they are named, to be looked at, since both sets
hold some photographs twice. Speed: the program recall.py, with two workers, over `--files` copies of FairFace's
pictures that differ in their bytes, with a list of `--withdrawn` others.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

import crawled_project
from mtf.recall.one_file import one_file
from mtf.recall.picture_matcher import Match, PictureMatcher
from mtf.recall.withdrawal_list import LIST_NAME, empty_list, parse, withdrawal_line

DATA = crawled_project.ROOT.parent / "shared" / "data"
SETS = {"FairFace": DATA / "fairface" / "train.tar", "LFW": DATA / "lfw" / "faces.tar"}
SALT = bytes(16)
TARGET_FILES, TARGET_S = 1_000_000, 600
PILLOW_CROP = 0.1
Change = Callable[[Image.Image, bytes], bytes]


def pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isreg() and member.name.endswith(".jpg"):
                file = tar.extractfile(member)
                assert file is not None
                yield member.name, file.read()


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def cut(picture: Image.Image, shares: tuple[float, ...]) -> Image.Image:
    width, height = picture.size
    left, top, right, bottom = shares
    return picture.crop(
        (round(left * width), round(top * height), width - round(right * width), height - round(bottom * height))
    )


def changes() -> dict[str, Change]:
    """Name of a change → the change; random ones are the same in each run."""
    rng = random.Random(0)

    def sides() -> tuple[float, ...]:
        return tuple(rng.choice((0.0, PILLOW_CROP, rng.random() * PILLOW_CROP)) for _ in range(4))

    def small(picture: Image.Image) -> Image.Image:
        return picture.resize((112, 112), rng.choice(list(Image.Resampling)))

    return {
        "renamed": lambda _, data: data,
        "JPEG q50": lambda picture, _: encoded(picture, "JPEG", quality=50),
        "resized to 112 px": lambda picture, _: encoded(small(picture)),
        "crop of 10 % of each side": lambda picture, _: encoded(cut(picture, (PILLOW_CROP,) * 4)),
        "crop of 10 % of one side": lambda picture, _: encoded(cut(picture, (PILLOW_CROP, 0, 0, 0))),
        "crop of 10 % of two sides": lambda picture, _: encoded(cut(picture, (PILLOW_CROP, PILLOW_CROP, 0, 0))),
        "crop of 0 to 10 % of each side": lambda picture, _: encoded(cut(picture, sides())),
        "PNG": lambda picture, _: encoded(picture),
        "grey": lambda picture, _: encoded(picture.convert("L"), "JPEG", quality=90),
        "crop, 112 px, grey, q50": lambda picture, _: encoded(
            small(cut(picture, sides()).convert("L")), "JPEG", quality=50
        ),
    }


def found_and_false(path: Path, count: int) -> bytes:
    """Print what is found after each change, and the false hits. Returns the list's text."""
    everything = list(pictures(path))
    random.Random(1).shuffle(everything)
    withdrawn, others = everything[:count], everything[count:]
    listed = parse(empty_list(SALT))
    lines = [listed.describe(data) for _, data in withdrawn]
    text = empty_list(SALT) + b"".join(map(withdrawal_line, lines))
    matcher = PictureMatcher(parse(text))
    for name, change in changes().items():
        changed = (
            (each, change(Image.open(io.BytesIO(data)).convert("RGB"), data))
            for each, (_, data) in enumerate(withdrawn)
        )
        hits = [match for match in matcher.matches(changed) if isinstance(match, Match)]
        print(f"{name:<32}{len(hits) / len(withdrawn):9.2%} found", flush=True)
    hits = [match for match in matcher.matches(others) if isinstance(match, Match)]
    print(f"{len(hits)} of {len(others):,} others called withdrawn; by their looks:")
    for match in hits:
        if match.by == "looks":
            print(f"  {match.place} as {withdrawn[match.entry - 1][0]}")
    return text


def speed(count: int, files: int, scratch: Path | None) -> None:
    everything = list(pictures(SETS["FairFace"]))
    listed = parse(empty_list(SALT))
    lines = [listed.describe(data) for _, data in everything[:count]]
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        root = Path(folder)
        (root / "recall.py").write_text(one_file(), encoding="utf-8")
        (root / LIST_NAME).write_bytes(empty_list(SALT) + b"".join(map(withdrawal_line, lines)))
        for number in range(files):
            _, data = everything[count + number % (len(everything) - count)]
            path = root / "copy" / f"{number // 1000:04d}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data + number.to_bytes(4, "big"))
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, root / "recall.py", root / "copy", "--workers", "2"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(done.stdout.splitlines()[-1])
    scale = TARGET_FILES / files
    print(
        f"{files:,} files, list of {count:,}: {seconds:.1f} s, {used:.1f} s of processor time "
        f"({used / files * 1e3:.2f} ms a file); for {TARGET_FILES:,}: {seconds * scale:,.0f} s as measured, "
        f"{used * scale / 2:,.0f} s on two cores that do nothing else; target {TARGET_S} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--withdrawn", type=int, default=1000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--scratch", type=Path, help="folder on the disk to measure; default: the system's")
    arguments = parser.parse_args()
    print(f"machine: {crawled_project.machine()}")
    for name, path in SETS.items():
        print(f"\n{name}, {arguments.withdrawn:,} withdrawn")
        found_and_false(path, arguments.withdrawn)
    print("\nspeed")
    speed(arguments.withdrawn, arguments.files, arguments.scratch)


if __name__ == "__main__":
    main()
