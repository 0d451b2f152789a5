"""Time of `dvc-forget` in a DVC repository of a million objects, each in the cache and in two remotes.

    python benchmarks/forget.py [--objects 1000000] [--versions 10] [--forgotten 1000] [--scratch FOLDER]

The layout is written as DVC leaves it: ten versions of a folder, each of which replaces a tenth of its files, so that
all versions together name `--objects` contents. Then `--forgotten` of the files, spread over the versions, are
forgotten by path. Times are those of the whole command. At the end every file of the three stores is read: none may
hold a forgotten content, and all others must have the md5 of their name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import crawled_project
from mtf.forget.object_store import TOMBSTONE

TARGET_S = 600
STORES = ("repository/.dvc/cache", "near", "far")


def content(number: int) -> bytes:
    return f"reading {number:07d}: 17.4 degrees\n".encode() * 3


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def numbers_of(version: int, objects: int, versions: int) -> Iterator[int]:
    """Contents of a version: the files whose place is below the version's share were replaced in it."""
    files = objects // 2
    replaced = files // max(versions - 1, 1)
    for place in range(files):
        yield files + place if place < replaced * version else place


def store(base: Path, data: bytes, ending: str = "") -> str:
    oid = md5(data) + ending
    for name in STORES:
        path = base / name / "files" / "md5" / oid[:2] / oid[2:]
        if not path.exists():
            path.write_bytes(data)
            path.chmod(0o444)
    return oid


def make(base: Path, objects: int, versions: int) -> Path:
    """Repository with `versions` commits, whose contents lie in cache and remotes."""
    root = base / "repository"
    root.mkdir()
    run(root, "git", "init", "-q", "-b", "main")
    run(root, "dvc", "init", "-q")
    for name in ("near", "far"):
        run(root, "dvc", "remote", "add", "-q", name, str(base / name))
    for name in STORES:
        for number in range(256):
            (base / name / "files" / "md5" / f"{number:02x}").mkdir(parents=True, exist_ok=True)
    replaced = objects // 2 // max(versions - 1, 1) * (versions - 1)
    known = [store(base, content(number)) for number in range(objects // 2 + replaced)]
    (root / ".gitignore").write_text("/readings\n")
    for version in range(versions):
        listing = [
            {"md5": known[number], "relpath": f"{place % 1000:03d}/{place:06d}.txt"}
            for place, number in enumerate(numbers_of(version, objects, versions))
        ]
        listing.sort(key=lambda entry: entry["relpath"])
        oid = store(base, json.dumps(listing).encode(), ".dir")
        (root / "readings.dvc").write_text(f"outs:\n- md5: {oid}\n  hash: md5\n  path: readings\n")
        run(root, "git", "add", "-A")
        run(root, "git", "commit", "-q", "-m", f"Version {version}")
    return root


def environment() -> dict[str, str]:
    who = {f"GIT_{role}_{key}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    tools = str(Path(sys.executable).parent)
    return os.environ | who | {"PATH": f"{tools}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def run(root: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def timed(name: str, root: Path, *command: str) -> str:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    said = run(root, sys.executable, "-m", "mtf.forget", *command)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = f"{after.ru_maxrss / 2**20:.1f} GiB"
    print(f"{name}: {seconds:.0f} s, {used:.0f} s of processor time, {memory}; target {TARGET_S} s")
    return said


def search(base: Path, forgotten: set[str]) -> tuple[float, int]:
    """Seconds to read every stored file, and the number of files; raises AssertionError for a leftover or damage."""
    began, count = time.perf_counter(), 0
    for name in STORES:
        for path in (base / name).rglob("*"):
            if not path.is_file() or "files/md5" not in str(path):
                continue
            data, oid = path.read_bytes(), f"{path.parent.name}{path.name}"
            assert data == TOMBSTONE if oid in forgotten else md5(data) == oid.removesuffix(".dir"), path
            count += 1
    return time.perf_counter() - began, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--forgotten", type=int, default=1000)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    print(f"machine: {crawled_project.machine()}")
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        base = Path(folder)
        began = time.perf_counter()
        root = make(base, arguments.objects, arguments.versions)
        took_s = time.perf_counter() - began
        print(f"layout: {arguments.objects:,} objects in {len(STORES)} stores, written in {took_s:.0f} s")
        files = arguments.objects // 2
        places = range(0, files, max(files // arguments.forgotten, 1))
        wanted = base / "wanted.txt"
        wanted.write_text("".join(f"readings/{place % 1000:03d}/{place:06d}.txt\n" for place in places))
        print("  " + timed("dry run", root, "--list", str(wanted)).splitlines()[0])
        print("  " + timed("apply", root, "--list", str(wanted), "--apply").splitlines()[0])
        forgotten = {
            md5(content(number))
            for version in (0, arguments.versions - 1)
            for place, number in enumerate(numbers_of(version, arguments.objects, arguments.versions))
            if place % places.step == 0
        }
        seconds, count = search(base, forgotten)
        print(f"every byte read again: {count:,} files in {seconds:.0f} s; {len(forgotten):,} contents gone from each")


if __name__ == "__main__":
    main()
