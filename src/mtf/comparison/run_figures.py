"""Store of a comparison's training runs in its file of figures, so that unchanged runs are not trained again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mtf.core import atomic_files
from mtf.core.errors import BadInput

DIGITS = 4


class RunStore:
    """Training runs in the JSON file `path`, by name; written atomically after each run.

    The comparison's summary is in the same file once `write_summary` has been called.
    """

    def __init__(self, path: Path) -> None:
        """Read the runs in `path`. Raises BadInput for a file that is not a comparison."""
        self._path = path
        self._kept: dict[str, dict[str, Any]] = read_runs(path).get("runs", {})

    def get_or_run(
        self, name: str, digest: str, make: Callable[[], Mapping[str, Any]], *, is_complete: bool = True
    ) -> dict[str, Any]:
        """Figures of the run `name`: the stored ones if their digest equals `digest`, otherwise those of `make`.

        `is_complete`: False if something beside the figures is missing, so that the run is done again. If the command
        is stopped, only the unfinished run is lost.
        """
        kept = self._kept.get(name)
        if kept is None or kept["digest"] != digest or not is_complete:
            self._kept[name] = {"digest": digest, **make()}
            atomic_files.write_json(self._path, {"runs": self._kept})
        return self._kept[name]

    def has(self, name: str, digest: str) -> bool:
        """True if the run `name` is stored with this digest."""
        return name in self._kept and self._kept[name]["digest"] == digest

    def write_summary(self, findings: Mapping[str, Any]) -> None:
        """Write `findings`, the summary of the comparison, beside the runs."""
        atomic_files.write_json(self._path, {**findings, "runs": self._kept})


def read_runs(path: Path) -> dict[str, Any]:
    """Comparison in `path`, empty if there is no such file. Raises BadInput for a file that is not a comparison."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not all("digest" in run for run in found.get("runs", {}).values()):
            raise ValueError("a run without its digest")
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInput(f"{path}: not a comparison ({error}); remove the file, and it is made anew") from None
    return found


def mean_and_std(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation (n - 1; None for a single run) of one figure over seeds."""
    std = round(stdev(values), DIGITS) if len(values) > 1 else None
    return {"mean": round(mean(values), DIGITS), "std": std}


def format_mean_std(figure: Mapping[str, Any], *, unit: str = "", scale: float = 1, digits: int = 2) -> str:
    """Mean and standard std as text, `91.23 ± 0.45%`; the mean alone for a single run."""
    # Comparisons before version 0.2 have `deviation`.
    mean, std = figure["mean"], figure.get("std", figure.get("deviation"))
    text = f"{scale * mean:.{digits}f}"
    return f"{text}{unit}" if std is None else f"{text} ± {scale * std:.{digits}f}{unit}"
