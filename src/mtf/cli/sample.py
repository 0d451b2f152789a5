"""`mtf sample build`: make the sample's data folder anew, drawings, web and simulated reviews included."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.config import Params
from mtf.core.errors import MtfError, listed
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.sample.panel import Face

app = typer.Typer(help="The sample: drawn people and the small web that pictures them.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="sample", hidden=True)


@app.callback()
def group() -> None:
    """The sample: drawn people and the small web that pictures them."""


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Where to make it; it takes the place of a sample that is there.")],
    keep_web: Annotated[bool, typer.Option(help="Keep the web that is there, and review it anew.")] = False,
) -> None:
    """Draw the sample's people, put them on a recorded web, and let a simulated panel review what is found there.

    Run it inside a project: what the panel reviews are the faces found with that project's params.yaml.
    """
    from mtf import config
    from mtf.sample import truth

    workspace = ProjectPaths.find()
    settings = config.load(workspace.params)
    _refuse_what_is_no_sample(folder)
    if not keep_web:
        _write_web(folder, settings)
    truths = truth.read(folder / "web")
    decisions = _write_reviews(folder, workspace, settings)
    print(f"sample: {len(truths)} search results and {decisions} simulated decisions in {folder}")


def _refuse_what_is_no_sample(folder: Path) -> None:
    """Nothing that a person made is lost: neither another project's data nor decisions on the sample."""
    from mtf.sample import truth
    from mtf.sample.panel import REVIEWERS

    if folder.exists() and any(folder.iterdir()) and not (folder / "web" / truth.FILE).is_file():
        raise MtfError(f"{folder}: there is something else here, which would be lost; name another folder")
    people = sorted({path.parent.name for path in folder.glob("review/*/*.jsonl")} - set(REVIEWERS))
    if people:
        raise MtfError(f"{folder}: the decisions of {listed(people)} would be lost; name another folder")


def _write_web(folder: Path, settings: Params) -> None:
    from mtf.sample import web

    shutil.rmtree(folder, ignore_errors=True)
    web.write(folder, seed=settings.seed, compute=settings.compute)


def _write_reviews(folder: Path, workspace: ProjectPaths, settings: Params) -> int:
    """Crawl and crop in a workspace of its own, and review what that finds; returns the number of decisions."""
    from mtf.annotation.ledger import write_sitting
    from mtf.sample import panel, truth

    with tempfile.TemporaryDirectory(prefix="mtf-sample-") as scratch:
        faces = _found_faces(ProjectPaths(Path(scratch)), folder, workspace.params, settings)
    sittings = panel.review(panel.judge(faces, truth.read(folder / "web")), seed=settings.seed)
    shutil.rmtree(folder / "review", ignore_errors=True)
    for sitting in sittings:
        write_sitting(folder / "review", sitting)
    return sum(map(len, sittings))


def _found_faces(scratch: ProjectPaths, folder: Path, params_file: Path, settings: Params) -> list[Face]:
    import polars as pl

    from mtf.pipeline import crawl, crop
    from mtf.sample.panel import Face

    shutil.copy(params_file, scratch.params)
    scratch.data.symlink_to(folder.resolve())
    crawl.run(scratch, settings)
    crop.run(scratch, settings)
    faces = pl.read_parquet(scratch.table("crop", "faces"))
    return [Face(*row[:2], tuple(row[2:])) for row in faces.select(_FACE).iter_rows()]


_FACE = ["identity", "image_id", "x", "y", "width", "height"]
