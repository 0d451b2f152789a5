"""Rates of the identity proposals against the panel's verdicts, for all faces and by group."""

from __future__ import annotations

import polars as pl

from mtf.curation import proposal_rates


def judged(count: int, *, gender: str, likeness: float, outcome: str, start: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    keys = {"identity": ["ada"] * count, "face_id": [f"{start + number:032x}" for number in range(count)]}
    faces = pl.DataFrame(keys).with_columns(gender=pl.lit(gender), likeness=pl.lit(likeness, pl.Float32))
    return faces, pl.DataFrame(keys).with_columns(step=pl.lit("identity"), outcome=pl.lit(outcome))


def test_rates_are_told_for_each_group_with_enough_faces() -> None:
    parts = [
        judged(36, gender="Females", likeness=1.0, outcome="accept", start=0),
        judged(4, gender="Females", likeness=-1.0, outcome="accept", start=100),
        judged(30, gender="Males", likeness=-1.0, outcome="reject", start=200),
        judged(1, gender="Males", likeness=1.0, outcome="undecided", start=300),
    ]
    faces, verdicts = (pl.concat([part[place] for part in parts]) for place in (0, 1))
    found = proposal_rates.rates(faces, verdicts, columns=["gender"])
    assert found is not None
    assert found["all"] == {"right": 40, "right_below": 0.1, "wrong": 30, "wrong_above": 0.0}
    assert found["by_group"]["gender"]["Females"] == {"right": 40, "right_below": 0.1, "wrong": 0, "wrong_above": None}
    assert proposal_rates.lines(found)[1] == (
        "gender Females: 10.0% of 40 right faces proposed as strangers, too few of 0 strangers as the person"
    )


def test_without_proposals_there_are_no_rates() -> None:
    faces, verdicts = judged(40, gender="Females", likeness=1.0, outcome="accept", start=0)
    without = faces.with_columns(likeness=pl.lit(None, pl.Float32))
    assert proposal_rates.rates(without, verdicts, columns=["gender"]) is None
    assert proposal_rates.rates(faces, verdicts.clear(), columns=["gender"]) is None
