"""Reading of torch files that may come from strangers: tensors and plain values alone, of bounded size.

The one place that reads such files. `torch.load` runs no code of the file here (`weights_only`), but a damaged or
malicious file makes it raise nearly anything, or ask for more memory than there is: both become one error line.
"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

from mtf.core.errors import BadInput

MAX_BYTES = 4 << 30
"""Largest file, and largest content of its archive. The largest network here, VGG-16, has 0.55 GB."""


def read(path: Path, *, wanted: str) -> Any:
    """Content of a torch file, on the CPU.

    wanted: for messages, the thing that the file should be ("weights of FaceNet").

    Raises BadInput if the file is missing, too large, or anything else.
    """
    _check_size(path, wanted=wanted)
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: the file is refused or good
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a file from outside may raise anything in the reader, and torch's words are for programmers
        raise BadInput(f"{path}: not {wanted}: no torch file, a damaged one, or one with more than tensors") from None


def write(path: Path, content: Any) -> None:
    """Write tensors and plain values atomically; the same content gives the same bytes."""
    import io

    import torch

    from mtf.core import atomic_files

    # Through memory: torch names a folder in the archive after the file.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_files.write_bytes(path, buffer.getvalue())


def not_wanted(path: Path, wanted: str, error: Exception) -> BadInput:
    """Error for a file that is no `wanted`, with the reason of `error` on one line."""
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return BadInput(f"{path}: not {wanted}: {reason}")


def _check_size(path: Path, *, wanted: str) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                # torch stores tensors uncompressed; an archive that grows when it is read is a bomb.
                size = max(size, sum(member.file_size for member in archive.infolist()))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except Exception as error:
        raise not_wanted(path, wanted, error) from None
    if size > MAX_BYTES:
        raise BadInput(f"{path}: not {wanted}: {size:,} bytes; permitted: up to {MAX_BYTES:,}")
