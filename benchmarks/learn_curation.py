"""MTF's Table 9 of a project from its metrics/compare/curation.json: mean over the seeds and 95 % interval.

Run `mtf compare curation --seeds 3` in the project first. The interval is by Student's t over the seeds, cut at 0 and
100 %: it shows the randomness of the training, not that of the test pictures. With one seed, the mean stands alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mtf.comparison import run_figures
from mtf.comparison.curation import NAME
from mtf.core import markdown_tables
from mtf.core.project_paths import ProjectPaths
from mtf.label_classifier import repeats
from mtf.papers.mtf_tables import TESTED_ON, TRAINED_ON

FIGURES = ("accuracy", "precision", "recall", "f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="a project with a finished comparison")
    found = run_figures.read_runs(ProjectPaths(parser.parse_args().project).metrics(NAME))
    model, recipe, tasks = found["model"], found["recipe"], found["tasks"]
    rows = []
    for task, by_arm in tasks.items():
        for arm, part in by_arm.items():
            prefix = f"{model}/{task}/{recipe}/{arm}/"
            runs = [run["tests"] for name, run in found["runs"].items() if name.startswith(prefix)]
            for test, where in TESTED_ON.items():
                if (arm, test) != ("curated", "own"):
                    cells = [over_seeds([100 * run[test][figure] for run in runs]) for figure in FIGURES]
                    rows.append([task, TRAINED_ON[arm].lower(), f"{part['images']['train']:,}", where, *cells])
    print(f"{model}, recipe {recipe}, {found['seeds']} seeds\n")
    print(markdown_tables.table(["task", "training data", "images", "tested on", *FIGURES], rows), end="")


def over_seeds(values: list[float]) -> str:
    """Mean and 95 % interval: `95.2 (93.1 to 97.3)`."""
    found = repeats.mean_and_interval(values)
    low, high = found["low"], found["high"]
    interval = "" if low is None or high is None else f" ({max(low, 0):.1f} to {min(high, 100):.1f})"
    return f"{found['mean']:.1f}{interval}"


if __name__ == "__main__":
    main()
