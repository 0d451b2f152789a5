"""`mtf sample build`: builds the sample's data folder: drawings, recorded web and simulated reviews."""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.config import Params
from mtf.core.errors import MtfError, listed
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.sample.panel import Face

app = typer.Typer(
    help="Build the sample: drawn people and a small recorded web with their pictures.", no_args_is_help=True
)


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="sample", hidden=True)


@app.callback()
def group() -> None:
    """Sample data set: drawn people and a small recorded web with their pictures."""


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Folder to build in; a sample there is replaced.")],
    keep_web: Annotated[bool, typer.Option(help="Keep the existing web, and simulate the review again.")] = False,
) -> None:
    """Draw the sample's people, put them on a recorded web, and simulate a panel's review of the faces found there.

    Run it inside a project: the faces are found with that project's params.yaml.
    """
    from mtf.sample import truth

    workspace = ProjectPaths.find()
    _refuse_other_data(folder)
    decisions = _write(folder, workspace, keep_web=keep_web)
    truths = truth.read(folder / "web")
    print(f"sample: {len(truths)} search results and {decisions} simulated decisions in {folder}")


def build_data(workspace: ProjectPaths) -> None:
    """Build the sample in the folder `data` of a new project that has its parameters, and print nothing."""
    with redirect_stdout(io.StringIO()):
        _write(workspace.data, workspace, keep_web=False)


def _write(folder: Path, workspace: ProjectPaths, *, keep_web: bool) -> int:
    """Build the sample in `folder`; returns the number of decisions."""
    from mtf import config

    settings = config.load(workspace.params)
    if not keep_web:
        _write_web(folder, settings)
    return _write_reviews(folder, workspace, settings)


def _refuse_other_data(folder: Path) -> None:
    """Raise MtfError if `folder` has data that would be lost: another project's, or real decisions on the sample."""
    from mtf.sample import truth
    from mtf.sample.panel import REVIEWERS

    if folder.exists() and any(folder.iterdir()) and not (folder / "web" / truth.FILE).is_file():
        raise MtfError(f"{folder}: has other data, which would be lost; choose another folder")
    records = (folder / "review").glob("*/**/*.jsonl")
    people = sorted({path.relative_to(folder / "review").parts[0] for path in records} - set(REVIEWERS))
    if people:
        raise MtfError(f"{folder}: the decisions of {listed(people)} would be lost; choose another folder")


def _write_web(folder: Path, settings: Params) -> None:
    from mtf.sample import web

    shutil.rmtree(folder, ignore_errors=True)
    web.write(folder, seed=settings.seed, compute=settings.compute)


def _write_reviews(folder: Path, workspace: ProjectPaths, settings: Params) -> int:
    """Crawl and crop in a temporary workspace, and review the faces found; returns the number of decisions."""
    from mtf.annotation.ledger import write_session
    from mtf.sample import panel, truth

    with tempfile.TemporaryDirectory(prefix="mtf-sample-") as scratch:
        faces = _found_faces(ProjectPaths(Path(scratch)), folder, workspace.params, settings)
    sessions = panel.review(panel.judge(faces, truth.read(folder / "web")), seed=settings.seed)
    shutil.rmtree(folder / "review", ignore_errors=True)
    for session in sessions:
        write_session(folder / "review", session)
    return sum(map(len, sessions))


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
