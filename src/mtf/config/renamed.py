"""Older files params.yaml: deprecated keys and defaults that have changed since."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from mtf.core.errors import BadInput
from mtf.core.renamed import warn_renamed

KEYS: Mapping[str, Mapping[str, str]] = {
    "curate": {"flavour": "mode"},
    "fairness": {"least_n": "min_n"},
    "gates": {"least_images": "min_images", "most_images": "max_images"},
}
"""Section → old key → new key."""

HAAR_KEYS = ("cascade", "scale_factor", "min_neighbors", "detection_side_px")
"""Keys of `crop` that only the detector `haar` reads. It was the default when files named no detector."""


def with_new_names(raw: Mapping[str, Any], *, name: str = "params.yaml") -> dict[str, Any]:
    """Copy of `raw` with the new keys. Each old key prints a warning on standard error. `name` is the file's.

    Raises BadInput if both an old key and its new one are given.
    """
    renamed = dict(raw)
    for section, keys in KEYS.items():
        if isinstance(given := raw.get(section), Mapping):
            renamed[section] = _section(given, keys, f"{name}: {section}")
    return renamed


def with_detector(raw: Mapping[str, Any], *, name: str = "params.yaml") -> dict[str, Any]:
    """Copy of `raw` with the detector that a file without `crop.detector` means.

    That is `haar` if the file has one of HAAR_KEYS, which a note on standard error says; else the default.
    """
    crop = raw.get("crop")
    if not isinstance(crop, Mapping) or "detector" in crop:
        return dict(raw)
    of_haar = [key for key in HAAR_KEYS if key in crop]
    if not of_haar:
        return dict(raw)
    note_haar(name, ", ".join(of_haar))
    return {**raw, "crop": {**crop, "detector": "haar"}}


@cache
def note_haar(name: str, keys: str) -> None:
    """Print, once per process and file, that a file is read as one for `haar`."""
    print(
        f"mtf: {name}: crop has {keys} of the detector haar and names no detector: read as detector: haar; "
        "write that line, or remove these keys for the default",
        file=sys.stderr,
    )


def _section(given: Mapping[str, Any], keys: Mapping[str, str], where: str) -> dict[str, Any]:
    for old, new in keys.items():
        if old in given and new in given:
            raise BadInput(f"{where}.{old}: is now {new}, which stands there too; remove {old}")
        if old in given:
            warn_renamed(f"{where}.{old}", new)
    renamed = {keys.get(key, key): value for key, value in given.items()}
    if isinstance(gates := renamed.get("warn_only"), list):
        renamed["warn_only"] = [keys.get(gate, gate) if isinstance(gate, str) else gate for gate in gates]
    return renamed
