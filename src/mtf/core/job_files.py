"""Files of a job: what it reads and writes, so that a machine without the project's folder can do it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class JobFiles:
    """Files of a job, all below the project's `root`.

    target: file that it writes.
    digest: digest of the shard that it writes; None for another file, whose name then says what it was made from.
    reads: files that it alone reads.
    shared: files that other jobs read, too, such as weights; a machine keeps them.
    """

    root: Path
    target: Path
    digest: str | None = None
    reads: tuple[Path, ...] = ()
    shared: tuple[Path, ...] = ()

    def name(self, path: Path) -> str:
        """Path relative to the project, with `/`. Raises ValueError for a file outside."""
        return path.relative_to(self.root).as_posix()


def relocated(value: Value, root: Path, to: Path) -> Value:
    """Copy of a dataclass whose paths below `root`, at any depth, are below `to` instead."""
    if isinstance(value, Path):
        return to / value.relative_to(root) if value.is_relative_to(root) else value  # ty: ignore[invalid-explicit-return]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(relocated(each, root, to) for each in value)  # ty: ignore[invalid-explicit-return]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: new
            for field in dataclasses.fields(value)
            if field.init and (new := relocated(old := getattr(value, field.name), root, to)) is not old
        }
        return dataclasses.replace(value, **changed) if changed else value
    return value
