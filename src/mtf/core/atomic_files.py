"""Atomic files: written beside the target, flushed to disk, then renamed, so that a file appears whole or not at all.

A rename also never touches the old file's bytes, which DVC may have hard-linked into its cache.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtf.core import system_errors
from mtf.core.errors import BadInput

# .dvcignore has the same pattern: a killed writer's file is never versioned.
_LEFT_OVER = ".*.part"


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yield a path beside `path` to write to; on success it takes `path`'s place, on failure it is removed.

    Raises OSError, also if `path` is a folder; one on a full or failing disk names the file. Raises BadInput if `path`
    is a device or a pipe, such as /dev/stdout: a rename would remove it.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: is a device or a pipe, which a file cannot replace; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        flush(beside)
        os.replace(beside, path)
        flush(path.parent)
    except Exception as error:
        if named := system_errors.naming(error, path):
            raise named from error
        raise
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Generator[Path]:
    """Yield a new folder beside `path` to fill; on success it takes the place of `path`, which is empty or not there.

    On failure it is removed. Raises OSError; one of a full or failing disk names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        beside.mkdir()
        yield beside
        os.replace(beside, path)
        flush(path.parent)
    except OSError as error:
        if error.errno in system_errors.STORAGE:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove the files of killed writers from `folder`, not from its subfolders. Nobody may be writing there now.

    Such a file would be versioned with the folder, and might hold pictures that were taken down since.
    """
    for orphan in folder.glob(_LEFT_OVER):
        orphan.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as beside:
        beside.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON with stable bytes: keys in their order, two spaces, a final newline. Raises ValueError for NaN."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def flush(path: Path) -> None:
    """Wait until the system has a file or folder on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
