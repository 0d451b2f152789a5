"""Status of the review: verdicts by step and reviewer, their agreement, and the time that is left."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace

import polars as pl

from mtf.annotation import agreement, gold
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.review_app import owner, ratings
from mtf.review_app.engine import pace
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.engine.panel_model import Confusion
from mtf.review_app.engine.queue import counted, next_steps
from mtf.review_app.engine.review_data import ReviewData
from mtf.schemas import funnel_steps


@dataclass(frozen=True)
class Reviewer:
    """Progress of one reviewer.

    name: the reviewer.
    done: verdicts per step.
    open_faces: faces open now, per step; a face that passes opens at the next step.
    verdicts_left: verdicts expected in total, estimated from this reviewer's verdicts so far.
    faces_per_hour: pace; None without enough work. Shown to the reviewer alone.
    hours_left: time for the verdicts left at that pace. Shown to the reviewer alone.
    """

    name: str
    done: dict[str, int]
    open_faces: dict[str, int]
    verdicts_left: int
    faces_per_hour: float | None
    hours_left: float | None


@dataclass(frozen=True)
class Status:
    """Status of the review.

    faces: faces to review.
    panel: size of the panel.
    reviewers: progress of each reviewer with a decision.
    agreement: figures per step, as `agreement.by_step`.
    silent: members of the panel without a decision.
    conflicts: split verdicts per step once everyone has voted, for the joint session.
    label_conflicts: split labels per column, likewise.
    held_back: faces per step without a majority.
    unmatched: ledger lines on faces that were left out before the review, or are gone.
    torn: one line of text for each ledger line that was ignored.
    spared: faces per step that need no vote of a further reviewer, since the model of the reviewers is sure.
    expected_wrong: wrong verdicts that the model expects among those it knows, per step with a model.
    ratings: ratings of the reviewers; None unless the owner of the project asks.
    classifier: confusion of the classifier, by step, likewise.
    """

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
    spared: dict[str, int]
    expected_wrong: dict[str, float]
    ratings: list[ratings.Rating] | None
    classifier: dict[str, Confusion] | None


def measure(workspace: ProjectPaths, params: Params) -> Status:
    """Status from the tables and the ledger; needs no database."""
    review_data, torn = load_review_data(workspace, params)
    answers, torn_answers = gold.read(workspace.review)
    is_owner = owner.is_owner(workspace, params)
    names = _own_lines(review_data)["reviewer"].unique().sort().to_list()
    return Status(
        faces=review_data.faces.height,
        panel=review_data.reviewers,
        reviewers=[_reviewer(review_data, name) for name in names],
        agreement=agreement.by_step(review_data.votes, seed=params.seed),
        silent=max(review_data.reviewers - len(names), 0),
        conflicts=_by_step(review_data.conflicts.filter(pl.col("column").is_null())),
        label_conflicts=_by_column(review_data.conflicts, list(review_data.labels)),
        held_back=_by_step(review_data.outcomes.filter(pl.col("outcome").is_in(["undecided", "conflict"]))),
        unmatched=review_data.matched["face_id"].null_count(),
        torn=[*torn, *torn_answers],
        spared=_by_step(review_data.spared),
        expected_wrong=_expected_wrong(review_data),
        ratings=ratings.measure(review_data, answers) if is_owner else None,
        classifier=review_data.model.classifier_confusion() if is_owner else None,
    )


def _reviewer(review_data: ReviewData, name: str) -> Reviewer:
    votes = review_data.votes_by(name)
    steps, _ = next_steps(votes.codes, review_data.panel_verdicts, review_data.groups)
    open_faces = counted(steps)
    rate = pace.of_lines(_own_lines(review_data).filter(pl.col("reviewer") == name)).per_hour
    grouped = pace.grouped_of(review_data.groups)
    left = pace.still_to_come(open_faces.values(), pace.passing_of(votes.codes), grouped=grouped)
    done = _by_step(review_data.opinions_of(name))
    hours = round(left / rate, 2) if rate else None
    return Reviewer(name, done, open_faces, round(left), round(rate, 1) if rate else None, hours)


def _own_lines(review_data: ReviewData) -> pl.DataFrame:
    """Lines with a reviewer's own decisions: whoever only records joint ones has not reviewed."""
    return review_data.matched.filter(~pl.col("joint"))


def _by_step(rows: pl.DataFrame) -> dict[str, int]:
    counts = dict(rows["step"].value_counts().iter_rows())
    return {str(step): counts.get(str(step), 0) for step in funnel_steps.reviewed()}


def _expected_wrong(review_data: ReviewData) -> dict[str, float]:
    known = review_data.outcomes.filter(pl.col("confidence").is_not_null())
    sums = dict(known.group_by("step").agg((1 - pl.col("confidence")).sum()).iter_rows())
    return {step: round(float(sums.get(step, 0.0)), 2) for step in review_data.model.steps}


def _by_column(conflicts: pl.DataFrame, columns: list[str]) -> dict[str, int]:
    counts = dict(conflicts["column"].drop_nulls().value_counts().iter_rows())
    return {column: counts.get(column, 0) for column in columns}


def shown_to(status: Status, reviewer: str | None) -> Status:
    """Status without the pace of everybody but `reviewer`."""
    shown = [
        one if one.name == reviewer else replace(one, faces_per_hour=None, hours_left=None) for one in status.reviewers
    ]
    return replace(status, reviewers=shown)


def as_json(status: Status, *, reviewer: str | None = None) -> str:
    """One JSON object; of the paces only that of `reviewer`."""
    return json.dumps({"version": 1, **asdict(shown_to(status, reviewer))}, indent=2)


def as_text(status: Status, *, reviewer: str | None = None) -> str:
    """Status as text: a table of reviewers, then the agreement, then what needs attention, then the ratings.

    Of the paces only that of `reviewer` is shown.
    """
    status = shown_to(status, reviewer)
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
    if status.expected_wrong:
        expected = [status.expected_wrong.get(str(step)) for step in funnel_steps.reviewed()]
        lines.append(_row("expected wrong", ["-" if each is None else f"{each:.1f}" for each in expected]))
    if any(status.spared.values()):
        lines.append(_row("no further vote needed", list(status.spared.values())))
    if labels := {column: count for column, count in status.label_conflicts.items() if count}:
        lines.append("split on labels: " + ", ".join(f"{count} on {column}" for column, count in labels.items()))
    if any(status.conflicts.values()) or labels:
        lines.append("`mtf review adjudicate --reviewer NAME` opens the joint session on what the panel is split on.")
    if status.unmatched:
        lines.append(
            f"{status.unmatched} lines of the ledger are on faces that are not shown: they were left out before the "
            "review (license, taken down), or are gone"
        )
    lines += [f"ledger: {line}" for line in status.torn]
    return "\n".join([*lines, *_rating_lines(status)])


def _rating_lines(status: Status) -> list[str]:
    if status.ratings is None:
        return ["", owner.HIDDEN]
    return ["", *ratings.lines(status.ratings, status.classifier or {})] if status.ratings else []


def _outlook(one: Reviewer) -> str:
    if one.faces_per_hour is None or one.hours_left is None:
        return f"   about {one.verdicts_left} verdicts left"
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
