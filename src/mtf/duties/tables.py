"""Tables that the duty documents are computed from, each read once. A `View` notes which ones a sentence has used."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from mtf import schemas
from mtf.annotation import ledger
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.release.card import Card
from mtf.rights import attribution
from mtf.schemas import consent_file, roster_file, takedown_file
from mtf.schemas.takedown_file import Takedowns


class NotMade(Exception):
    """A table does not exist yet. Its argument is the path, relative to the project."""


class Tables:
    """Tables of a project.

    - `params`: its parameters;
    - `card`: contents of data/card.yaml;
    - the others: tables of these names, read at their first use. Raises NotMade for a table that no stage has made.
    """

    def __init__(self, workspace: ProjectPaths, params: Params, card: Card) -> None:
        self.workspace = workspace
        self.params = params
        self.card = card

    @cached_property
    def roster(self) -> pl.DataFrame:
        return self._existing(self.workspace.roster, lambda path: roster_file.load(path, self.params))

    @cached_property
    def consent(self) -> pl.DataFrame:
        return consent_file.load(self.workspace.consent)

    @cached_property
    def takedowns(self) -> Takedowns:
        return takedown_file.load(self.workspace.takedowns)

    @cached_property
    def receipts(self) -> list[dict[str, Any]]:
        """Receipts of erasures, oldest first."""
        return [json.loads(path.read_text("utf-8")) for path in sorted(self.workspace.receipts.glob("*.json"))]

    @cached_property
    def decisions(self) -> pl.DataFrame:
        """Decisions of the ledger; columns as `mtf.annotation.ledger_lines.SCHEMA`."""
        return ledger.read(self.workspace.review).decisions

    @cached_property
    def images(self) -> pl.DataFrame:
        return self._table("crawl", schemas.IMAGES)

    @cached_property
    def fetches(self) -> pl.DataFrame:
        return self._table("crawl", schemas.FETCHES)

    @cached_property
    def evidence(self) -> pl.DataFrame:
        return self._existing(self.workspace.table("crawl", "evidence"), lambda _: attribution.evidence(self.workspace))

    @cached_property
    def faces(self) -> pl.DataFrame:
        return self._table("crop", schemas.FACES)

    @cached_property
    def exclusions(self) -> pl.DataFrame:
        return self._table("curate", schemas.EXCLUSIONS)

    @cached_property
    def splits(self) -> pl.DataFrame:
        return self._table("split", schemas.splits(self.params))

    @cached_property
    def curated(self) -> dict[str, Any]:
        """Figures of the stage curate, metrics/curate.json."""
        return self._existing(self.workspace.metrics("curate"), lambda path: json.loads(path.read_text("utf-8")))

    def path_of(self, name: str) -> str:
        """Path of the table called `name`, relative to the project."""
        return self.workspace.relative(self._paths[name])

    @cached_property
    def _paths(self) -> dict[str, Path]:
        here = self.workspace
        return {
            "params": here.params,
            "card": here.card,
            "roster": here.roster,
            "consent": here.consent,
            "takedowns": here.takedowns,
            "receipts": here.receipts,
            "decisions": here.review,
            "images": here.table("crawl", "images"),
            "fetches": here.table("crawl", "fetches"),
            "evidence": here.table("crawl", "evidence"),
            "faces": here.table("crop", "faces"),
            "exclusions": here.table("curate", "exclusions"),
            "splits": here.table("split", "splits"),
            "curated": here.metrics("curate"),
        }

    def _table(self, stage: str, table: schemas.Table) -> pl.DataFrame:
        return self._existing(self.workspace.table(stage, table.name), lambda path: schemas.read(table, path))

    def _existing(self, path: Path, read: Callable[[Path], Any]) -> Any:
        if not path.is_file():
            raise NotMade(self.workspace.relative(path))
        return read(path)


class View:
    """Tables as one sentence sees them: `used` lists the paths of those that it asked for, in that order."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._used: dict[str, None] = {}

    @property
    def used(self) -> tuple[str, ...]:
        return tuple(self._used)

    def _of(self, name: str) -> Any:
        self._used[self._tables.path_of(name)] = None
        return getattr(self._tables, name)

    @property
    def params(self) -> Params:
        return self._of("params")

    @property
    def card(self) -> Card:
        return self._of("card")

    @property
    def roster(self) -> pl.DataFrame:
        return self._of("roster")

    @property
    def consent(self) -> pl.DataFrame:
        return self._of("consent")

    @property
    def takedowns(self) -> Takedowns:
        return self._of("takedowns")

    @property
    def receipts(self) -> list[dict[str, Any]]:
        return self._of("receipts")

    @property
    def decisions(self) -> pl.DataFrame:
        return self._of("decisions")

    @property
    def images(self) -> pl.DataFrame:
        return self._of("images")

    @property
    def fetches(self) -> pl.DataFrame:
        return self._of("fetches")

    @property
    def evidence(self) -> pl.DataFrame:
        return self._of("evidence")

    @property
    def faces(self) -> pl.DataFrame:
        return self._of("faces")

    @property
    def exclusions(self) -> pl.DataFrame:
        return self._of("exclusions")

    @property
    def splits(self) -> pl.DataFrame:
        return self._of("splits")

    @property
    def curated(self) -> dict[str, Any]:
        return self._of("curated")
