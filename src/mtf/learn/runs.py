"""Finished trainings of a comparison, kept in its file of figures: what has not changed is not trained again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mtf import atomic
from mtf.errors import BadInput

DIGITS = 4


class Runs:
    """The trainings in the JSON file `path`, by name; it is written anew after each one, whole or not at all.

    What the comparison says of them stands in the file beside them, from `conclude` on.
    """

    def __init__(self, path: Path) -> None:
        """Raises BadInput for a file that holds no comparison."""
        self._path = path
        self._kept: dict[str, dict[str, Any]] = read(path).get("runs", {})

    def once(self, name: str, digest: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The figures of the training `name`: those kept, where they were made from what `digest` is of, or new ones.

        A run that is stopped loses no more than the training it was at.
        """
        kept = self._kept.get(name)
        if kept is None or kept["digest"] != digest:
            self._kept[name] = {"digest": digest, **make()}
            atomic.write_json(self._path, {"runs": self._kept})
        return self._kept[name]

    def holds(self, name: str, digest: str) -> bool:
        return name in self._kept and self._kept[name]["digest"] == digest

    def conclude(self, findings: Mapping[str, Any]) -> None:
        """Write what the runs come to."""
        atomic.write_json(self._path, {**findings, "runs": self._kept})


def read(path: Path) -> dict[str, Any]:
    """The comparison in `path`; empty where there is none. Raises BadInput for a file that holds none."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not all("digest" in run for run in found.get("runs", {}).values()):
            raise ValueError("a run without its digest")
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInput(f"{path}: not a comparison ({error}); remove the file, and it is made anew") from None
    return found


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """`mean` and `std` of one figure over seeds: the sample's (n - 1), null for a single run."""
    std = round(stdev(values), DIGITS) if len(values) > 1 else None
    return {"mean": round(mean(values), DIGITS), "std": std}


def shown(figure: Mapping[str, Any], *, unit: str = "", scale: float = 1, digits: int = 2) -> str:
    """`91.23 ± 0.45%`; the mean alone where there was one run."""
    # Comparisons before version 0.2 have `deviation`.
    middle, std = figure["mean"], figure.get("std", figure.get("deviation"))
    text = f"{scale * middle:.{digits}f}"
    return f"{text}{unit}" if std is None else f"{text} ± {scale * std:.{digits}f}{unit}"
