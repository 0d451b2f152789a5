"""`mtf crawl`, `mtf crop`, …: the stages, as dvc.yaml calls them."""

from __future__ import annotations

import importlib
from enum import StrEnum
from typing import Annotated

import typer

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths


class Part(StrEnum):
    """Part of `mtf multitask`; each is a stage of dvc.yaml."""

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
        refresh: Annotated[bool, typer.Option(help="Search again for identities with a complete shard.")] = False,
    ) -> None:
        """Search and download the pictures of the roster's identities."""
        run_stage("crawl", refresh=refresh)

    @app.command()
    def crop() -> None:
        """Detect and crop the faces."""
        run_stage("crop")

    @app.command()
    def screen() -> None:
        """Measure each face and group duplicates, as hints for the reviewers."""
        run_stage("screen")

    @app.command()
    def curate() -> None:
        """Run the funnel: apply takedowns, licenses and the reviewers' decisions, step by step."""
        run_stage("curate")

    @app.command()
    def split() -> None:
        """Divide the data set into train, val and test."""
        run_stage("split")

    @app.command()
    def train(
        model: Annotated[str, typer.Option(help="Model of train.models in params.yaml.")],
        task: Annotated[str, typer.Option(help="Task of train.tasks in params.yaml.")],
    ) -> None:
        """Train one model on one task."""
        run_stage("train", model=model, task=task)

    @app.command()
    def multitask(
        weighting: Annotated[str | None, typer.Option(help="Weighting of multitask.weightings in params.yaml.")] = None,
        paper_tables: Annotated[
            bool, typer.Option("--paper-tables", help="Print the last figures as Das et al.'s Tables 1 to 5 instead.")
        ] = False,
        only: Annotated[
            Part | None, typer.Option(help="Only train, or only measure the trained network. Default: both.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="With --paper-tables: print JSON.")] = False,
    ) -> None:
        """Train one network for several tasks at once, and measure it on the test split."""
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
            bool, typer.Option("--paper-tables", help="Print the last figures as MTF's Tables 4 to 9 instead.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="With --paper-tables: print JSON.")] = False,
    ) -> None:
        """Measure the trained models on the test split."""
        if not paper_tables:
            run_stage("evaluate")
            return
        from mtf.cli import paper_tables as mtf_tables

        mtf_tables.show_mtf_tables(as_json=as_json)
