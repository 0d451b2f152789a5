"""Digests of a result's inputs: the result is made again only if its digest changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mtf.core.import_closure import code_digest


def fingerprint(*parts: Any, code: Iterable[str] = ()) -> str:
    """Digest (sha256, hex) of `parts` and of the code of modules.

    parts: strings, numbers, None, paths, pydantic models, and lists and dicts of these. Parameters belong here.
    code: names of modules, each with its import closure (`code_digest`); a caller names itself, `code=[__name__]`.
    """
    state = hashlib.sha256()
    state.update(json.dumps([_plain(part) for part in parts], sort_keys=True).encode("utf-8"))
    if roots := tuple(code):
        state.update(code_digest(*roots).encode("ascii"))
    return state.hexdigest()


def file_digest(path: Path) -> str:
    """Digest (sha256, hex) of a file's bytes. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(part: Any) -> Any:
    if isinstance(part, BaseModel):
        return part.model_dump(mode="json")
    if isinstance(part, Path):
        return str(part)
    if isinstance(part, dict):
        return {str(key): _plain(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_plain(value) for value in part]
    return part
