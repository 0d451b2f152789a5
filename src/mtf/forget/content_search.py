"""Search for contents outside DVC's stores: in the repository's folder, and in the objects of git."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from mtf.core.errors import MtfError
from mtf.forget.committed_outputs import GitObjects

_PIECE = 2**20


def copies(root: Path, sizes: Mapping[int, Collection[str]], *, skipped: Collection[Path]) -> Iterator[str]:
    """Files below `root` with one of the contents, relative to it with `/`. `.git` and `skipped` are not searched.

    sizes: size in bytes → md5 of the contents of this size.
    A symbolic link counts if it leads to such a content. A file that cannot be read raises OSError.
    """
    left_out = {str(root / ".git"), *map(str, skipped)}
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.path not in left_out:
                        folders.append(entry.path)
                elif _has_content(entry, sizes):
                    yield Path(entry.path).relative_to(root).as_posix()


def git_blobs(root: Path, sizes: Mapping[int, Collection[str]]) -> dict[str, str]:
    """Blob of git → md5 of its content, for the contents that git itself has, in a commit or in none."""
    listing = subprocess.run(
        ("git", "cat-file", "--batch-all-objects", "--unordered", "--buffer",
         "--batch-check=%(objecttype) %(objectsize) %(objectname)"),
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listing.returncode != 0:
        raise MtfError(f"git cannot list its objects: {' '.join(listing.stderr.split())[:200]}; see `git fsck`")
    found = {}
    with GitObjects(root) as objects:
        for kind, size, name in (line.split() for line in listing.stdout.splitlines()):
            if kind == "blob" and int(size) in sizes:
                digest = hashlib.md5(objects.read(name), usedforsecurity=False).hexdigest()
                if digest in sizes[int(size)]:
                    found[name] = digest
    return found


def _has_content(entry: os.DirEntry[str], sizes: Mapping[int, Collection[str]]) -> bool:
    if entry.is_symlink():
        target = Path(entry.path).resolve()
        # A link into DVC's cache, whose object may be a tombstone already.
        if any("".join(target.parts[-2:]) in oids for oids in sizes.values()):
            return True
        if not target.is_file():
            return False
    elif not entry.is_file():
        return False
    size = entry.stat().st_size
    return size in sizes and _md5(Path(entry.path)) in sizes[size]


def _md5(path: Path) -> str:
    state = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            state.update(piece)
    return state.hexdigest()
