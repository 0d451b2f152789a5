"""Checksums of a release in `SHA256SUMS`, for `sha256sum --check SHA256SUMS`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtf import atomic
from mtf.fingerprint import file_digest

NAME = "SHA256SUMS"


def write(root: Path, pictures: Mapping[str, str]) -> None:
    """Write the SHA-256 of every file below `root`. `pictures`: path → SHA-256 (hex) of files already hashed."""
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    digests = {path: pictures.get(path) or file_digest(root / path) for path in paths if path != NAME}
    atomic.write_text(root / NAME, "".join(f"{digest}  {path}\n" for path, digest in digests.items()))
