"""Figures by group: they equal fairlearn's and published ones, no group is lost, and what is shown is legible."""

from __future__ import annotations

import itertools
from pathlib import Path

import altair
import numpy as np
import polars as pl
import pytest
from dvc_render.vega import VegaRenderer
from fairlearn.metrics import MetricFrame
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score

from mtf.config import Fairness
from mtf.core import clustered_share
from mtf.core.errors import BadInput
from mtf.evaluation import cluster_bootstrap, fairness, group_tests
from mtf.evaluation.groups import groups_of

ROOT = Path(__file__).parents[2]
GROUPS = {"colour": ["red", "blue"], "shape": ["round", "square"]}


def made_up() -> pl.DataFrame:
    """400 answers, four in five of them right, none about anything red and square."""
    random = np.random.default_rng(4)
    n = 400
    label = random.choice(["a", "b"], n)
    predicted = np.where(random.random(n) < 0.8, label, random.choice(["a", "b"], n))
    colours, shapes = random.choice(["red", "blue"], n), random.choice(["round", "square"], n)
    table = pl.DataFrame({"label": label, "predicted": predicted, "colour": colours, "shape": shapes})
    return table.filter((pl.col("colour") != "red") | (pl.col("shape") != "square"))


def answers(right: int, n: int) -> pl.DataFrame:
    """One group `x` with `right` right answers of `n`."""
    return pl.DataFrame({"label": ["a"] * n, "predicted": ["a"] * right + ["b"] * (n - right), "g": ["x"] * n})


def test_accuracy_by_group_equals_grouping_by_hand_and_shows_the_empty_group() -> None:
    table = made_up()
    rows = fairness.by_group(table, GROUPS, seed=1)
    assert [(row["colour"], row["shape"]) for row in rows] == [
        ("red", "round"), ("red", "square"), ("blue", "round"), ("blue", "square"),
    ]  # fmt: skip
    for row in rows:
        part = table.filter(colour=row["colour"], shape=row["shape"])
        assert row["n"] == part.height
        if part.height:
            expected = (part["label"] == part["predicted"]).mean()
            assert row["accuracy"] == pytest.approx(expected, abs=1e-4)
            assert row["low"] <= row["accuracy"] <= row["high"]
    nothing = dict.fromkeys(fairness.FIGURES) | {"n": 0, "people": 0, "more_people": 30}
    assert rows[1] == {"colour": "red", "shape": "square"} | nothing


def test_worst_best_gap_and_ratio_equal_fairlearns() -> None:
    table = made_up()
    frame = MetricFrame(
        metrics=accuracy_score,
        y_true=table["label"].to_list(),
        y_pred=table["predicted"].to_list(),
        sensitive_features=table["shape"].to_list(),
    )
    summary = fairness.report(table, GROUPS, seed=1)["shape"]["summary"]
    assert summary["worst"] == pytest.approx(frame.group_min(), abs=1e-4)
    assert summary["best"] == pytest.approx(frame.group_max(), abs=1e-4)
    assert summary["gap"] == pytest.approx(frame.difference(), abs=2e-4)
    assert summary["ratio"] == pytest.approx(frame.ratio(), abs=3e-4)


def test_the_bootstrap_equals_fairlearns_that_draws_whole_answers_anew() -> None:
    table = made_up()
    frame = MetricFrame(
        metrics={"accuracy": accuracy_score},
        y_true=table["label"].to_list(),
        y_pred=table["predicted"].to_list(),
        sensitive_features={"shape": table["shape"].to_list()},
        n_boot=200,
        ci_quantiles=[0.025, 0.975],
        random_state=3,
    )
    low, high = (part["accuracy"] for part in frame.by_group_ci)
    for row in fairness.by_group(table, {"shape": GROUPS["shape"]}, seed=1, settings=Fairness(bootstraps=5000)):
        assert row["bootstrap_low"] == pytest.approx(low[row["shape"]], abs=0.02)
        assert row["bootstrap_high"] == pytest.approx(high[row["shape"]], abs=0.02)


def test_the_bootstrap_is_that_of_people_drawn_one_by_one_with_a_standard_error_of_each_draw() -> None:
    rng = np.random.default_rng(6)
    pictures = rng.integers(1, 12, 40)
    right = rng.binomial(pictures, rng.beta(4, 1, 40))

    def angle_and_error(people: np.ndarray) -> tuple[float, float]:
        share = right[people].sum() / pictures[people].sum()
        variance = sum((right[k] - share * pictures[k]) ** 2 for k in people) / pictures[people].sum() ** 2 * 40 / 39
        return np.arcsin(share**0.5), (variance / (4 * share * (1 - share))) ** 0.5

    centre, error = angle_and_error(np.arange(40))
    drawn = np.array([angle_and_error(rng.choice(40, 40)) for _ in range(2000)])
    far = np.quantile((drawn[:, 0] - centre) / drawn[:, 1], [0.975, 0.025])
    found = cluster_bootstrap.interval(right, pictures, 20_000, np.random.default_rng(7))
    assert found == pytest.approx(np.sin(centre - far * error) ** 2, abs=0.01)


@pytest.mark.parametrize("wrong", [0, 2])
def test_if_a_draw_often_has_no_spread_the_bootstrap_is_the_closed_form(wrong: int) -> None:
    right, pictures = np.full(30, 5), np.full(30, 5)
    right[:wrong] = 3
    found = cluster_bootstrap.interval(right, pictures, 500, np.random.default_rng(1))
    assert found == clustered_share.interval(right, pictures)


def by_people(rng: np.random.Generator, people: int, share: float, *, group: str, correlation: float) -> pl.DataFrame:
    """Answers about people with 1 to 11 pictures each, a `share` of them right."""
    scale = 1 / correlation - 1
    pictures = rng.integers(1, 12, people)
    right = rng.random(pictures.sum()) < np.repeat(rng.beta(share * scale, (1 - share) * scale, people), pictures)
    person = np.repeat([f"{group}-{number}" for number in range(people)], pictures)
    predicted = np.where(right, "a", "b")
    return pl.DataFrame({"identity": person, "predicted": predicted}).with_columns(label=pl.lit("a"), g=pl.lit(group))


def test_both_intervals_count_people_and_cover_the_truth_about_19_times_in_20() -> None:
    rng = np.random.default_rng(5)
    covered = {"": 0, "bootstrap_": 0}
    for seed in range(100):
        row = fairness.by_group(by_people(rng, 60, 0.7, group="x", correlation=0.3), {"g": ["x"]}, seed=seed)[0]
        assert row["people"] == 60
        for kind in covered:
            covered[kind] += row[f"{kind}low"] <= 0.7 <= row[f"{kind}high"]
    assert all(89 <= count <= 99 for count in covered.values())


def test_of_few_people_no_interval_is_given_and_how_many_more_it_takes_is_said() -> None:
    row = fairness.by_group(
        by_people(np.random.default_rng(5), 12, 0.7, group="x", correlation=0.3), {"g": ["x"]}, seed=1
    )
    assert (row[0]["people"], row[0]["more_people"], row[0]["low"], row[0]["bootstrap_low"]) == (12, 18, None, None)
    four = fairness.by_group(answers(3, 4), {"g": ["x"]}, seed=1, settings=Fairness(min_people=4))[0]
    assert (four["more_people"], four["bootstrap_low"]) == (None, None)
    assert four["low"] < 0.75 < four["high"]


def summary_of(table: pl.DataFrame, groups: list[str], seed: int = 1, **settings: int) -> dict[str, object]:
    found = groups_of(table, {"g": groups})
    return fairness.summary(found, seed=seed, settings=Fairness(**settings))


def test_small_groups_have_no_part_in_the_summary() -> None:
    parts = {"w": (45, 50), "x": (30, 50), "y": (0, 3)}
    table = pl.concat(answers(*counts).with_columns(g=pl.lit(group)) for group, counts in parts.items())
    w, x = (binomtest(right, 50).proportion_ci(0.95, method="wilson") for right in (45, 30))
    low, high = 0.3 - np.hypot(0.9 - w.low, x.high - 0.6), 0.3 + np.hypot(w.high - 0.9, 0.6 - x.low)
    assert summary_of(table, ["w", "x", "y", "z"]) == {
        "groups": 2, "small_groups": 1, "empty_groups": 1,
        "worst_group": "x", "worst": 0.6, "worst_p": pytest.approx(0.001, abs=0.002),
        "best_group": "w", "best": 0.9, "best_p": pytest.approx(0.001, abs=0.002),
        "gap": 0.3, "gap_low": pytest.approx(low, abs=1e-4), "gap_high": pytest.approx(high, abs=1e-4),
        "ratio": 0.6667, "mean": 0.75, "std": pytest.approx(0.2121, abs=1e-4), "spread": 0.3,
    }  # fmt: skip
    assert summary_of(table, ["w", "x", "y"], min_n=3)["worst"] == 0


def test_in_a_tie_no_group_is_the_worst() -> None:
    table = pl.concat(answers(10, 10).with_columns(g=pl.lit(group)) for group in "wxy")
    found = summary_of(table, ["w", "x", "y"])
    assert (found["worst_group"], found["best_group"], found["gap"]) == (None, None, 0)
    assert found["worst_p"] == 1


def test_where_no_group_differs_one_is_called_the_worst_in_at_most_one_case_of_twenty() -> None:
    rng = np.random.default_rng(2)
    named = 0
    for seed in range(200):
        sizes = {"v": 5, "w": 12, "x": 30, "y": 40}
        parts = [by_people(rng, people, 0.85, group=group, correlation=0.3) for group, people in sizes.items()]
        named += summary_of(pl.concat(parts), list(sizes), seed=seed)["worst_group"] is not None
    # 5 % of 200 are 10; more than 17 have a probability under 1 %.
    assert named <= 17


def test_a_different_number_of_pictures_for_each_person_makes_no_group_the_worst() -> None:
    """The share of a person with one picture is 0 or 1, which does not make the group that has such people worse."""
    rng = np.random.default_rng(4)
    named = 0
    for seed in range(100):
        groups = {str(n): (rng.binomial(n, 0.9, 30), np.full(30, n)) for n in (1, 6, 20)}
        named += min(lower for lower, _ in group_tests.lower_and_higher(groups, seed=seed).values()) <= 0.05
    # 5 % of 100 are 5; more than 12 have a probability under 0.2 %. People that change places as they are: 30.
    assert named <= 12


def test_with_as_many_pictures_each_the_test_is_that_of_all_permutations() -> None:
    right = {"x": [2, 3, 1, 2], "y": [4, 3, 4, 2, 4]}
    every, n = np.array(right["x"] + right["y"]), len(right["x"])
    sums = np.array([every[list(chosen)].sum() for chosen in itertools.combinations(range(len(every)), n)])
    # With two groups, one is as far below the share of all as the other is above, in units of the standard deviation.
    far = every.sum() * n / len(every) - sums
    exact = np.mean(np.abs(far) >= far[0] - 1e-9) / 2 + np.mean(far >= far[0] - 1e-9) / 2
    groups = {name: (np.array(hits), np.full(len(hits), 4)) for name, hits in right.items()}
    assert group_tests.lower_and_higher(groups, seed=1)["x"][0] == pytest.approx(exact, abs=0.03)


def test_with_unequal_numbers_of_pictures_the_p_value_is_the_higher_of_both_permutation_tests() -> None:
    rng = np.random.default_rng(17)
    first = np.arange(92) < 12
    cases = np.where(first, 20, rng.integers(1, 4, 92))
    right = rng.binomial(cases, rng.beta(1.35, 0.15, 92) * np.where(first, 0.88, 1))
    share = right.sum() / cases.sum()
    of_one = share * (1 - share)

    def distance_and_error(residuals: np.ndarray) -> tuple[float, float]:
        shift = residuals.sum() / cases.sum()
        excess = ((residuals - shift * cases) ** 2 - of_one * cases).sum()
        alike = np.clip(excess / (of_one * cases * (cases - 1)).sum(), 0, 1)
        own, rest = ((of_one * cases * (1 + (cases - 1) * alike))[rows].sum() for rows in (first, ~first))
        weights = 1 / cases[first].sum() - 1 / cases.sum(), 1 / cases.sum()
        distance = residuals[first].sum() / cases[first].sum() - shift
        return distance, (weights[0] ** 2 * own + weights[1] ** 2 * rest) ** 0.5

    residuals = right - share * cases
    excess = (residuals**2 - of_one * cases).sum() / (of_one * cases * (cases - 1)).sum()
    deviations = np.sqrt(of_one * cases * (1 + (cases - 1) * excess))
    observed = distance_and_error(residuals)
    permuted = np.array([distance_and_error(rng.permutation(residuals / deviations) * deviations) for _ in range(4000)])
    # Of two groups, the extremes are the same distance with either sign.
    plain = np.mean(np.abs(permuted[:, 0]) >= abs(observed[0]))
    studentised = np.mean(np.abs(permuted[:, 0] / permuted[:, 1]) >= abs(observed[0] / observed[1]))
    groups = {"many": (right[first], cases[first]), "few": (right[~first], cases[~first])}
    found = group_tests.lower_and_higher(groups, seed=1)["many"][0]
    assert studentised > plain + 0.04
    assert found == pytest.approx(studentised, abs=0.04)


def test_people_without_a_case_change_nothing() -> None:
    groups = {"x": (np.array([1, 3, 2, 2]), np.array([4, 4, 2, 4])), "y": (np.array([3, 4, 4]), np.array([4, 4, 5]))}
    padded = {name: tuple(np.append(part, [0, 0]) for part in counts) for name, counts in groups.items()}
    empty = {"z": (np.zeros(2), np.zeros(2))}
    found = group_tests.lower_and_higher(padded | empty, seed=1)
    assert found == group_tests.lower_and_higher(groups, seed=1) | {"z": (1.0, 1.0)}


def test_a_group_that_is_worse_is_named_though_it_has_few_people() -> None:
    rng = np.random.default_rng(2)
    parts = [by_people(rng, people, share, group=group, correlation=0.1)
             for group, people, share in (("w", 8, 0.3), ("x", 40, 0.9), ("y", 40, 0.9))]  # fmt: skip
    found = summary_of(pl.concat(parts), ["w", "x", "y"])
    assert found["worst_group"] == "w"
    assert found["gap_low"] is None


def test_where_every_group_is_small_only_their_counts_are_said() -> None:
    found = fairness.report(answers(3, 5), {"g": ["x", "y"]}, seed=1)["g"]
    assert found["summary"] == {"groups": 0, "small_groups": 1, "empty_groups": 1}
    assert found["groups"]["y"] == {"n": 0, "people": 0, "more_people": 30}


@pytest.mark.parametrize(("attributes", "groupings"), [("", 0), ("a", 1), ("ab", 3), ("abc", 7), ("abcd", 11)])
def test_each_attribute_each_pair_and_all_together_are_looked_at(attributes: str, groupings: int) -> None:
    found = fairness.groupings(list(attributes))
    assert len(found) == groupings == len({tuple(names) for names in found})
    assert {len(names) for names in found} <= {1, 2, len(attributes)}


def test_pairs_are_told_where_no_intersection_of_all_is_large_enough() -> None:
    """32 pictures in 8 groups of 4: pairs have 8, single attributes 16."""
    columns = {name: [str(number >> place & 1) for number in range(8)] * 4 for place, name in enumerate("abc")}
    table = pl.DataFrame({"label": ["x"] * 32, "predicted": ["x"] * 24 + ["y"] * 8} | columns)
    found = fairness.report(table, {name: ["0", "1"] for name in "abc"}, seed=1, settings=Fairness(min_n=8))
    assert found["a × b"]["summary"]["groups"] == 4
    assert found["a × b"]["summary"]["mean"] == 0.75
    assert found["a × b × c"]["summary"] == {"groups": 0, "small_groups": 8, "empty_groups": 0}


def test_two_attributes_may_share_a_label() -> None:
    table = pl.DataFrame({"label": ["x", "x"], "predicted": ["x", "y"], "a": ["Others", "A"], "b": ["B", "Others"]})
    found = fairness.report(table, {"a": ["A", "Others"], "b": ["B", "Others"]}, seed=1)
    assert found["a"]["groups"]["Others"]["accuracy"] == 1.0
    assert found["b"]["groups"]["Others"]["accuracy"] == 0.0
    shown = fairness.table(found)["group"]
    assert shown.is_unique().all()
    assert {"a: Others", "b: Others", "a × b: Others × B"} <= set(shown)


def test_an_attribute_without_a_column_is_named() -> None:
    with pytest.raises(BadInput, match=r"no column \['size'\] to group by; the columns are"):
        fairness.by_group(made_up(), {"size": ["large"]}, seed=1)


def test_the_spread_of_efrs_leaves_out_what_is_undefined() -> None:
    assert fairness.spread([0.5, 0.7, None, 0.9]) == {"mean": 0.7, "std": 0.2, "spread": 0.4}


def test_the_plot_shows_a_point_and_an_interval_for_each_group_of_each_revision() -> None:
    # As DVC reads a CSV: text, and nothing where there is no figure.
    table = fairness.table(fairness.report(made_up(), GROUPS, seed=1)).fill_null("").cast(pl.String)
    points = [
        row | {"run": "small_cnn race", "rev": revision}
        for row in table.to_dicts()
        for revision in ("workspace", "HEAD")
    ]
    renderer = VegaRenderer(
        points, "fairness", x="accuracy", y="group", template="intervals", template_dir=str(ROOT / ".dvc" / "plots")
    )
    filled = renderer.get_filled_template()
    assert "DVC_METRIC" not in str(filled)
    drawn = altair.Chart.from_dict(filled).to_dict()
    assert [layer["mark"]["type"] for layer in drawn["spec"]["layer"]] == ["rule", "point"]
    assert drawn["spec"]["layer"][0]["encoding"]["x2"] == {"field": "to"}
    assert {step["as"]: step["calculate"] for step in filled["transform"]} == {
        "shown": "toNumber(datum['accuracy'])",
        "from": "toNumber(datum.low)",
        "to": "toNumber(datum.high)",
        "named": "datum['group'] + ' (n = ' + datum.n + ')'",
    }
    assert len(filled["data"]["values"]) == 2 * (2 + 2 + 4)
