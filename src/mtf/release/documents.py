"""What stands beside the pictures for people to read: README and license note."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from mtf import atomic
from mtf.params import Params
from mtf.release import distribution
from mtf.release.layout import MULTI_TASK, NON_CURATED, SINGLE_TASK, task_folder


def write(root: Path, params: Params, counts: distribution.Distribution, licenses: pl.DataFrame) -> None:
    """`README.md` and `LICENSE.txt`. `licenses` has the license of each published picture, one row per picture."""
    facts = {
        "project": params.project,
        "release": params.release,
        "counts": counts,
        "tables": distribution.markdown(counts),
        "levels": [*params.attributes, "identity"],
        "task_folders": [task_folder(task.column) for task in params.tasks.values()],
        "licenses": _by_license(licenses),
        "multi_task": MULTI_TASK in params.release.variants,
        "single_task": SINGLE_TASK in params.release.variants,
        "non_curated": NON_CURATED in params.release.variants,
    }
    for name in ("README.md", "LICENSE.txt"):
        atomic.write_text(root / name, _templates().get_template(f"{name}.jinja").render(facts))


def remove(root: Path) -> None:
    """Remove the files beside the folders of pictures, all of which are written anew."""
    if root.is_dir():
        for path in root.iterdir():
            if path.is_file():
                path.unlink()


def _by_license(licenses: pl.DataFrame) -> list[tuple[str, int]]:
    counted = (
        licenses.group_by(pl.col("license").fill_null("none stated"))
        .len()
        .sort("len", "license", descending=[True, False])
    )
    return [(name, int(n)) for name, n in counted.iter_rows()]


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("mtf.release", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (Markdown and plain text; values come from params.yaml and counts)
    )
