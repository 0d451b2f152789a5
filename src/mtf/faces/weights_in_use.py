"""Weights that touch the faces of a project: those of the detector, of the embedding and of the measures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mtf.config import Crop, Screen
from mtf.faces import model_files, occlusion, opencv
from mtf.faces.detectors import DETECTORS
from mtf.faces.embeddings import EMBEDDINGS
from mtf.faces.model_files import UNSTATED, ModelFile

_SHA256 = re.compile(r"[0-9a-f]{64}")


def of_faces(crop: Crop, screen: Screen, *, root: Path) -> list[ModelFile]:
    """Entries of all weights that `mtf crop` and `mtf screen` read, each once.

    Raises BadInput for an unknown detector or embedding, and for one of another package that cannot be created.
    """
    found = [
        *_of(DETECTORS.get(crop.detector), crop, used_for="detector", root=root),
        *_of(EMBEDDINGS.get(screen.embedding), screen, used_for="embedding", root=root),
        opencv.CASCADES["eye"],
        occlusion.WEIGHTS,
    ]
    return list(dict.fromkeys(found))


def _of(implementation: Any, section: Crop | Screen, *, used_for: str, root: Path) -> list[ModelFile]:
    """Entries that a class declares, or else those of the digests in its fingerprint."""
    if hasattr(implementation, "model_files"):
        return implementation.model_files(section, root=root)
    made_of = implementation.from_params(section, root=root).fingerprint()
    return [
        model_files.with_digest(digest)
        or ModelFile(made_of.get("name", used_for), used_for, "", 0, digest, license=UNSTATED, trained_on="not stated")
        for digest in digests(made_of)
    ]


def digests(values: Any) -> list[str]:
    """All digests (64 hex digits) among the values of a fingerprint."""
    if isinstance(values, str):
        return [values] if _SHA256.fullmatch(values) else []
    parts = values.values() if isinstance(values, dict) else values if isinstance(values, list | tuple) else ()
    return [digest for part in parts for digest in digests(part)]
