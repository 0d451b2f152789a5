"""Figures of the panel's consensus for `metrics/curate.json`: who decided, how sure it is, and unnamed ratings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from mtf.review_app.engine.panel_model import PanelModel


def figures(model: PanelModel, votes: pl.DataFrame, verdicts: pl.DataFrame) -> dict[str, Any]:
    """`consensus`: verdicts by who decided them, confidence by step, and reviewers; empty without a model.

    The reviewers have no names, and come by their share of right votes, highest first. Ratings by name are the owner's.

    votes: as `consensus.current_votes` returns them.
    verdicts: as `model_verdicts.decided` returns them.
    """
    if not model.steps:
        return {}
    names = sorted({name for each in model.steps.values() for name in each.reviewers})
    right = {name: model.expected_right(votes, name) for name in names}
    reviewers = [
        {
            "right": right[name],
            "steps": {step: asdict(found) for step, found in model.confusion(votes, name).items()},
        }
        for name in sorted(names, key=lambda name: -(right[name] or 0.0))
    ]
    return {
        "consensus": {
            "decided_by": _by_kind(verdicts),
            "confidence": {step: _confidence(verdicts.filter(pl.col("step") == step)) for step in model.steps},
            "reviewers": reviewers,
            "classifier": {step: asdict(found) for step, found in model.classifier_confusion().items()},
        }
    }


def _by_kind(verdicts: pl.DataFrame) -> dict[str, int]:
    kinds = verdicts["decided_by"].str.split(" ").list.first().value_counts()
    counts = dict(kinds.iter_rows())
    return {kind: counts.get(kind, 0) for kind in ("panel", "model", "joint")}


def _confidence(verdicts: pl.DataFrame) -> dict[str, float]:
    """Number of verdicts with a confidence, its mean, and how many wrong verdicts it expects."""
    known = verdicts["confidence"].drop_nulls()
    return {
        "verdicts": len(known),
        "mean": round(float(known.mean() or 0.0), 6),  # ty: ignore[invalid-argument-type] (a mean of floats)
        "expected_wrong": round(float((1 - known).sum()), 3),
    }
