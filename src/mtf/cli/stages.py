"""`mtf crawl`, `mtf crop`, …: the stages, as dvc.yaml calls them."""

from __future__ import annotations

import importlib
import logging
import os
import re
import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mtf.core import torchrun
from mtf.core.console import QUIET_VARIABLE
from mtf.core.errors import BadInput, MtfError
from mtf.core.file_lock import ProcessLock
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths

log = logging.getLogger(__name__)


class Part(StrEnum):
    """Part of `mtf multitask`; each is a stage of dvc.yaml."""

    TRAIN = "train"
    MEASURE = "measure"


PARTS = {Part.TRAIN: "multitask", Part.MEASURE: "multitask_results"}
ON_SEVERAL_NODES = ("train", "multitask")


def run_stage(name: str, **options: object) -> None:
    """Run one stage in the project of the current folder. With `--quiet` it prints warnings and errors alone.

    torchrun's processes train together; of any other stage, only the first of them runs it.

    Raises MtfError if the same stage is running already.
    """
    from mtf import config
    from mtf.rights import policy

    workspace = ProjectPaths.find()
    settings = config.load(workspace.params)
    policy.check_all(settings)
    stage = importlib.import_module(f"mtf.pipeline.{name}")
    if not (torchrun.is_first() or name in ON_SEVERAL_NODES):
        return
    began = time.monotonic()
    with _the_only_run(workspace, name, options), _output(), _together(name):
        stage.run(workspace, settings, **options)
    log.info("%s: %.1f s", name, time.monotonic() - began)


@contextmanager
def _the_only_run(workspace: ProjectPaths, name: str, options: Mapping[str, object]) -> Generator[None]:
    """Lock on a stage with its options: a second run would sweep away the files that the first is writing."""
    if not torchrun.is_first():  # it writes nothing
        yield
        return
    chosen = "-".join(re.sub(r"[^A-Za-z0-9_.-]", "_", value) for value in options.values() if isinstance(value, str))
    lock = ProcessLock(workspace.build / f".{'-'.join(filter(None, (name, chosen)))}.lock")
    if not lock.take():
        holder = lock.note()
        process = f"process {holder}" if holder.isdecimal() else "another process"
        raise MtfError(f"{workspace.root}: `mtf {name}` is running already, as {process}; wait for it, or end it")
    try:
        lock.write_note(str(os.getpid()))
        yield
    finally:
        lock.release()


def _together(stage: str) -> AbstractContextManager[None]:
    """Process group of the processes that torchrun started, if all of them run the stage: one that the first runs alone
    would wait for the others. Otherwise torch, which takes seconds, is not imported.
    """
    if torchrun.launched() is None or stage not in ON_SEVERAL_NODES:
        return nullcontext()
    from mtf.training import nodes

    return nodes.process_group()


@contextmanager
def _output() -> Generator[None]:
    if not os.environ.get(QUIET_VARIABLE):
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nothing, redirect_stdout(nothing):
        yield


def add_to(app: typer.Typer) -> None:
    @app.command()
    def crawl(
        refresh: Annotated[bool, typer.Option(help="Search again for identities with a complete shard.")] = False,
        due: Annotated[
            bool, typer.Option("--due", help="Ask again what is due by the section watch of params.yaml.")
        ] = False,
    ) -> None:
        """Search and download the pictures of the roster's identities."""
        run_stage("crawl", refresh=refresh, due=due)

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
        altered: Annotated[
            bool, typer.Option("--altered", help="Measure them on altered copies of the test part instead.")
        ] = False,
        on: Annotated[
            Path | None,
            typer.Option(help="Measure them on another labelled set: a project, or a folder or tar of pictures."),
        ] = None,
        labels_map: Annotated[
            Path | None, typer.Option(help="With --on: YAML file, the other set's labels to those of this project.")
        ] = None,
        labels: Annotated[
            Path | None,
            typer.Option(help="With --on FOLDER: CSV of file and labels. Default: the names of the folders."),
        ] = None,
        part: Annotated[
            str | None, typer.Option(help="With --on PROJECT: all, train, val or test. Default: all.")
        ] = None,
        crop: Annotated[
            bool | None,
            typer.Option("--crop/--no-crop", help="With --on FOLDER: cut out the largest face, or take it whole."),
        ] = None,
        network: Annotated[
            list[Path] | None,
            typer.Option(help="With --on: model.pt to measure; may be repeated. Default: all of params.yaml."),
        ] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="With --paper-tables, --altered or --on: print JSON.")
        ] = False,
    ) -> None:
        """Measure the trained models on the test split."""
        chosen = {"--on": on is not None, "--altered": altered, "--paper-tables": paper_tables}
        if sum(chosen.values()) > 1:
            raise BadInput(f"{' and '.join(name for name, given in chosen.items() if given)}: choose one")
        if as_json and not any(chosen.values()):
            figures = PATHS_IN_PROJECT.metrics("evaluate").as_posix()
            raise BadInput(f"--json: with --paper-tables, --altered or --on; {figures} has the figures")
        if on is None and any(value is not None for value in (labels_map, labels, part, crop, network)):
            raise BadInput("--labels-map, --labels, --part, --crop, --network: need --on, the set to measure on")
        if on is not None:
            from mtf.cli import other_set

            other_set.show(
                on,
                labels_map=labels_map,
                labels=labels,
                part=part,
                crop=crop,
                networks=network or (),
                as_json=as_json,
            )
            return
        if altered:
            from mtf.cli import altered as altered_copies

            altered_copies.show(as_json=as_json)
            return
        if not paper_tables:
            run_stage("evaluate")
            return
        from mtf.cli import paper_tables as mtf_tables

        mtf_tables.show_mtf_tables(as_json=as_json)
