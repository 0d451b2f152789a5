"""`mtf crawl`, `mtf crop`, …: the stages, as dvc.yaml calls them."""

from __future__ import annotations

import importlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths


class Part(StrEnum):
    """A part of `mtf multitask`, each a stage of dvc.yaml."""

    TRAIN = "train"
    MEASURE = "measure"


PARTS = {Part.TRAIN: "multitask", Part.MEASURE: "multitask_results"}


def run_stage(name: str, **options: object) -> None:
    """Run one stage in the project of the current folder."""
    from mtf import config
    from mtf.rights import policy

    workspace = ProjectPaths.find()
    settings = config.load(workspace.params)
    policy.check_all(settings)
    stage = importlib.import_module(f"mtf.pipeline.{name}")
    stage.run(workspace, settings, **options)


def add_to(app: typer.Typer) -> None:
    @app.command()
    def crawl(
        refresh: Annotated[bool, typer.Option(help="Search again for identities whose shard is complete.")] = False,
    ) -> None:
        """Discover and fetch the pictures of the roster's identities."""
        run_stage("crawl", refresh=refresh)

    @app.command()
    def crop() -> None:
        """Find the faces and cut them out."""
        run_stage("crop")

    @app.command()
    def screen() -> None:
        """Measure each face, and group duplicates: hints for the reviewers."""
        run_stage("screen")

    @app.command()
    def curate() -> None:
        """Apply the reviewers' decisions, step by step of the funnel."""
        run_stage("curate")

    @app.command()
    def split() -> None:
        """Divide the data set into train, val and test."""
        run_stage("split")

    @app.command()
    def train(
        model: Annotated[str, typer.Option(help="A model of params.yaml's train.models.")],
        task: Annotated[str, typer.Option(help="A task of params.yaml's train.tasks.")],
    ) -> None:
        """Train one model on one task."""
        run_stage("train", model=model, task=task)

    @app.command()
    def multitask(
        weighting: Annotated[
            str | None, typer.Option(help="A weighting of params.yaml's multitask.weightings.")
        ] = None,
        paper_tables: Annotated[
            bool, typer.Option("--paper-tables", help="Show the last figures as Das et al.'s Tables 1 to 5 instead.")
        ] = False,
        only: Annotated[
            Part | None, typer.Option(help="Only train, or only measure again what is trained; both where not named.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="With --paper-tables: as JSON.")] = False,
    ) -> None:
        """Train one network for several tasks at once, and measure it."""
        if paper_tables:
            from mtf.cli import paper_tables as multitask_tables

            multitask_tables.show_das_tables(as_json=as_json)
        elif weighting is None:
            raise BadInput("--weighting: missing; permitted: a weighting of params.yaml's multitask.weightings")
        else:
            for part, stage in PARTS.items():
                if only in (None, part):
                    run_stage(stage, weighting=weighting)

    @app.command()
    def evaluate(
        paper_tables: Annotated[
            bool, typer.Option("--paper-tables", help="Show the last figures as the paper's Tables 4 to 9 instead.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="With --paper-tables: as JSON.")] = False,
    ) -> None:
        """Measure the trained models on the test split."""
        if not paper_tables:
            run_stage("evaluate")
            return
        from mtf.cli import paper_tables as shown

        shown.show_mtf_tables(as_json=as_json)

    @app.command()
    def release(
        form: Annotated[
            str | None,
            typer.Option("--format", help="Write the release in another form: parquet, webdataset or fiftyone."),
        ] = None,
        to: Annotated[Path | None, typer.Option(help="The new folder for --format.")] = None,
    ) -> None:
        """Write the published folders; with --format, the built release in the form of another tool."""
        if form is None and to is None:
            run_stage("release")
            return
        from mtf import config
        from mtf.pipeline.release import export

        workspace = ProjectPaths.find()
        export(workspace, config.load(workspace.params), form=form or "", to=to)
