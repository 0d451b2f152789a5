"""Parameters of `params.yaml`, typed. An unknown key, a wrong type or a value out of range raises BadInput."""

from __future__ import annotations

import datetime as dt
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from mtf.config import messages
from mtf.config.evidence import EvidenceExport
from mtf.config.models import Models
from mtf.config.pipeline import Balance, Crop, Curate, Licenses, Screen, Screened, Split
from mtf.config.publishing import Gate, Gates, Release, Report
from mtf.config.renamed import with_detector, with_new_names
from mtf.config.review import Review
from mtf.config.section import Alignment, Count, Label, Positive, Section, Share
from mtf.config.sources import Crawl, HostManners, Source
from mtf.config.tasks import IDENTITY, WITH, Project, Task, attributes_of, columns_of
from mtf.config.training import (
    FACENET,
    MODELS,
    NETWORKS,
    OF_TORCHVISION,
    PRETRAINED,
    Branches,
    Evaluation,
    Fairness,
    MultiTask,
    Recipe,
    Train,
)
from mtf.config.watch import Watch
from mtf.core import yaml_files
from mtf.core.errors import BadInput, shortened

__all__ = [
    "FACENET",
    "IDENTITY",
    "MODELS",
    "NETWORKS",
    "OF_TORCHVISION",
    "PRETRAINED",
    "WITH",
    "Alignment",
    "Balance",
    "Branches",
    "Compute",
    "Count",
    "Crawl",
    "Crop",
    "Curate",
    "Evaluation",
    "EvidenceExport",
    "Fairness",
    "Gate",
    "Gates",
    "HostManners",
    "Label",
    "Licenses",
    "Models",
    "MultiTask",
    "Params",
    "Positive",
    "Project",
    "Recipe",
    "Release",
    "Report",
    "Review",
    "Screen",
    "Screened",
    "Section",
    "Share",
    "Source",
    "Split",
    "Task",
    "Train",
    "Watch",
    "load",
    "parse",
    "problems",
    "with_new_names",
]


class Compute(Section):
    """Machines and cores for the work.

    engine: `local` uses processes of this machine, `ray` a cluster.
    workers: number of processes; 0 uses every core.
    address: of the Ray cluster, or local to start Ray on this machine; null for the environment's RAY_ADDRESS, or
        else for a cluster of this machine.
    storage: folder or address (s3://BUCKET/FOLDER) that all machines of the cluster see; null if they see the
        project's own folder.
    devices: accelerators of this machine that train one network together, or processes if it has none. A recipe's
        batch is split among them.
    """

    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, Field(ge=0, le=4096)] = 0
    address: str | None = None
    storage: Annotated[str, Field(min_length=1)] | None = None
    devices: Annotated[int, Field(ge=1, le=64)] = 1


class Params(Section):
    """All of params.yaml: one field for each section."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    project: Project
    tasks: Annotated[dict[str, Task], Field(min_length=1)]
    crawl: Crawl
    licenses: Licenses
    models: Models = Models()
    crop: Crop
    screen: Screen
    review: Review = Review()
    curate: Curate
    split: Split
    train: Train
    multitask: MultiTask | None = None
    evaluation: Evaluation = Evaluation()
    fairness: Fairness = Fairness()
    release: Release
    gates: Gates = Gates()
    report: Report = Report()
    watch: Watch = Watch()
    evidence: EvidenceExport = EvidenceExport()
    compute: Compute

    @model_validator(mode="after")
    def _combinations_are_completed(self) -> Params:
        for name, task in list(self.tasks.items()):
            try:
                self.tasks[name] = task.completed(self.tasks)
            except ValueError as error:
                raise ValueError(f"tasks.{name}: {error}") from None
        return self

    @model_validator(mode="after")
    def _tasks_exist(self) -> Params:
        for name in self.train.tasks:
            if name not in self.tasks:
                raise ValueError(f"train.tasks: {name!r} is not a task; permitted: {list(self.tasks)}")
        if self.multitask is not None:
            self._multitask_exists(self.multitask)
        return self

    @model_validator(mode="after")
    def _gates_and_targets_are_of_tasks(self) -> Params:
        labels = {name: task.labels for name, task in self.tasks.items() if task.labels and not task.combines}
        self.gates.check_tasks(labels)
        self.report.check_tasks(labels)
        return self

    @model_validator(mode="after")
    def _consent_has_a_date(self) -> Params:
        if self.licenses.basis != "license" and self.release.date is None:
            raise ValueError(
                f"release.date: null is not permitted with licenses.basis {self.licenses.basis}; permitted: the day of "
                "the release (YYYY-MM-DD), on which each consent must be valid"
            )
        return self

    def _multitask_exists(self, multitask: MultiTask) -> None:
        for name in multitask.tasks:
            if name not in self.tasks:
                raise ValueError(f"multitask.tasks: {name!r} is not a task; permitted: {list(self.tasks)}")
        if multitask.recipe not in self.train.recipes:
            names = ", ".join(self.train.recipes)
            raise ValueError(f"multitask.recipe: {multitask.recipe!r} is not a recipe; permitted: {names}")

    @cached_property
    def columns(self) -> dict[str, Task]:
        """Column → task, for every column of the tables that has a task, in the order of params.yaml."""
        return columns_of(self.tasks)

    @cached_property
    def attributes(self) -> dict[str, Task]:
        """`columns` without the identity: the attributes of a person in the roster."""
        return attributes_of(self.tasks)


def load(path: Path) -> Params:
    """Read and check the parameters in the file at `path`.

    Raises BadInput: one line with the file, the key, the value and what is permitted.
    """
    raw = yaml_files.read(path)
    if not isinstance(raw, dict):
        raise BadInput(f"{path.name}: a mapping of sections is wanted, not {shortened(raw)}")
    return parse(raw, name=path.name)


def parse(raw: dict[str, Any], *, name: str = "params.yaml") -> Params:
    """Check parameters that have been read already, for instance from a git revision. `name` is the file's.

    A deprecated key is read for one more version; a warning names the new key. Raises BadInput, like `load`.
    """
    settings = _checked(raw, name)
    if isinstance(settings, Params):
        return settings
    first, *others = settings
    raise BadInput(f"{name}: {first}" + (f" (and {len(others)} more; `mtf doctor` lists them)" if others else ""))


def problems(raw: dict[str, Any], *, name: str = "params.yaml") -> list[str]:
    """All problems of parameters that have been read already, one line each; none if `parse` takes them."""
    settings = _checked(raw, name)
    return [] if isinstance(settings, Params) else settings


def _checked(raw: dict[str, Any], name: str) -> Params | list[str]:
    raw = with_detector(with_new_names(raw, name=name), name=name)
    _check_quoted_date(raw, name)
    try:
        # JSON mode: lists become tuples where a pair is wanted, while strings do not become numbers.
        return Params.model_validate_json(_as_json(raw))
    except ValidationError as error:
        return messages.problems(error, raw, Params)


def _check_quoted_date(raw: dict[str, Any], name: str) -> None:
    """Raise BadInput for a bare date: YAML reads it as a date, and DVC stops at one without saying why."""
    release = raw.get("release")
    day = release.get("date") if isinstance(release, dict) else None
    if isinstance(day, dt.date):
        raise BadInput(f'{name}: release.date: {day} needs quotes, since DVC reads no bare date; write "{day}"')


def _as_json(raw: dict[str, Any]) -> str:
    return json.dumps(raw, default=str)
