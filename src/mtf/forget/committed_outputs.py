"""Outputs that DVC tracks in every commit, read from git's objects by one `git cat-file --batch`.

Loading a commit with DVC resolves its whole pipeline and takes a third of a second. What it stored stands in its `.dvc`
and `dvc.lock` files alone. Each tree and each file of git is read once, and each stage of a `dvc.lock` is parsed once,
however many commits share it.
"""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import yaml

from mtf.core.errors import MtfError

# The parser of libyaml, where PyYAML has it, is ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STAGE = re.compile(r"^  (?=\S)", re.MULTILINE)
_OF_ITEM = re.compile(r"\$\{\s*(?:item|key)\b[^}]*\}")
_FOLDER_MODE, _LINK_MODES = b"40000", (b"120000", b"160000")
_LOCK, _PIPELINE, _SINGLE = "dvc.lock", "dvc.yaml", ".dvc"
DVC_FOLDER = ".dvc"
# The stash of git, and those of DVC's experiments: in the workspace, queued, and failed.
_STASHES = ("refs/stash", "refs/exps/stash", "refs/exps/celery/stash", "refs/exps/celery/failed")


class TrackedOutput(NamedTuple):
    """Output of DVC.

    path: relative to the repository's root, with `/`.
    oid: md5 of its content, or of its listing if it ends with `.dir`.
    """

    path: str
    oid: str


class CommittedOutputs(NamedTuple):
    """Outputs of a commit.

    revision: first 12 digits of the commit.
    outputs: what its DVC files track.
    faults: messages on DVC files that cannot be read.
    """

    revision: str
    outputs: tuple[TrackedOutput, ...]
    faults: tuple[str, ...]


class UnreadableDvcFile(Exception):
    """Error: a DVC file of a commit cannot be read. The message names it."""


def committed_outputs(root: Path, progress: Callable[[int, int], object] | None = None) -> Iterator[CommittedOutputs]:
    """Outputs of every commit of all branches, tags, stashes and experiments, newest first.

    root: root of the DVC repository, which may be a folder of the git repository.
    progress: called with the number of commits that were read, and of all.
    """
    commits = _commits(root)
    prefix = _git(root, "rev-parse", "--show-prefix").strip().rstrip("/")
    with GitObjects(root) as objects:
        reader = _Reader(objects)
        for number, (commit, tree) in enumerate(commits, 1):
            outputs, faults = reader.of_tree(tree, prefix)
            yield CommittedOutputs(commit[:12], outputs, faults)
            if progress is not None:
                progress(number, len(commits))


def outputs_of_tree(root: Path, tree: str) -> tuple[tuple[TrackedOutput, ...], tuple[str, ...]]:
    """Outputs, and messages on DVC files that cannot be read, of one tree of git.

    root: root of the DVC repository, which may be a folder of the git repository.
    tree: digest of the tree of the whole git repository.
    """
    prefix = _git(root, "rev-parse", "--show-prefix").strip().rstrip("/")
    with GitObjects(root) as objects:
        return _Reader(objects).of_tree(tree, prefix)


def _commits(root: Path) -> list[tuple[str, str]]:
    """Commits with their trees. A stash is a log of commits, of which git names only the last."""
    stashed = [
        commit
        for stash in _STASHES
        for commit in _git(root, "log", "--walk-reflogs", "--format=%H", stash, "--", is_required=False).split()
    ]
    lines = _git(root, "log", "--all", "--format=%H %T", *stashed, "--").splitlines()
    return [(commit, tree) for commit, _, tree in (line.partition(" ") for line in lines)]


def _git(root: Path, *arguments: str, is_required: bool = True) -> str:
    done = subprocess.run(
        ("git", *arguments), cwd=root, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and is_required:
        raise MtfError(f"git {arguments[0]}: {' '.join(done.stderr.split())[:300]}")
    return done.stdout if done.returncode == 0 else ""


class GitObjects:
    """Objects of git, read through one process."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            ("git", "cat-file", "--batch"), cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> GitObjects:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def read(self, name: str) -> bytes:
        """Content of an object. Raises MtfError if git lacks it."""
        into, out = self._process.stdin, self._process.stdout
        assert into is not None and out is not None  # noqa: S101 (both are pipes)
        into.write(f"{name}\n".encode("ascii"))
        into.flush()
        header = out.readline().split()
        if len(header) != 3:
            raise MtfError(f"git lacks {name}, which its history names")
        size = int(header[2])
        data = out.read(size)
        out.read(1)
        return data


class _Reader:
    """Reader of DVC files that remembers trees, files and stages."""

    def __init__(self, objects: GitObjects) -> None:
        self._objects = objects
        self._trees: dict[str, tuple[tuple[str, str], ...]] = {}
        self._outputs: dict[tuple[str, str], tuple[TrackedOutput, ...] | str] = {}
        self._stages: dict[str, Any] = {}
        self._wholes: dict[tuple[str, str], tuple[tuple[TrackedOutput, ...], tuple[str, ...]]] = {}

    def of_tree(self, tree: str, prefix: str) -> tuple[tuple[TrackedOutput, ...], tuple[str, ...]]:
        """Outputs and faults of a commit's tree, below the folder `prefix` of it."""
        if (tree, prefix) not in self._wholes:
            self._wholes[tree, prefix] = self._of_tree(tree, prefix)
        return self._wholes[tree, prefix]

    def _of_tree(self, tree: str, prefix: str) -> tuple[tuple[TrackedOutput, ...], tuple[str, ...]]:
        files = dict(_below(self._dvc_files(tree), prefix))
        nested = {
            posixpath.dirname(posixpath.dirname(path)) for path in files if path.endswith(f"/{DVC_FOLDER}/config")
        }
        outputs: list[TrackedOutput] = []
        faults: list[str] = []
        for path, blob in sorted(files.items()):
            if path.endswith(f"{DVC_FOLDER}/config") or any(path.startswith(f"{each}/") for each in nested if each):
                continue
            folder = posixpath.dirname(path)
            pipeline = files.get(posixpath.join(folder, _PIPELINE), "") if posixpath.basename(path) == _LOCK else ""
            found = self._of_file(path, blob, pipeline)
            if isinstance(found, str):
                faults.append(found)
            else:
                outputs += found
        return tuple(outputs), tuple(faults)

    def _dvc_files(self, tree: str) -> tuple[tuple[str, str], ...]:
        """DVC files below a tree: path and object."""
        if tree not in self._trees:
            self._trees[tree] = tuple(self._walk(tree))
        return self._trees[tree]

    def _walk(self, tree: str) -> Iterator[tuple[str, str]]:
        data = self._objects.read(tree)
        size = len(tree) // 2
        start = 0
        while start < len(data):
            end = data.index(b"\0", start)
            mode, _, raw_name = data[start:end].partition(b" ")
            name, oid = raw_name.decode("utf-8", "surrogateescape"), data[end + 1 : end + 1 + size].hex()
            start = end + 1 + size
            if mode == _FOLDER_MODE:
                yield from ((f"{name}/{path}", each) for path, each in self._dvc_files(oid) if _counts(name, path))
            elif mode not in _LINK_MODES and (
                name in (_LOCK, _PIPELINE, "config") or (name.endswith(_SINGLE) and name != _SINGLE)
            ):
                yield name, oid

    def _of_file(self, path: str, blob: str, pipeline: str) -> tuple[TrackedOutput, ...] | str:
        key = (path, blob + pipeline)
        if key not in self._outputs:
            try:
                self._outputs[key] = tuple(self._parsed(path, blob, pipeline))
            except Exception as error:  # a malformed file may raise anything
                why = " ".join(str(getattr(error, "problem", None) or error).split())[:120]
                self._outputs[key] = f"'{path}' is corrupted: {why or type(error).__name__}"
        return self._outputs[key]

    def _parsed(self, path: str, blob: str, pipeline: str) -> Iterator[TrackedOutput]:
        folder, name = posixpath.split(path)
        text = self._objects.read(blob).decode("utf-8")
        if name == _PIPELINE:
            _checked(_load(text))
            return
        if name != _LOCK:
            content = _checked(_load(text))
            yield from _of_entries(posixpath.join(folder, content.get("wdir") or "."), content.get("outs"))
            return
        folders = self._working_folders(pipeline) if pipeline else {}
        for stage, entries in self._locked(text):
            yield from _of_entries(posixpath.join(folder, _working_folder(folders, stage)), entries)

    def _locked(self, text: str) -> Iterator[tuple[str, Any]]:
        """Stage → outputs of a dvc.lock. DVC writes each stage as a block, which is parsed once for all commits."""
        head, *blocks = _STAGE.split(text)
        if not head.startswith(("schema:", "stages:")) or "\nstages:" not in f"\n{head}":
            content = _checked(_load(text))
            stages = content.get("stages", content) or {}
            yield from ((name, stage.get("outs")) for name, stage in stages.items() if isinstance(stage, dict))
            return
        _checked(_load(head))
        for block in blocks:
            if block not in self._stages:
                self._stages[block] = [
                    (name, stage.get("outs"))
                    for name, stage in _checked(_load(block)).items()
                    if isinstance(stage, dict)
                ]
            yield from self._stages[block]

    def _working_folders(self, pipeline: str) -> dict[str, str]:
        """Stage → folder in which it runs, of a dvc.yaml that names any."""
        text = self._objects.read(pipeline).decode("utf-8", "replace")
        if "wdir:" not in text:
            return {}
        stages = (_load(text) or {}).get("stages") or {}
        dicts = {name: stage for name, stage in stages.items() if isinstance(stage, dict)}
        of_each = {name: stage["do"] if isinstance(stage.get("do"), dict) else stage for name, stage in dicts.items()}
        return {name: str(stage["wdir"]) for name, stage in of_each.items() if "wdir" in stage}


def _working_folder(folders: dict[str, str], stage: str) -> str:
    """Folder in which a stage of a dvc.lock runs; `NAME@KEY` is one of those that a `foreach` or `matrix` makes.

    Its `${item}` or `${key}` is KEY. A value below an item, such as `${item.name}`, is shown as KEY, too, so that the
    outputs of two stages never have the same path.
    """
    if stage in folders:
        return folders[stage]
    name, _, key = stage.partition("@")
    return _OF_ITEM.sub(lambda _: key, folders.get(name, "."))


def _counts(folder: str, path: str) -> bool:
    """False for files of DVC's own folder, except the one that tells of a repository in a folder."""
    if folder == DVC_FOLDER:
        return path == "config"
    return posixpath.basename(path) != "config" or path.endswith(f"{DVC_FOLDER}/config")


def _below(files: tuple[tuple[str, str], ...], prefix: str) -> Iterator[tuple[str, str]]:
    for path, blob in files:
        if not prefix:
            yield path, blob
        elif path.startswith(f"{prefix}/"):
            yield path.removeprefix(f"{prefix}/"), blob


def _load(text: str) -> Any:
    return yaml.load(text, _LOADER)  # noqa: S506 (both loaders are safe ones)


def _checked(content: Any) -> dict[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UnreadableDvcFile("it is no mapping")
    return content


def _of_entries(folder: str, entries: Any) -> Iterator[TrackedOutput]:
    for entry in entries or ():
        path = str(entry["path"])
        if "://" in path or path.startswith("/"):
            continue
        where = posixpath.normpath(posixpath.join(folder, path))
        if where.startswith(".."):
            continue
        if entry.get("md5") is not None:
            yield TrackedOutput(where, str(entry["md5"]))
        # A folder of a remote that keeps versions: each file stands in the .dvc file itself.
        for file in entry.get("files") or ():
            if file.get("md5") is not None:
                yield TrackedOutput(f"{where}/{file['relpath']}", str(file["md5"]))
