"""Ratings of reviewers: confusion by the model, answers to gold questions, and the test of attention.

Only the owner of the project sees them (`review_app.owner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from mtf.annotation import attention, gold
from mtf.annotation.attention import Attention
from mtf.annotation.decision import STAYS
from mtf.annotation.gold import GoldAnswer
from mtf.review_app.engine.panel_model import CLASSIFIER, Confusion
from mtf.review_app.engine.review_data import ReviewData
from mtf.schemas import FACE, Step

KEY = [*FACE, "step"]
# Probability from which the model is sure that a face is to be rejected.
KNOWN = 0.99


@dataclass(frozen=True)
class Rating:
    """Rating of one reviewer.

    name: the reviewer.
    right: expected share of right verdicts over all steps with a model, 0 to 1; None without a model.
    confusion: by step.
    gold_answers, gold_right: answers to gold questions, and right ones among them.
    attention: test of overlooked exceptions.
    """

    name: str
    right: float | None
    confusion: Mapping[str, Confusion]
    gold_answers: int
    gold_right: int
    attention: Attention


def measure(review_data: ReviewData, answers: list[GoldAnswer]) -> list[Rating]:
    """Ratings of the reviewers with a vote or a gold answer, by name.

    answers: standing gold answers, oldest first (`gold.read`).
    """
    model, votes = review_data.model, review_data.votes
    by_name = gold.by_reviewer(answers)
    names = sorted({*votes.filter(~pl.col("joint"))["reviewer"].unique(), *by_name})
    found = []
    for name in names:
        own = by_name.get(name, [])
        found.append(
            Rating(
                name=name,
                right=model.expected_right(votes, name),
                confusion=model.confusion(votes, name),
                gold_answers=len(own),
                gold_right=sum(answer.is_right for answer in own),
                attention=attention.tested(_in_order(own, _real_exceptions(review_data, name))),
            )
        )
    return found


def _real_exceptions(review_data: ReviewData, name: str) -> list[tuple[datetime, bool]]:
    """Real faces that are to be rejected, and that a reviewer voted on: when, and true if they kept it.

    A face is to be rejected if the joint session says so. Without a joint verdict it is if all others, two or more,
    rejected it, or if the model is sure of it (KNOWN) from the others' votes and the classifier's.

    At the duplicate step no face is an exception by itself.
    """
    votes = review_data.votes.filter(pl.col("step") != str(Step.DUPLICATE))
    stays = pl.col("verdict").is_in([str(verdict) for verdict in STAYS])
    panel, joint = votes.filter(~pl.col("joint")), votes.filter("joint").sort("order")
    others = panel.filter(pl.col("reviewer") != name)
    counts = others.group_by(KEY).agg(others=pl.len(), kept=stays.sum())
    settled = joint.unique(KEY, keep="last", maintain_order=True).select(*KEY, joint_rejects=~stays)
    known = review_data.model.opinions(others)
    own = panel.filter(pl.col("reviewer") == name).select(*KEY, "order", stays=stays)
    joined = (
        own.join(counts, on=KEY, how="left")
        .join(settled, on=KEY, how="left")
        .join(known, on=KEY, how="left", suffix="_by_others")
        .join(review_data.matched.select("time").with_row_index("order"), on="order")
    )
    all_reject = (pl.col("others") >= 2) & (pl.col("kept") == 0)
    sure = pl.col("stays_by_others") <= 1 - KNOWN
    rejected = pl.coalesce("joint_rejects", all_reject.fill_null(value=False) | sure.fill_null(value=False))
    exceptions = joined.filter(rejected).sort("time", "order")
    return list(exceptions.select("time", "stays").iter_rows())


def _in_order(answers: list[GoldAnswer], real: list[tuple[datetime, bool]]) -> list[bool]:
    """Exceptions of a reviewer by time, true if overlooked: gold that is not hard, and real ones."""
    planted = [(each.time, not each.is_right) for each in answers if each.kind not in gold.HARD]
    return [overlooked for _, overlooked in sorted([*planted, *real])]


def lines(ratings: list[Rating], classifier: Mapping[str, Confusion]) -> list[str]:
    """Ratings as text for the owner: a table, then the reviewers who overlook too much."""
    rows = [
        ("reviewer", "right", "wrongly rejected", "wrongly kept", "gold right", "overlooked"),
        *(_row(each) for each in ratings),
    ]
    if classifier:
        rows.append((CLASSIFIER, "-", *_pooled(classifier), "-", "-"))
    text = [f"{row[0]:<22}" + "".join(f"{cell:>18}" for cell in row[1:]) for row in rows]
    return text + [_named(each) for each in ratings if each.attention.is_named]


def _row(rating: Rating) -> tuple[str, ...]:
    found = rating.attention
    return (
        rating.name,
        "-" if rating.right is None else f"{rating.right:.1%}",
        *_pooled(rating.confusion),
        f"{rating.gold_right} of {rating.gold_answers}",
        f"{found.overlooked} of {found.exceptions}",
    )


def _named(rating: Rating) -> str:
    found = rating.attention
    return (
        f"{rating.name} overlooks exceptions: {found.overlooked} of {found.exceptions}, where an attentive reviewer "
        f"overlooks at most {attention.HONEST:.0%} (false alarm at most {attention.FALSE_ALARM:.0%})"
    )


def _pooled(confusion: Mapping[str, Confusion]) -> tuple[str, str]:
    """Errors over all steps, each step by its number of faces."""
    weights = [each.faces for each in confusion.values()]
    if not sum(weights):
        return "-", "-"
    means = (
        np.average([getattr(each, name) for each in confusion.values()], weights=weights)
        for name in ("wrongly_rejected", "wrongly_kept")
    )
    first, second = (f"{mean:.1%}" for mean in means)
    return first, second
