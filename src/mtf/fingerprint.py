"""Digests of what a result was made from, so that it is made again when, and only when, that changed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def fingerprint(*parts: Any, code: Iterable[str] = ()) -> str:
    """A digest (hex, 64 characters) of `parts` and of the source of the modules or packages named in `code`.

    `parts` may be strings, numbers, None, pydantic models, and lists and dicts of these.
    """
    state = hashlib.sha256()
    state.update(json.dumps([_plain(part) for part in parts], sort_keys=True).encode("utf-8"))
    for module in code:
        state.update(source_digest(module).encode("ascii"))
    return state.hexdigest()


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file's bytes. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache
def source_digest(module: str) -> str:
    """Digest of a module's source file, or of all of a package's files: its tables and templates decide as well."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    origin = Path(spec.origin)
    files = _files_of_package(origin.parent) if spec.submodule_search_locations else [origin]
    state = hashlib.sha256()
    for file in files:
        state.update(file.name.encode("utf-8"))
        state.update(file.read_bytes())
    return state.hexdigest()


def _files_of_package(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


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
