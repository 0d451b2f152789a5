"""Rates of the identity proposals against the panel's verdicts, for all faces and by group of the roster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from mtf.schemas import FACE, Step

# A rate of fewer faces is not shown.
MIN_FACES = 30


def rates(faces: pl.DataFrame, verdicts: pl.DataFrame, *, columns: Sequence[str]) -> dict[str, Any] | None:
    """Shares that the proposals get wrong, None without proposals or verdicts on them.

    right_below: of the faces that the panel accepted for their person, those proposed as strangers.
    wrong_above: of the faces that the panel rejected as another's, those proposed as the person.

    faces: with `likeness` and the label columns.
    verdicts: as `consensus.verdicts` returns them.
    """
    judged = verdicts.filter(pl.col("step") == Step.IDENTITY, pl.col("outcome").is_in(["accept", "reject"]))
    known = faces.filter(pl.col("likeness").is_not_null()).join(judged.select(*FACE, "outcome"), on=FACE)
    if known.is_empty():
        return None
    groups = {
        column: {
            str(label): _of(rows) for (label,), rows in sorted(known.group_by([column]), key=lambda one: str(one[0]))
        }
        for column in columns
    }
    return {"all": _of(known), "by_group": groups}


def _of(rows: pl.DataFrame) -> dict[str, Any]:
    right = rows.filter(pl.col("outcome") == "accept")
    wrong = rows.filter(pl.col("outcome") == "reject")
    return {
        "right": right.height,
        "right_below": _share(right.select((pl.col("likeness") <= 0).sum()).item(), right.height),
        "wrong": wrong.height,
        "wrong_above": _share(wrong.select((pl.col("likeness") > 0).sum()).item(), wrong.height),
    }


def _share(count: int, of: int) -> float | None:
    return round(count / of, 4) if of >= MIN_FACES else None


def lines(found: dict[str, Any]) -> list[str]:
    """Text of the rates, one line for all and one for each group."""
    named = [("all", found["all"])]
    named += [
        (f"{column} {label}", one) for column, labels in found["by_group"].items() for label, one in labels.items()
    ]
    return [
        f"{name}: {_text(one['right_below'])} of {one['right']} right faces proposed as strangers, "
        f"{_text(one['wrong_above'])} of {one['wrong']} strangers as the person"
        for name, one in named
    ]


def _text(share: float | None) -> str:
    return "too few" if share is None else f"{share:.1%}"
