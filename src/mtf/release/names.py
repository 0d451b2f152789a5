"""Folder names for labels: valid on every file system, the same on every machine, and inside their folder."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

# Names that Windows reserves for devices, with any extension.
RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
MAX_BYTES = 180
_UNSAFE = re.compile(r"[^\w.-]+|_+")


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """Label → folder name. Names that differ only in case, or not at all, get a digest of their label as suffix.

    Letters and digits of any script are kept, and `-`, `_` and `.` between them; any other sequence becomes one `_`:
    `Asian (Indian)` becomes `Asian_Indian`.
    """
    names = {label: _safe(label) for label in sorted(set(labels))}
    # Once more where a label is spelled as another one's name with its tag.
    while alike := _alike(names):
        names |= {label: f"{names[label]}-{_tag(label)}" for label in alike}
    return names


def _alike(names: Mapping[str, str]) -> list[str]:
    """The labels that share a name with another one, upper and lower case apart."""
    used = Counter(name.casefold() for name in names.values())
    return [label for label, name in names.items() if used[name.casefold()] > 1]


def _safe(label: str) -> str:
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", label)).strip("._-")
    name = name.encode("utf-8")[:MAX_BYTES].decode("utf-8", "ignore").rstrip("._-")
    if not name:
        return f"label-{_tag(label)}"
    return f"_{name}" if name.split(".")[0].casefold() in RESERVED else name


def _tag(label: str) -> str:
    return hashlib.sha256(label.encode("utf-8")).hexdigest()[:8]
