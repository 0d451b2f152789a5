"""The figures that the gates look at, and which of them are out of bounds."""

from __future__ import annotations

import polars as pl
import pytest
from made_project import made_params

from mtf.params import Params
from mtf.validation import figures, suggest
from mtf.validation.expectations import Severity, expectations


def rows(**images: int) -> pl.DataFrame:
    """So many faces per identity; ada is White, the others CON; all else alike, one in three of them in test."""
    return pl.DataFrame(
        [
            {
                "identity": identity,
                "face_id": f"{identity}{number}",
                "image_id": f"{identity}{number}",
                "race": "White" if identity == "ada" else "CON",
                "gender": "Males",
                "age": "Old",
                "split": "test" if number % 3 == 0 else "train",
            }
            for identity, count in images.items()
            for number in range(count)
        ]
    )


def screened(data: pl.DataFrame, *, brightness: float) -> pl.DataFrame:
    spread = (pl.int_range(pl.len()) % 7).cast(pl.Float64)
    return data.select("identity", "face_id", size_px=pl.lit(50), sharpness=spread, brightness=spread + brightness)


def curated(**left: int) -> dict:
    return {"cropped": {"faces": 100}, "steps": {step: {"faces": faces} for step, faces in left.items()}}


def measured(data: pl.DataFrame, params: Params, **changes: pl.DataFrame) -> dict[str, pl.DataFrame]:
    nothing = pl.DataFrame(schema={"share": pl.Float64})
    return {
        "identities": figures.identities(data),
        "labels": figures.labels(data, params),
        "pairs": figures.pairs(data, params),
        "splits": figures.splits(data, params),
        "unstated": nothing,
        "agreement": figures.agreement({}),
        "funnel": figures.funnel({}, None),
        "drift": figures.drift(data, data, None),
    } | changes


def offenders(data: pl.DataFrame, params: Params, **changes: pl.DataFrame) -> dict[str, str]:
    tables = measured(data, params, **changes)
    found = {e.name: e.offenders(tables[e.table]) for e in expectations(params, tables) if e.of != "the median"}
    return {name: text for name, text in found.items() if text}


def loose(**gates: object) -> Params:
    bounds = {"label_share": [0, 1], "pair_share": [0, 1], "least_images": 1, "identity_share": 1, "split_share": 1}
    return made_params(gates=bounds | gates)


def test_a_label_nearly_gone_is_named_with_its_share():
    found = offenders(rows(ada=2, bob=98), loose(label_share=[0.05, 1]))
    assert found["label_share"] == ("race Asian (Indian) 0, gender Females 0, age Young 0 and 1 more")
    assert offenders(rows(ada=2, bob=98), loose(label_share=[0, 0.97]))["label_share"].startswith("race CON 0.98")


def test_an_identity_with_most_of_the_images_is_named():
    assert offenders(rows(ada=60, bob=20, cy=20), loose(identity_share=0.5)) == {"identity_share": "ada 0.6"}
    assert offenders(rows(ada=50, bob=25, cy=25), loose(identity_share=0.5)) == {}


def test_an_identity_with_too_few_images_is_named():
    assert offenders(rows(ada=4, bob=5), loose(least_images=5)) == {"least_images": "ada 4"}


def test_a_split_far_from_what_was_asked_for_is_named():
    found = offenders(rows(ada=99), loose(split_share=0.05))
    assert found == {"split_share": "test 0.09333, val 0.06"}


def test_a_drift_in_brightness_is_named_and_the_other_measures_are_not():
    data = rows(ada=40, bob=40)
    before = (data, screened(data, brightness=100))
    drifted = figures.drift(data, screened(data, brightness=110), before)
    assert offenders(data, loose(drift=0.2), drift=drifted) == {"drift": "brightness 1"}
    assert drifted.filter(pl.col("measure") == "brightness")["median"].item() == 113
    same = figures.drift(data, screened(data, brightness=100), before)
    assert offenders(data, loose(drift=0.2), drift=same) == {}


def test_a_step_that_leaves_another_share_than_before_is_named():
    changed = figures.funnel(curated(face=80, identity=20), curated(face=80, identity=60))
    assert offenders(rows(ada=5), loose(funnel=0.2), funnel=changed) == {"funnel": "identity 0.5"}


def test_reviewers_who_do_not_agree_are_named_by_step():
    low = figures.agreement({"agreement": {"face": {"faces": 9, "raw": 0.7, "alpha": 0.31}, "quality": {"faces": 0}}})
    assert offenders(rows(ada=5), loose(agreement=0.6), agreement=low) == {"agreement": "face 0.31"}


@pytest.mark.parametrize(
    ("policy", "gate", "expected"),
    [
        ({}, None, {"unstated_licenses": "none stated 0.4"}),
        ({"accept_unstated": True}, None, {}),
        ({"accept_unstated": True}, 0.2, {"unstated_licenses": "none stated 0.4"}),
        ({}, 0.5, {}),
    ],
)
def test_unstated_licenses_are_measured_by_gate_and_policy(policy, gate, expected):
    data = rows(ada=5)
    stated = pl.Series(["stated"] * 3 + ["unstated", "unreachable"])
    evidence = data.select("identity", "image_id", stated=stated, license=pl.lit("CC0-1.0"))
    licenses = figures.licenses(data, evidence)
    assert dict(licenses.select("license", "images").iter_rows()) == {"CC0-1.0": 3, "none stated": 2}
    params = made_params(licenses=policy, gates=loose().gates.model_dump(mode="json") | {"unstated_licenses": gate})
    unstated = licenses.filter(pl.col("license") == "none stated")
    assert offenders(data, params, unstated=unstated) == expected


def test_a_gate_of_warn_only_is_a_warning_and_the_others_are_critical():
    params = loose(warn_only=["identity_share"])
    grades = {e.name: e.severity for e in expectations(params, measured(rows(ada=5), params))}
    assert grades["identity_share"] is Severity.WARNING
    assert {grade for name, grade in grades.items() if name != "identity_share"} == {Severity.CRITICAL}


def test_what_is_suggested_is_met_by_the_data_it_was_suggested_for():
    data = rows(ada=30, bob=12, cy=9)
    before = loose().gates
    proposed = suggest.suggested(measured(data, loose()), before)
    assert proposed["least_images"] == 9
    assert offenders(data, made_params(gates=proposed)) == {}
    assert "gates:\n  label_share: [" in suggest.as_yaml(proposed)
    assert offenders(rows(ada=90, bob=12, cy=9), made_params(gates=proposed)).keys() >= {"identity_share"}
