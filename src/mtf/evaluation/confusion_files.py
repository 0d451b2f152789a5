"""Files of confusion matrices: numbers as JSON, and a picture of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtf.core import atomic_files
from mtf.evaluation import intersections


def write(path: Path, matrices: Mapping[str, Any]) -> str | None:
    """Write `matrices` of `intersections.confusions` as PATH.json, on one line, and PATH.png.

    Returns a line of text if there are too many labels for a picture, else None.
    """
    atomic_files.write_text(path.with_name(f"{path.name}.json"), json.dumps(matrices, ensure_ascii=False) + "\n")
    picture = intersections.confusion_picture(matrices, title=path.name)
    if picture is None:
        return f"{path.name} has too many labels for a picture; {path.name}.json has the matrices"
    atomic_files.write_bytes(path.with_name(f"{path.name}.png"), picture)
    return None
