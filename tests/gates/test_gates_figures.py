"""The figures that the gates look at, and which of them are out of bounds."""

from __future__ import annotations

import polars as pl
import pytest
import yaml
from made_project import made_params

from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.gates import figures, suggestions
from mtf.gates.expectations import Severity, expectations, not_checked, table_of_labels, table_of_licenses


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


def counted(*, with_faces: int = 90, **left: int) -> figures.Counts:
    """Of 100 images, so many with a face; of 100 faces, so many left after each step."""
    steps = {step: {"faces": faces} for step, faces in left.items()}
    return {"images": 100, "images_with_faces": with_faces}, {"cropped": {"faces": 100}, "steps": steps}


def measured(data: pl.DataFrame, params: Params, **changes: pl.DataFrame) -> dict[str, pl.DataFrame]:
    labels = figures.labels(data, params)
    bare = data.select("identity", "image_id", stated=pl.lit("stated"), license=pl.lit("CC0-1.0"))
    licenses = changes.get("licenses", figures.licenses(data, bare))
    groups = params.gates.license_share
    return {
        "identities": figures.identities(data),
        "labels": labels,
        **{table_of_labels(name): labels.filter(task=name) for name in params.tasks},
        "pairs": figures.pairs(data, params),
        "intersections": figures.intersections(data, params),
        "vanished": figures.vanished(data, None, params),
        "splits": figures.splits(data, params),
        "licenses": licenses,
        **{table_of_licenses(group): figures.license_groups(licenses, [group]) for group in groups},
        "unstated": figures.unstated(licenses),
        "agreement": figures.agreement({}),
        "funnel": figures.funnel(({}, {}), None),
        "drift": figures.drift(data, data, None),
    } | changes


def offenders(data: pl.DataFrame, params: Params, **changes: pl.DataFrame) -> dict[str, str]:
    tables = measured(data, params, **changes)
    found = {e.full_name: e.offenders(tables[e.table]) for e in expectations(params) if e.of != "the median"}
    return {name: text for name, text in found.items() if text}


def loose(**gates: object) -> Params:
    unbound = {name: [0, 1] for name in ("label_share", "pair_share", "intersection_share")}
    bounds = unbound | {"min_images": 1, "identity_share": 1, "split_share": 1}
    return made_params(gates=bounds | gates)


def test_a_label_nearly_gone_is_named_with_its_share():
    found = offenders(rows(ada=2, bob=98), loose(label_share=[0.05, 1]))
    assert found["label_share"] == ("race Asian (Indian) 0, gender Females 0, age Young 0 and 1 more")
    assert offenders(rows(ada=2, bob=98), loose(label_share=[0, 0.97]))["label_share"].startswith("race CON 0.98")


def test_an_identity_with_most_of_the_images_is_named():
    assert offenders(rows(ada=60, bob=20, cy=20), loose(identity_share=0.5)) == {"identity_share": "ada 0.6"}
    assert offenders(rows(ada=50, bob=25, cy=25), loose(identity_share=0.5)) == {}


def test_an_identity_with_too_few_images_is_named():
    assert offenders(rows(ada=4, bob=5), loose(min_images=5)) == {"min_images": "ada 4"}


def test_a_split_far_from_what_was_asked_for_is_named():
    found = offenders(rows(ada=99), loose(split_share=0.05))
    assert found == {"split_share": "test 0.09091, val 0.06061"}


def test_the_minimums_of_the_split_are_part_of_the_share_that_is_asked_for():
    """With five images a person, one in val is 20 %, and params.yaml's shares ask for 6 %."""
    few = rows(ada=5, bob=5, cy=5).with_columns(split=pl.Series(["train", "train", "train", "val", "test"] * 3))
    assert offenders(few, loose(split_share=0.02)) == {}
    moved = few.with_columns(split=pl.Series(["train", "train", "val", "val", "test"] * 3))
    assert offenders(moved, loose(split_share=0.02)) == {"split_share": "val 0.2, train 0.2"}


def test_a_drift_in_brightness_is_named_and_the_other_measures_are_not():
    data = rows(ada=40, bob=40)
    before = (data, screened(data, brightness=100))
    drifted = figures.drift(data, screened(data, brightness=110), before)
    assert offenders(data, loose(drift=0.2), drift=drifted) == {"drift": "brightness 1"}
    assert drifted.filter(pl.col("measure") == "brightness")["median"].item() == 113
    same = figures.drift(data, screened(data, brightness=100), before)
    assert offenders(data, loose(drift=0.2), drift=same) == {}


def test_a_step_that_leaves_another_share_than_before_is_named():
    changed = figures.funnel(counted(face=80, identity=20), counted(face=80, identity=60))
    assert offenders(rows(ada=5), loose(funnel=0.2), funnel=changed) == {"funnel": "identity 0.5"}


def test_a_detector_that_misses_half_the_pictures_is_named():
    changed = figures.funnel(counted(with_faces=45, face=80), counted(face=80))
    assert offenders(rows(ada=5), loose(funnel=0.2), funnel=changed) == {"funnel": "images with a face 0.45"}


def test_reviewers_who_always_agree_hold_the_gate_though_alpha_is_not_defined():
    alike = figures.agreement({"agreement": {"face": {"faces": 9, "raw": 1.0}, "quality": {"faces": 0}}})
    assert alike.rows() == [("face", 9, 1.0, 1.0, None)]
    assert offenders(rows(ada=5), loose(agreement=0.6), agreement=alike) == {}
    params = loose()
    said = {each.name for each in not_checked(params, measured(rows(ada=5), params, agreement=alike))}
    assert "agreement" not in said


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
    assert offenders(data, params, licenses=licenses) == expected
    checked = "unstated_licenses" not in {each.name for each in not_checked(params, measured(data, params))}
    assert checked == (not policy or gate is not None)


def test_a_license_with_too_few_or_too_many_images_is_named_and_so_is_a_group_of_them():
    data = rows(ada=10)
    names = ["CC0-1.0"] * 2 + ["CC-BY-SA-3.0"] * 3 + ["CC-BY-SA-4.0"] * 5
    evidence = data.select("identity", "image_id", stated=pl.lit("stated"), license=pl.Series(names))
    licenses = figures.licenses(data, evidence)
    bounds = {"CC0-1.0": [0.3, 1], "CC-BY-SA-*": [0, 0.75], "CC-BY-SA-4.0": [0.4, 0.6], "CC-BY-4.0": [0.1, 1]}
    assert offenders(data, loose(license_share=bounds), licenses=licenses) == {
        "license_share.CC0-1.0": "CC0-1.0 0.2",
        "license_share.CC-BY-SA-*": "CC-BY-SA-* 0.8",
        "license_share.CC-BY-4.0": "CC-BY-4.0 0",
    }


def test_each_task_may_have_bounds_of_its_own_and_one_without_is_said_not_to_be_checked():
    data = rows(ada=2, bob=98)
    params = loose(label_share={"race": [0, 0.9], "age": [0, 1]})
    assert offenders(data, params) == {"label_share.race": "race CON 0.98"}
    assert ("label_share.gender", "it has no bounds") in {
        (each.name, each.why) for each in not_checked(params, measured(data, params))
    }


def test_a_combination_of_all_labels_without_images_is_named():
    found = offenders(rows(ada=50, bob=50), loose(intersection_share=[0.01, 1]))
    assert found["intersection_share"] == (
        "race × gender × age Asian (Indian) × Males × Young 0, "
        "race × gender × age Asian (Indian) × Males × Old 0, "
        "race × gender × age Asian (Indian) × Females × Young 0 and 7 more"
    )


def test_a_combination_that_the_release_before_had_and_this_one_lacks_is_named():
    params, now = loose(), rows(bob=5)
    gone = figures.vanished(now, rows(ada=2, bob=3), params)
    assert offenders(now, params, vanished=gone) == {"vanished": "White × Males × Old 1"}
    assert offenders(now, params, vanished=figures.vanished(now, now, params)) == {}


def test_an_identity_may_have_a_greatest_number_of_images():
    assert offenders(rows(ada=4, bob=5), loose(max_images=4)) == {"max_images": "bob 5"}


def test_what_there_is_nothing_to_hold_against_is_said_with_its_reason():
    said = {each.name: each.why for each in not_checked(loose(), measured(rows(ada=5), loose()))}
    assert said == {
        "max_images": "null sets no bound",
        "license_share": "no license has bounds",
        "vanished": "no previous release",
        "agreement": "too few faces have two votes",
        "funnel": "no previous release",
        "drift": "no previous release",
    }


def test_a_gate_of_warn_only_is_a_warning_and_the_others_are_critical():
    params = loose(warn_only=["identity_share"])
    grades = {each.name: each.severity for each in expectations(params)}
    assert grades["identity_share"] is Severity.WARNING
    assert {grade for name, grade in grades.items() if name != "identity_share"} == {Severity.CRITICAL}


def agreeing(alpha: float) -> pl.DataFrame:
    return figures.agreement({"agreement": {"face": {"faces": 9, "raw": 0.5, "alpha": alpha}}})


@pytest.mark.parametrize("alpha", [-1.0, -0.7, 0.0, 0.31, 0.95, 1.0])
def test_what_is_suggested_is_permitted_and_met_by_the_data_it_was_suggested_for(alpha: float):
    data = rows(ada=3000, bob=12, cy=9)
    text = suggestions.as_yaml(suggestions.suggested(measured(data, loose(), agreement=agreeing(alpha)), loose()))
    params = made_params(**yaml.safe_load(text))
    assert offenders(data, params, agreement=agreeing(alpha)) == {}
    assert params.gates.min_images == 9
    assert offenders(rows(ada=9000, bob=12, cy=9), params).keys() >= {"max_images"}
    assert offenders(data, params, agreement=agreeing(-1)).keys() == ({"agreement"} if alpha > -1 else set())


def test_a_suggestion_bounds_what_can_be_bounded_and_says_what_cannot():
    data = rows(ada=9999, bob=1)
    text = suggestions.as_yaml(suggestions.suggested(measured(data, loose()), loose()))
    gates = made_params(**yaml.safe_load(text)).gates
    assert 0.9999 < gates.identity_share < 1
    assert gates.license_share == {"CC0-1.0": (0.75, 1.0)}
    said = [line for line in text.splitlines() if line.startswith("#")]
    assert "# label_share.race has no lower bound: some labels have no images" in said
    assert "# label_share.gender has no upper bound: all images carry the same" in said


def test_bounds_that_are_the_wrong_way_round_and_tasks_that_are_not_there_are_named():
    with pytest.raises(BadInput, match=r"gates.pair_share: \[0.9, 0.1\]: the smallest permitted value is above"):
        loose(pair_share=[0.9, 0.1])
    with pytest.raises(BadInput, match=r"gates.label_share: 'rac' is not permitted; permitted: race, gender, age"):
        loose(label_share={"rac": [0, 1]})
    with pytest.raises(BadInput, match=r"report.target.gender: the shares add up to 0.9, not to 1"):
        made_params(report={"target": {"gender": {"Males": 0.5, "Females": 0.4}}})


def test_two_faces_of_one_image_are_one_image_of_the_identity():
    data = rows(ada=6, bob=3)
    again = data.head(1).with_columns(face_id=pl.lit("another face"))
    assert figures.identities(pl.concat([data, again])).equals(figures.identities(data))
    assert figures.identities(data)["share"].to_list() == pytest.approx([6 / 9, 3 / 9])
