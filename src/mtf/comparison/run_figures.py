"""Store of a comparison's training runs in its file of figures, so that unchanged runs are not trained again.

A run that was killed continues after its last epoch. Its state lies beside the file, in `NAME.unfinished/`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mtf.core import atomic_files
from mtf.core.errors import BadInput

DIGITS = 4
GITIGNORE = ".gitignore"


class RunStore:
    """Training runs in the JSON file `path`, by name; written atomically after each run.

    The comparison's summary is in the same file once `write_summary` has been called. Until a later comparison calls
    it, the file keeps the summary of the one before.
    """

    def __init__(self, path: Path) -> None:
        """Read the runs in `path`. Raises BadInput for a file that is not a comparison."""
        self._path = path
        self._states = path.with_suffix(".unfinished")
        self._summary = read_runs(path)
        self._kept: dict[str, dict[str, Any]] = self._summary.pop("runs", {})

    def get_or_run(
        self, name: str, digest: str, make: Callable[[], Mapping[str, Any]], *, is_complete: bool = True
    ) -> dict[str, Any]:
        """Figures of the run `name`: the stored ones if their digest equals `digest`, otherwise those of `make`.

        `make` trains at most one network; if it was killed, that training continues after its last epoch.
        `is_complete`: False if something beside the figures is missing, so that the run is done again.
        """
        kept = self._kept.get(name)
        if kept is None or kept["digest"] != digest or not is_complete:
            # torch takes seconds to import: those who only read figures do without.
            from mtf.training import resumption

            self._make_states_folder()
            with resumption.resumable(resumption.in_folder(self._states / name, inputs=[digest])):
                self._kept[name] = {"digest": digest, **make()}
                atomic_files.write_json(self._path, {**self._summary, "runs": self._kept})
        return self._kept[name]

    def _make_states_folder(self) -> None:
        self._states.mkdir(parents=True, exist_ok=True)
        # Figures are for git, the states are not.
        (self._states / GITIGNORE).write_text("*\n", encoding="ascii")

    def has(self, name: str, digest: str) -> bool:
        """True if the run `name` is stored with this digest."""
        return name in self._kept and self._kept[name]["digest"] == digest

    def write_summary(self, findings: Mapping[str, Any]) -> None:
        """Write `findings`, the summary of the comparison, beside the runs.

        The states of trainings that this comparison did not have stay: another one continues them.
        """
        self._summary = dict(findings)
        atomic_files.write_json(self._path, {**self._summary, "runs": self._kept})
        if not any(path.is_file() and path.name != GITIGNORE for path in self._states.rglob("*")):
            shutil.rmtree(self._states, ignore_errors=True)


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
