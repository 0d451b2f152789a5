"""Versions of a DVC repository: path and digest of every file that DVC tracks at a git revision, without a checkout.

Paths and digests stand in the DVC files of git and in the listings (`.dir` objects) of DVC's cache and remotes, in the
layouts of DVC 2 and 3.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtf.core.errors import BadInput
from mtf.forget.committed_outputs import outputs_of_tree
from mtf.forget.object_store import ObjectStore, error_text

MAX_LISTING_BYTES = 2**30
_DIGEST = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_DVC_FILES = (":(glob)**/*.dvc", ":(glob)**/dvc.lock", ":(glob)**/dvc.yaml")


@dataclass(frozen=True)
class Version:
    """Files of one version.

    name: its revision, or "the working tree".
    files: path → md5 of its content.
    unknown: outputs whose files are not known, with the reason.
    unlisted: folders among them.
    """

    name: str
    files: dict[str, str]
    unknown: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)


class Objects:
    """Objects of a DVC repository: each is read from the first store that has it, the cache before the remotes."""

    def __init__(self, stores: Iterable[ObjectStore]) -> None:
        self._stores = list(stores)
        self._failures: dict[str, str] = {}

    @property
    def failures(self) -> list[str]:
        """Stores that did not answer, with their errors."""
        return [f"{name}: {why}" for name, why in self._failures.items()]

    def read(self, oid: str, *, max_bytes: int) -> bytes | None:
        """Bytes of an object; None if no store has it, or it is larger."""
        if not _DIGEST.fullmatch(oid):
            return None
        for store in self._stores:
            if store.name in self._failures:
                continue
            try:
                if store.has_original(oid):
                    return store.read(oid) if store.size_bytes(oid) <= max_bytes else None
            except Exception as error:  # each file system raises its own
                self._failures[store.name] = error_text(error)
        return None


def read(root: Path, revision: str | None, objects: Objects, *, below: Sequence[str] = ()) -> Version:
    """Version at a git revision; None stands for the DVC files of the working tree, whether committed or not.

    below: paths of files or folders; other outputs are left out.

    Raises BadInput for a revision that does not exist.
    """
    tree = _tree(root, revision) if revision is not None else _tree_of_working_files(root)
    outputs, faults = outputs_of_tree(root, tree)
    version = Version(revision or "the working tree", {}, list(faults))
    for output in outputs:
        if output.oid.endswith(".dir"):
            if _overlaps(output.path, below):
                _add_listing(version, output.path, output.oid, objects, below)
        elif _is_below(output.path, below):
            version.files[output.path] = output.oid
    return version


def _add_listing(version: Version, folder: str, oid: str, objects: Objects, below: Sequence[str]) -> None:
    data = objects.read(oid, max_bytes=MAX_LISTING_BYTES)
    if data is None:
        version.unknown.append(
            f"{version.name}: {folder}: not compared: its list of files is in no store; `dvc fetch` may bring it"
        )
        version.unlisted.append(folder)
        return
    entries: Any = None
    with suppress(ValueError, RecursionError):
        entries = json.loads(data)
    if not isinstance(entries, list):
        version.unknown.append(f"{version.name}: {folder}: not compared: its list of files cannot be read")
        version.unlisted.append(folder)
        return
    for entry in entries:
        name, digest = (entry.get("relpath"), entry.get("md5")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and isinstance(digest, str) and _DIGEST.fullmatch(digest):
            path = posixpath.join(folder, name)
            if _is_below(path, below):
                version.files[path] = digest


def without(version: Version, folders: Sequence[str]) -> dict[str, str]:
    """Files of a version, without those in `folders`."""
    return {path: digest for path, digest in version.files.items() if not folders or not _is_below(path, folders)}


def _is_below(path: str, below: Sequence[str]) -> bool:
    return not below or any(path == each or path.startswith(f"{each}/") for each in below)


def _overlaps(folder: str, below: Sequence[str]) -> bool:
    return _is_below(folder, below) or any(each.startswith(f"{folder}/") for each in below)


def _tree(root: Path, revision: str) -> str:
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{tree}}")
    if done.returncode:
        raise BadInput(f"revision {revision!r}: no such revision in this repository; `git log` and `git tag` list them")
    return done.stdout.decode().strip()


def _tree_of_working_files(root: Path) -> str:
    """Tree of git with the DVC files as they lie in the folder. The index and the files stay as they are."""
    listed = _git(
        root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name", "--", *_DVC_FILES
    )
    top = _git(root, "rev-parse", "--show-toplevel").stdout.decode().strip()
    with tempfile.TemporaryDirectory(prefix="dvc-image-diff-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(Path(top), "update-index", "--add", "--remove", "-z", "--stdin", input=listed.stdout, env=index)
        return _git(Path(top), "write-tree", env=index).stdout.decode().strip()


def _git(
    root: Path, *arguments: str, input: bytes | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(
            ("git", *arguments), cwd=root, env=os.environ | (env or {}), input=input, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise BadInput("git is not installed; versions are those of git") from None
    if done.returncode and arguments[0] != "rev-parse":
        raise BadInput(f"git {arguments[0]}: {' '.join(done.stderr.decode(errors='replace').split())[:300]}")
    return done
