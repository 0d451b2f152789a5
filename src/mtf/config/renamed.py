"""Deprecated keys of params.yaml: read for one more version under their new names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtf.core.errors import BadInput
from mtf.core.renamed import warn_renamed

KEYS: Mapping[str, Mapping[str, str]] = {
    "curate": {"flavour": "mode"},
    "fairness": {"least_n": "min_n"},
    "gates": {"least_images": "min_images", "most_images": "max_images"},
}
"""Section → old key → new key."""


def with_new_names(raw: Mapping[str, Any], *, name: str = "params.yaml") -> dict[str, Any]:
    """Copy of `raw` with the new keys. Each old key prints a warning on standard error. `name` is the file's.

    Raises BadInput if both an old key and its new one are given.
    """
    renamed = dict(raw)
    for section, keys in KEYS.items():
        if isinstance(given := raw.get(section), Mapping):
            renamed[section] = _section(given, keys, f"{name}: {section}")
    return renamed


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
