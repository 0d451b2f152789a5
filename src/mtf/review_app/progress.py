"""Status of the review: verdicts by step and reviewer, their agreement, and the time that is left."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

import polars as pl

from mtf.annotation import agreement
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine import pace
from mtf.review_app.engine.loading import material_of
from mtf.review_app.engine.queue import counted, next_steps
from mtf.review_app.engine.review_data import ReviewData
from mtf.schemas import funnel_steps


@dataclass(frozen=True)
class Reviewer:
    """`open_faces` counts what is owed now; a verdict that sends a face on opens the next step's.

    `verdicts_left` counts those that will be owed, too, as this reviewer's verdicts so far let expect; `hours_left` is
    the time for them at the pace so far.
    """

    name: str
    done: dict[str, int]
    open_faces: dict[str, int]
    verdicts_left: int
    faces_per_hour: float | None
    hours_left: float | None


@dataclass(frozen=True)
class Status:
    """`silent` members of the panel have decided nothing yet. `conflicts` and `label_conflicts` are what a joint
    session is for: votes that everyone gave and that were not of one mind. `held_back` faces have no majority.
    `unmatched` lines of the ledger are about faces that were left out before the review, or are gone."""

    faces: int
    panel: int
    reviewers: list[Reviewer]
    agreement: dict[str, dict[str, float]]
    silent: int
    conflicts: dict[str, int]
    label_conflicts: dict[str, int]
    held_back: dict[str, int]
    unmatched: int
    torn: list[str]


def measure(workspace: ProjectPaths, params: Params) -> Status:
    """Read the tables and the ledger, and count. Needs no database."""
    material, torn = material_of(workspace, params)
    names = _own_lines(material)["reviewer"].unique().sort().to_list()
    return Status(
        faces=material.faces.height,
        panel=material.reviewers,
        reviewers=[_reviewer(material, name) for name in names],
        agreement=agreement.by_step(material.votes, seed=params.seed),
        silent=max(material.reviewers - len(names), 0),
        conflicts=_by_step(material.conflicts.filter(pl.col("column").is_null())),
        label_conflicts=_by_column(material.conflicts, list(material.labels)),
        held_back=_by_step(material.outcomes.filter(pl.col("outcome").is_in(["undecided", "conflict"]))),
        unmatched=material.matched["face_id"].null_count(),
        torn=torn,
    )


def _reviewer(material: ReviewData, name: str) -> Reviewer:
    said = material.said_by(name)
    steps, _ = next_steps(said.words, material.words, material.groups)
    open_faces = counted(steps)
    rate = pace.of_lines(_own_lines(material).filter(pl.col("reviewer") == name)).per_hour
    grouped = pace.grouped_of(material.groups)
    left = pace.still_to_come(open_faces.values(), pace.passing_of(said.words), grouped=grouped)
    done = _by_step(material.opinions_of(name))
    hours = round(left / rate, 2) if rate else None
    return Reviewer(name, done, open_faces, round(left), round(rate, 1) if rate else None, hours)


def _own_lines(material: ReviewData) -> pl.DataFrame:
    """The lines that people wrote for themselves: who only writes down what was decided together reviews nothing."""
    return material.matched.filter(~pl.col("joint"))


def _by_step(rows: pl.DataFrame) -> dict[str, int]:
    counts = dict(rows["step"].value_counts().iter_rows())
    return {str(step): counts.get(str(step), 0) for step in funnel_steps.reviewed()}


def _by_column(conflicts: pl.DataFrame, columns: list[str]) -> dict[str, int]:
    counts = dict(conflicts["column"].drop_nulls().value_counts().iter_rows())
    return {column: counts.get(column, 0) for column in columns}


def as_json(status: Status) -> str:
    return json.dumps({"version": 1, **asdict(status)}, indent=2)


def as_text(status: Status) -> str:
    """A table per reviewer, then the agreement, then what needs attention."""
    lines = [
        f"{status.faces} faces to review, a panel of {status.panel}",
        "",
        _row("done / open", funnel_steps.reviewed()),
    ]
    for one in status.reviewers:
        cells = [f"{one.done[str(step)]} / {one.open_faces[str(step)]}" for step in funnel_steps.reviewed()]
        lines.append(_row(one.name, cells) + _outlook(one))
    if status.silent:
        lines.append(f"({status.silent} of the panel of {status.panel} have decided nothing yet)")
    if not status.reviewers:
        lines.append("nobody has decided anything yet; begin with `mtf review open --reviewer NAME`")
    lines += ["", *_agreement_lines(status), _row("split votes", list(status.conflicts.values()))]
    lines.append(_row("held back", list(status.held_back.values())))
    if labels := {column: count for column, count in status.label_conflicts.items() if count}:
        lines.append("split on labels: " + ", ".join(f"{count} on {column}" for column, count in labels.items()))
    if any(status.conflicts.values()) or labels:
        lines.append("`mtf review adjudicate --reviewer NAME` opens the joint session on what the panel is split on.")
    if status.unmatched:
        lines.append(
            f"{status.unmatched} lines of the ledger are about faces that are not shown: they were left out before the "
            "review (license, taken down), or are gone"
        )
    return "\n".join([*lines, *(f"ledger: {line}" for line in status.torn)])


def _outlook(one: Reviewer) -> str:
    if one.faces_per_hour is None or one.hours_left is None:
        return ""
    left = f"{one.hours_left:.1f} h" if one.hours_left >= 1 else f"{math.ceil(60 * one.hours_left)} min"
    return f"   {one.faces_per_hour:.0f} an hour; about {one.verdicts_left} verdicts, {left} left"


def _agreement_lines(status: Status) -> list[str]:
    measures = {"raw": "agreement", "kappa": "Fleiss' kappa", "alpha": "Krippendorff's alpha"}
    compared = [f"{status.agreement.get(str(step), {}).get('faces', 0):.0f} faces" for step in funnel_steps.reviewed()]
    return [
        _row("two votes or more", compared),
        *(
            _row(title, [_with_interval(status.agreement.get(str(step), {}), name) for step in funnel_steps.reviewed()])
            for name, title in measures.items()
        ),
    ]


def _with_interval(figures: dict[str, float], name: str) -> str:
    if name not in figures:
        return "-"
    return f"{figures[name]:.2f} [{figures[f'{name}_low']:.2f}, {figures[f'{name}_high']:.2f}]"


def _row(title: str, cells: object) -> str:
    return f"{title:<22}" + "".join(f"{cell!s:>22}" for cell in cells)  # ty: ignore[not-iterable] (tuples and lists)
