"""Images without a detected face, by group of the people: which groups does the detector miss more than others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from mtf.core.clustered_share import interval
from mtf.schemas.enums import DetectionOutcome

DIGITS = 4


def by_group(
    detections: pl.DataFrame, people: pl.DataFrame, attributes: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Rows of `schemas.UNDETECTED`: one for each label of each attribute.

    detections: as `schemas.DETECTIONS`. Images that could not be read are not counted.
    people: roster, with `identity` and one column for each attribute; an empty label belongs to no group.
    attributes: attribute → its labels, in order.

    An image that shows no face at all counts as undetected, too: the detector cannot tell.
    """
    read = detections.filter(pl.col("outcome").is_in([DetectionOutcome.CROPPED, DetectionOutcome.NO_FACE]))
    by_person = read.group_by("identity").agg(
        images=pl.len(), undetected=(pl.col("outcome") == DetectionOutcome.NO_FACE).sum()
    )
    labelled = people.join(by_person, on="identity").sort("identity")
    return [
        _row(attribute, label, labelled.filter(pl.col(attribute) == label))
        for attribute, labels in attributes.items()
        for label in labels
    ]


def _row(attribute: str, label: str, people: pl.DataFrame) -> dict[str, Any]:
    images, undetected = int(people["images"].sum()), int(people["undetected"].sum())
    low, high = interval(people["undetected"].to_numpy(), people["images"].to_numpy()) or (None, None)
    return {
        "attribute": attribute,
        "label": label,
        "people": people.height,
        "images": images,
        "undetected": undetected,
        "share": undetected / images if images else None,
        "low": low,
        "high": high,
    }


def headline(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Attribute → `shares` (label → share of its images, rounded) and `gap`.

    The gap is the difference between the largest and the smallest share. A share is left out if the group has no
    image, the gap if a group with images has no interval.
    """
    found: dict[str, dict[str, Any]] = {}
    for attribute in dict.fromkeys(row["attribute"] for row in rows):
        own = [row for row in rows if row["attribute"] == attribute and row["images"]]
        shares = [row["share"] for row in own]
        found[attribute] = {"shares": {row["label"]: round(row["share"], DIGITS) for row in own}}
        if len(own) > 1 and all(row["low"] is not None for row in own):
            found[attribute]["gap"] = round(max(shares) - min(shares), DIGITS)
    return found


def in_words(row: Mapping[str, Any]) -> str:
    """Share and its interval as text: `3.1 % [2.0 %, 4.6 %]`, or why there is none."""
    if row["share"] is None:
        return "no images"
    if row["low"] is None:
        people = "1 person" if row["people"] == 1 else f"{row['people']} people"
        return f"{_percent(row['share'])}, interval cannot be said ({people})"
    return f"{_percent(row['share'])} [{_percent(row['low'])}, {_percent(row['high'])}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
