"""Keys of params.yaml that have another name since, read for one version more."""

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
    """`raw` with today's keys, and one line on the standard error for each old one. `name` is the file's.

    Raises BadInput where an old key and its new one are both given.
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
    found = {keys.get(key, key): value for key, value in given.items()}
    if isinstance(gates := found.get("warn_only"), list):
        found["warn_only"] = [keys.get(gate, gate) if isinstance(gate, str) else gate for gate in gates]
    return found
