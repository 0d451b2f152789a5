"""A small project under git and DVC, whose files have the names and members that the stages give them."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from dvc.repo import Repo
from typer.testing import CliRunner

from mtf.cli import app
from mtf.core import shards
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.schemas import takedown_file
from projects import ROOT, run_in

HALF_MERGED = "stages:\n<<<<<<< HEAD\n  x:\n    cmd: a\n=======\n"
"""A dvc.yaml that nobody can read."""
STAGES = ("crawl", "crop", "split", "multitask", "release", "report")


def picture(name: str) -> bytes:
    return f"picture {name} ".encode() * 99


def image_id(name: str) -> str:
    return hashlib.sha256(picture(name)).hexdigest()


def crop(name: str) -> bytes:
    return f"crop {name} ".encode() * 99


def embedding(name: str) -> bytes:
    """Embedding as screening stores it: (128,) float16."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).standard_normal(128).astype(np.float16).tobytes()


def thumbnail(name: str) -> str:
    return base64.b64encode(f"thumbnail {name}".encode()).decode()


class Small:
    """Small project.

    - `remote`: a folder;
    - `contents`: name → real picture; other pictures are made-up bytes;
    - `hashes`: name → perceptual hash that the crawl computed.
    """

    def __init__(self, base: Path) -> None:
        self.contents: dict[str, bytes] = {}
        self.hashes: dict[str, int] = {}
        self.root, self.remote = base / "project", base / "remote"
        self.workspace = ProjectPaths(self.root)
        (self.root / "data").mkdir(parents=True)
        self.remote.mkdir()
        (self.root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        self.workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n")
        run_in(self.root, "git", "init", "-q", "-b", "main")
        Repo.init(str(self.root))
        (self.root / ".dvc" / "config").write_text(
            f"[core]\n    remote = near\n    analytics = false\n['remote \"near\"']\n    url = {self.remote}\n"
        )

    def take_down(self, kind: str, value: str) -> None:
        rows = self.workspace.takedowns.read_text()
        fresh(self.workspace.takedowns).write_text(f"{rows}2026-01-02,{kind},{value},asked,the person,mail 7\n")

    def run(self, people: dict[str, list[str]]) -> None:
        """What `dvc repro` does: the stages' files are made, and stored in the cache. Nothing is committed to git."""
        images = [self.row(name, each) for name, names in people.items() for each in names]
        for stage, extension in (("crawl", "image_id"), ("crop", "face_id")):
            for name in people:
                self._shard(stage, name, [row for row in images if row["identity"] == name], extension)
            for gone in shards.remove_except(self.workspace.shards(stage), people.__contains__):
                assert gone not in people
        self.table("crawl", "images", [row | self._place(row) for row in images])
        self.table("crop", "faces", images)
        self.table("split", "splits", [row | {"split": "train"} for row in images])
        (self.root / "build/multitask/equal").mkdir(parents=True, exist_ok=True)
        fresh(self.root / "build/multitask/equal/model.pt").write_text(json.dumps(people))
        self._release(images)
        thumbnails = "".join(
            f'<img src="data:image/jpeg;base64,{thumbnail(row["name"])}" alt="a face of {row["identity"]}">'
            for row in images
        )
        (self.root / "build/report").mkdir(exist_ok=True)
        page = f"<!doctype html><p>Health of {len(images)} faces{thumbnails}"
        fresh(self.root / "build/report/index.html").write_text(page)
        self.store()

    def store(self) -> None:
        """DVC tracks each stage's folder, as dvc.yaml has them, and no more of `build/`."""
        with Repo(str(self.root)) as repo:
            repo.add([*(str(self.root / "build" / name) for name in STAGES), str(self.root / "data")])

    def commit(self, message: str = "A version", *, push: bool = True) -> None:
        run_in(self.root, "git", "add", "-A")
        run_in(self.root, "git", "commit", "-q", "-m", message)
        if push:
            with Repo(str(self.root)) as repo:
                repo.push()

    def stores(self) -> list[Path]:
        return [self.root, self.remote]

    def holding(self, needle: bytes) -> list[Path]:
        return [path for store in self.stores() for path in holding(store, needle)]

    def picture(self, name: str) -> bytes:
        return self.contents.get(name, picture(name))

    def image_id(self, name: str) -> str:
        return hashlib.sha256(self.picture(name)).hexdigest()

    def row(self, identity: str, name: str) -> dict[str, str | int]:
        return {
            "identity": identity,
            "name": name,
            "image_id": self.image_id(name),
            "face_id": self.image_id(name)[:32],
            "url": f"https://x.example/{name}.jpg",
            "page_url": f"https://x.example/of/{name}",
            "size_bytes": len(self.picture(name)),
        }

    def _place(self, row: dict[str, str | int]) -> dict[str, int]:
        """Where the crawl's shard has a picture."""
        members = shards.members(self.workspace.shard("crawl", str(row["identity"])))
        return {"offset": members[f"{row['image_id']}.jpg"][0]}

    def _shard(self, stage: str, identity: str, rows: list[dict], key: str) -> None:
        with shards.writing(self.workspace.shard(stage, identity), "d") as shard:
            for row in rows:
                shard.add(f"{row[key]}.jpg", self.picture(row["name"]) if stage == "crawl" else crop(row["name"]))
            if stage == "crawl" and self.hashes:
                shard.add("responses.parquet", self._responses(rows))
            known = [row | {"embedding": embedding(str(row["name"]))} for row in rows] if stage == "crop" else rows
            shard.finish(pl.DataFrame(known))

    def _responses(self, rows: list[dict]) -> bytes:
        hashes = [{"image_id": row["image_id"], "content_hash": self.hashes.get(row["name"])} for row in rows]
        buffer = BytesIO()
        pl.DataFrame(hashes, schema={"image_id": pl.String, "content_hash": pl.UInt64}).write_parquet(buffer)
        return buffer.getvalue()

    def table(self, stage: str, table: str, rows: list[dict]) -> None:
        self.workspace.stage(stage).mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows).write_parquet(fresh(self.workspace.table(stage, table)))

    def _release(self, images: list[dict]) -> None:
        folder = self.workspace.stage("release") / "Train"
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {f"{row['face_id']}.jpg": f"published {row['name']} ".encode() * 9 for row in images}
        for path in folder.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name, data in wanted.items():
            fresh(folder / name).write_bytes(data)


def fresh(path: Path) -> Path:
    """Nothing is written through a link into DVC's cache."""
    path.unlink(missing_ok=True)
    return path


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return buffer.getvalue()


def members_of(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def holding(folder: Path, needle: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def erasing(*options: str) -> tuple[int, str]:
    """Exit code and output of `mtf takedown erase`; a refusal's message for what `mtf` would print of it."""
    result = CliRunner().invoke(app, ["takedown", "erase", "--signed-by", "me", *options])
    if isinstance(result.exception, MtfError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
