"""Images without a face by group: which group the detector misses more, and how sure that is."""

from __future__ import annotations

import numpy as np
import polars as pl

from mtf.faces import undetected
from mtf.schemas import DetectionOutcome

ATTRIBUTES = {"gender": ["Males", "Females"]}


def detections(faces_of: dict[str, list[bool]]) -> pl.DataFrame:
    rows = [
        {"identity": name, "outcome": str(DetectionOutcome.CROPPED if found else DetectionOutcome.NO_FACE)}
        for name, images in faces_of.items()
        for found in images
    ]
    return pl.DataFrame(rows)


def people(labels: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"identity": list(labels), "gender": list(labels.values())})


def test_a_group_that_the_detector_misses_more_shows_in_share_interval_and_gap() -> None:
    rng = np.random.default_rng(1)
    labels = {f"p{number:03}": ("Males", "Females")[number % 2] for number in range(160)}
    chances = {"Males": 0.95, "Females": 0.6}
    found = {name: list(rng.random(6) < chances[label]) for name, label in labels.items()}
    males, females = undetected.by_group(detections(found), people(labels), ATTRIBUTES)
    assert (males["people"], males["images"]) == (80, 480)
    assert males["low"] < 0.05 < males["high"] < females["low"] < 0.4 < females["high"]
    headline = undetected.headline([males, females])["gender"]
    assert headline["gap"] == round(females["share"] - males["share"], 4)
    assert headline["shares"] == {"Males": round(males["share"], 4), "Females": round(females["share"], 4)}


def test_of_fewer_than_thirty_people_the_share_is_told_but_no_interval_and_no_gap() -> None:
    labels = {f"p{number:03}": ("Males", "Females")[number >= 40] for number in range(60)}
    rows = undetected.by_group(detections({name: [True, False] for name in labels}), people(labels), ATTRIBUTES)
    assert [row["low"] is None for row in rows] == [False, True]
    assert undetected.headline(rows) == {"gender": {"shares": {"Males": 0.5, "Females": 0.5}}}
    assert undetected.in_words(rows[1]) == "50.0 %, interval cannot be said (20 people)"
    assert undetected.in_words(rows[1] | {"people": 1}) == "50.0 %, interval cannot be said (1 person)"


def test_images_that_could_not_be_read_and_people_without_images_count_nowhere() -> None:
    read = detections({"a": [True, False]})
    unread = pl.DataFrame([{"identity": "a", "outcome": str(DetectionOutcome.UNDECODABLE)}])
    [row] = undetected.by_group(pl.concat([read, unread]), people({"a": "Males", "b": "Males"}), {"gender": ["Males"]})
    assert (row["people"], row["images"], row["undetected"]) == (1, 2, 1)
    [empty] = undetected.by_group(read, people({"b": "Females"}), {"gender": ["Females"]})
    assert (empty["images"], empty["share"], undetected.in_words(empty)) == (0, None, "no images")
    assert undetected.headline([empty]) == {"gender": {"shares": {}}}
