"""Versions of the data set that hold a person: commits and tags of git, with the tables and shards that DVC keeps.

dvc.lock of every commit is read by one `git cat-file --batch`. It names the folders of that version; of each, only the
person's shard and rows are read, from the local cache. A version that is not on this machine is named as such.
"""

from __future__ import annotations

import configparser
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from mtf.core import shards
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths

LOCK = "dvc.lock"
_CRAWL, _SPLIT, RELEASE = (PATHS_IN_PROJECT.stage(name).as_posix() for name in ("crawl", "split", "release"))
_MODELS = tuple(f"{PATHS_IN_PROJECT.stage(name).as_posix()}/" for name in ("models", "multitask"))
_OF_MODELS = (".pt", ".ckpt", ".onnx")
_OID = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
# The C parser is ten times faster; not every build of the library has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Version:
    """Version that holds the person.

    - `commit`, `day`, `tags`: commit, its day (ISO 8601), and the tags that name it;
    - `images`: image_ids of the person's pictures; None if their shard is not on this machine;
    - `faces`: split → number of the person's faces in the data set; None if the table is not on this machine;
    - `release`: version of the release that was built there, None if none was;
    - `models`: paths of the models that were trained with the person's faces.
    """

    commit: str
    day: str
    tags: tuple[str, ...]
    images: tuple[str, ...] | None
    faces: dict[str, int] | None
    release: str | None
    models: tuple[str, ...]


def find(root: Path, identity: str) -> list[Version]:
    """Versions with the person, newest first; none without git, or before the first dvc.lock."""
    commits = [line.split("\t", 1) for line in _git(root, "log", "--all", "--date-order", "--format=%H%x09%cs")]
    tags = _tags(root)
    store = _Store(root, identity)
    found = []
    for (commit, day), lock in zip(commits, _locks(root, [commit for commit, _ in commits]), strict=True):
        held = store.held(*lock) if lock else None
        if held is not None:
            found.append(Version(commit, day, tuple(tags.get(commit, ())), *held))
    return found


def model_folders(workspace: ProjectPaths) -> list[str]:
    """Folders under build/ that hold a trained model, relative to the project."""
    files = (path for name in _MODELS for path in (workspace.root / name).rglob("*") if path.suffix in _OF_MODELS)
    return sorted({workspace.relative(path.parent) for path in files})


def _tags(root: Path) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for line in _git(root, "for-each-ref", "--format=%(refname:short)%09%(objectname)%09%(*objectname)", "refs/tags"):
        name, direct, peeled = line.split("\t")
        names.setdefault(peeled or direct, []).append(name)
    return names


def _locks(root: Path, commits: list[str]) -> Iterator[tuple[str, bytes] | None]:
    """dvc.lock of each commit as (object name, content); None where a commit has none."""
    if not commits:
        return
    names = "".join(f"{commit}:{LOCK}\n" for commit in commits).encode()
    done = subprocess.run(("git", "cat-file", "--batch"), cwd=root, input=names, capture_output=True, check=False)
    output = io.BytesIO(done.stdout)
    for _ in commits:
        head = output.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            yield None
            continue
        content = output.read(int(head[2]))
        output.read(1)
        yield head[0].decode("ascii"), content


def _git(root: Path, *arguments: str) -> list[str]:
    done = subprocess.run(("git", *arguments), cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


Held = tuple[tuple[str, ...] | None, dict[str, int] | None, str | None, tuple[str, ...]]


class _Store:
    """DVC's local cache, as far as one person is concerned. Each lock, listing and shard is read once."""

    def __init__(self, root: Path, identity: str) -> None:
        self._cache = cache_folder(root)
        self._shard = f"shards/{identity}.tar"
        self._identity = identity
        self._of_lock: dict[str, Held | None] = {}
        self._listing = cache(self._read_listing)
        self._images = cache(self._read_images)
        self._faces = cache(self._read_faces)

    def held(self, name: str, lock: bytes) -> Held | None:
        """Person's part of the version with this dvc.lock; None if the version does not have the person."""
        if name not in self._of_lock:
            self._of_lock[name] = self._held(*_outs(lock))
        return self._of_lock[name]

    def _held(self, outs: dict[str, str], release: str | None) -> Held | None:
        crawled = self._listing(outs.get(_CRAWL))
        shard = crawled.get(self._shard) if crawled is not None else None
        if _CRAWL not in outs or (crawled is not None and shard is None):
            return None
        images = self._images(shard) if shard else None
        # A person on the roster of whom nothing was found has a shard without pictures.
        if images == ():
            return None
        faces = self._faces((self._listing(outs.get(_SPLIT)) or {}).get("splits.parquet"))
        is_trained = bool(faces) and any(count for split, count in faces.items() if split != "test")
        models = sorted(path for path in outs if path.startswith(_MODELS)) if is_trained else []
        return images, faces, release if RELEASE in outs else None, tuple(models)

    def _read_listing(self, oid: str | None) -> dict[str, str] | None:
        """Files of a tracked folder, path → md5; None if its listing is not on this machine."""
        try:
            data = self._path(oid).read_bytes() if oid else b"null"
            return {str(each["relpath"]): str(each["md5"]) for each in json.loads(data)}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _read_images(self, oid: str) -> tuple[str, ...] | None:
        try:
            return tuple(shards.rows_of(self._path(oid))["image_id"].to_list())
        except (OSError, KeyError, ValueError, tarfile.TarError, pl.exceptions.PolarsError):
            return None

    def _read_faces(self, oid: str | None) -> dict[str, int] | None:
        try:
            rows = pl.scan_parquet(self._path(oid)).filter(pl.col("identity") == self._identity) if oid else None
            counts = None if rows is None else rows.group_by("split").len().sort("split").collect()
            return None if counts is None else {str(split): int(count) for split, count in counts.iter_rows()}
        except (OSError, ValueError, pl.exceptions.PolarsError):
            return None

    def _path(self, oid: str) -> Path:
        if not _OID.fullmatch(oid):
            raise ValueError(f"not the name of an object: {oid[:40]!r}")
        return self._cache / oid[:2] / oid[2:]


def _outs(lock: bytes) -> tuple[dict[str, str], str | None]:
    """Outputs of a dvc.lock, path → md5, and the version of the release in its parameters."""
    outs: dict[str, str] = {}
    version = None
    try:
        stages = yaml.load(lock, Loader=_LOADER)["stages"]  # noqa: S506 (a safe loader)
        for name, stage in stages.items():
            for out in stage.get("outs", ()):
                outs[str(out["path"])] = str(out["md5"])
            if name == "release":
                parameters = stage.get("params", {}).get("params.yaml", {})
                version = _nested(parameters, "release", "version") or parameters.get("release.version")
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return {}, None
    return outs, None if version is None else str(version)


def _nested(values: Any, *names: str) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def cache_folder(root: Path) -> Path:
    """Folder of DVC's cached files: as .dvc/config.local or .dvc/config names it, else .dvc/cache."""
    for name in ("config.local", "config"):
        config = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            config.read_string((root / ".dvc" / name).read_text(encoding="utf-8"))
        except (OSError, configparser.Error):
            continue
        if config.has_option("cache", "dir"):
            return (root / ".dvc" / config.get("cache", "dir")).resolve() / "files" / "md5"
    return root / ".dvc" / "cache" / "files" / "md5"
