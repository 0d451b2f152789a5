"""Time of `mtf takedown add` and of `mtf takedown erase --dry-run` on a project with a long history.

    python benchmarks/takedown.py [--commits 400] [--versions 20] [--identities 640] [--images 183]

The history is made, not run: shards, tables, the published folder and DVC's objects are written as `dvc repro` leaves
them. `--versions` of the commits have other data than the commit before; the others change code and parameters. The
times are those of a whole command with Python's start.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import yaml

import crawled_project
from mtf.core import shards
from mtf.schemas import takedown_file

TARGETS_S = {"add": 5, "dry run": 20}


class MadeHistory:
    """Project with a made history, written object by object."""

    def __init__(self, root: Path, identities: int, images: int) -> None:
        self.root, self.images = root, images
        self.people = [f"person-{number:04d}" for number in range(identities)]
        self.cache = root / ".dvc" / "cache" / "files" / "md5"
        self.salts = dict.fromkeys(self.people, 0)
        self._shards: dict[tuple[str, str, int], tuple[str, str]] = {}

    def start(self) -> None:
        (self.root / "data").mkdir(parents=True)
        settings = yaml.safe_load((crawled_project.ROOT / "params.yaml").read_text())
        settings["compute"]["workers"] = 2
        (self.root / "params.yaml").write_text(yaml.safe_dump(settings))
        (self.root / "data" / "takedowns.csv").write_text(",".join(takedown_file.COLUMNS) + "\n")
        rows = [f"{person},Name of {person},Amber,Males,Young\n" for person in self.people]
        (self.root / "data" / "roster.csv").write_text("identity,name,race,gender,age\n" + "".join(rows))
        self._run("git", "init", "-q", "-b", "main")
        self._run("dvc", "init", "-q")
        (self.root / ".gitignore").write_text("/data\n/build\n")

    def _run(self, *command: str) -> None:
        subprocess.run(command, cwd=self.root, check=True, env=environment(), capture_output=True)

    def add_version(self, number: int) -> None:
        """Data of one version: each has new pictures of five people."""
        for person in self.people[number * 5 % len(self.people) :][:5]:
            self.salts[person] = number
        images = [row for person in self.people for row in self._rows(person)]
        stages = {stage: {} for stage in ("crawl", "crop", "release")}
        for person in self.people:
            for stage in ("crawl", "crop"):
                stages[stage][f"shards/{person}.tar"] = self._shard(stage, person)
            for row in self._rows(person):
                digest = hashlib.md5(row["face_id"].encode(), usedforsecurity=False).hexdigest()
                stages["release"][f"multi_task/Train/{person}/{row['face_id']}.jpg"] = digest
        faces = pl.DataFrame(images).select("identity", "image_id", "face_id")
        stages["crawl"]["images.parquet"] = self._table(pl.DataFrame(images).drop("face_id"))
        stages["crop"]["faces.parquet"] = self._table(faces)
        locked = {}
        for stage, files in stages.items():
            listing = [{"md5": digest, "relpath": path} for path, digest in sorted(files.items())]
            oid = self._store(json.dumps(listing).encode(), ".dir")
            locked[stage] = {"cmd": f"mtf {stage}", "outs": [self._out(f"build/{stage}", oid)]}
        lock = {"schema": "2.0", "stages": locked}
        (self.root / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
        pipeline = {name: {"cmd": f"mtf {name}", "outs": [f"build/{name}"]} for name in stages}
        (self.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": pipeline}))
        data = [
            {"md5": self._store((self.root / "data" / name).read_bytes()), "relpath": name}
            for name in ("roster.csv", "takedowns.csv")
        ]
        oid = self._store(json.dumps(data).encode(), ".dir")
        (self.root / "data.dvc").write_text(yaml.safe_dump({"outs": [self._out("data", oid)]}))

    @staticmethod
    def _out(path: str, oid: str) -> dict[str, str]:
        return {"path": path, "hash": "md5", "md5": oid}

    def _rows(self, person: str) -> list[dict[str, object]]:
        salt = self.salts[person]
        rows = []
        for number in range(self.images):
            changed = salt if number % 20 == 0 else 0
            image_id = hashlib.sha256(f"{person}/{number}/{changed}".encode()).hexdigest()
            url = f"https://x.example/{person}/{number}/{changed}.jpg"
            page_url = f"https://x.example/{person}/{number}"
            rows.append(
                {"identity": person, "image_id": image_id, "face_id": image_id[:32], "url": url, "page_url": page_url,
                 "size_bytes": 64}
            )  # fmt: skip
        return rows

    def _shard(self, stage: str, person: str) -> str:
        key = (stage, person, self.salts[person])
        if key not in self._shards:
            path = self.root / "shard.tmp"
            with shards.writing(path, "digest") as shard:
                rows = self._rows(person)
                for row in rows:
                    shard.add(
                        f"{row['image_id' if stage == 'crawl' else 'face_id']}.jpg", str(row["image_id"]).encode()
                    )
                shard.finish(pl.DataFrame(rows))
            self._shards[key] = (self._store(path.read_bytes()), stage)
            path.unlink()
        return self._shards[key][0]

    def _table(self, table: pl.DataFrame) -> str:
        buffer = io.BytesIO()
        table.write_parquet(buffer)
        return self._store(buffer.getvalue())

    def _store(self, data: bytes, ending: str = "") -> str:
        oid = hashlib.md5(data, usedforsecurity=False).hexdigest() + ending
        path = self.cache / oid[:2] / oid[2:]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o444)
        return oid

    def commit(self, number: int) -> None:
        (self.root / "notes.txt").write_text(f"{number}\n")
        self._run("git", "add", "-A")
        self._run("git", "commit", "-q", "-m", f"Version {number}")


def environment() -> dict[str, str]:
    who = {f"GIT_{role}_{key}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    tools = str(Path(sys.executable).parent)
    return os.environ | who | {"PATH": f"{tools}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def timed(root: Path, *arguments: str) -> tuple[float, float, str]:
    """Seconds, seconds of processor time, and output of `mtf` with these arguments."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "mtf", *arguments]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 0, done.stderr
    return seconds, used, done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=400)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--identities", type=int, default=640)
    parser.add_argument("--images", type=int, default=183)
    arguments = parser.parse_args()
    print(f"machine: {crawled_project.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        made = MadeHistory(Path(folder) / "project", arguments.identities, arguments.images)
        made.start()
        every = max(arguments.commits // arguments.versions, 1)
        for number in range(arguments.commits):
            if number % every == 0:
                made.add_version(number // every)
            made.commit(number)
        subprocess.run(["dvc", "checkout", "-q", "data.dvc"], cwd=made.root, env=environment(), check=False)
        pictures = len(made.people) * arguments.images
        print(f"{arguments.commits} commits, {arguments.versions} versions of {pictures:,} pictures")
        request = ("takedown", "add", made.people[7], "--reason", "asked", "--requested-by", "the person")
        for name, command in (("add", request), ("dry run", ("takedown", "erase", "--dry-run", "--signed-by", "me"))):
            seconds, used, output = timed(made.root, *command)
            print(f"{name}: {seconds:.1f} s, {used:.1f} s of processor time; target {TARGETS_S[name]} s")
            print("  " + "\n  ".join(output.splitlines()[:4]))


if __name__ == "__main__":
    main()
