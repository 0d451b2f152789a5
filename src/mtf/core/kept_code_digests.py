"""Digests of code in a file beside what was made by it: computed again only if a file of the package has changed.

`import_closure.code_digest` parses hundreds of files, and takes 0.4 s. Commands that start often look at the files'
status alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mtf.core.atomic_files import write_json
from mtf.core.import_closure import PACKAGE, code_digest, source


def kept_code_digest(*roots: str, file: Path) -> str:
    """`code_digest` of `roots`, from `file` if the package is the same as when it was written there.

    The package is the same if it has the same files, each with the same path, size, and times of change of its bytes
    and of its status. If `file` cannot be read or written, the digest is computed.
    """
    package, name = _package_stamp(), " ".join(roots)
    kept = _kept(file, package)
    if name not in kept:
        kept[name] = code_digest(*roots)
        with suppress(OSError):
            write_json(file, {"package": package, "digests": kept})
    return kept[name]


def _kept(file: Path, package: str) -> dict[str, str]:
    """Digests in `file` by their roots; none if they are of other code, or if it is damaged."""
    try:
        found = json.loads(file.read_bytes())
        kept = found["digests"] if found["package"] == package else {}
        is_sound = all(isinstance(text, str) for each in kept.items() for text in each)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
    return kept if is_sound else {}


def _package_stamp() -> str:
    """Digest (sha256, hex) of the status of all files of the package; taken before the files are read."""
    folder = source(PACKAGE).parent
    states = json.dumps(sorted(_states(folder)))
    return hashlib.sha256(states.encode("ascii")).hexdigest()


def _states(folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _states(Path(entry.path))
        else:
            state = entry.stat()
            yield f"{entry.path} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
