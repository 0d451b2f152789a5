"""Listing of a local source, `data/sources.csv`: its files' number, size and digest, without a path of the machine.

The pictures' addresses are relative to their source. This file says which folder or archive that was. Columns:

- prefix: of the addresses of its files, `file:` or `file:@NAME/`.
- name: of the folder or archive, the last part of its path.
- kind: of the source, as in params.yaml; for an imported data set its name.
- files, size_bytes: number of its files, and their size.
- listing_sha256: SHA-256 (hex) of one line `NAME, tab, SIZE` for each file, sorted by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePosixPath

from mtf.core import csv_files


@dataclass(frozen=True)
class SourceListing:
    """One row of the file; the module's docstring explains the fields."""

    prefix: str
    name: str
    kind: str
    files: int
    size_bytes: int
    listing_sha256: str

    @classmethod
    def of(cls, files: Iterable[tuple[str, int]], prefix: str, kind: str, path: str) -> SourceListing:
        """Listing of `files`, pairs of name and size in bytes; `path` is that of the folder or archive."""
        lines = sorted((f"{name}\t{size}\n".encode("utf-8", "surrogateescape"), size) for name, size in files)
        digest = hashlib.sha256(b"".join(line for line, _ in lines)).hexdigest()
        name = PurePosixPath(path).name.encode("utf-8", "replace").decode("utf-8")
        return cls(prefix, name or "data", kind, len(lines), sum(size for _, size in lines), digest)


def write(path: Path, listings: Iterable[SourceListing]) -> bool:
    """Write `data/sources.csv` if it changed; without listings it is removed. Returns True if anything changed."""
    rows = [[str(value) for value in astuple(listing)] for listing in listings]
    if not rows:
        existed = path.is_file()
        path.unlink(missing_ok=True)
        return existed
    columns = [field.name for field in fields(SourceListing)]
    if path.is_file() and [[*row.cells.values()] for row in csv_files.read_leniently(path.read_bytes())] == rows:
        return False
    csv_files.write(path, [columns, *rows])
    return True
