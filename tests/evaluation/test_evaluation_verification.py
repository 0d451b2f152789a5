"""Verification: error rates equal those counted pair by pair, and groups are only told apart where that can be said."""

from __future__ import annotations

import itertools
import json

import numpy as np
import polars as pl
import pytest
import yaml
from scipy.special import logit
from scipy.stats import kurtosis, t
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from mtf.cli import app
from mtf.core import clustered_share
from mtf.core.errors import BadInput
from mtf.evaluation import verification_figures
from mtf.evaluation.differentials import differentials, discrepancy, gini
from mtf.evaluation.verification import Distribution, Matches, Vectors, edge_of, matches_at, reachable
from mtf.evaluation.verification_figures import Settings, Subjects, halves
from mtf.project import verify
from mtf.schemas.embedding_table import EMBEDDINGS


def drawn(people: int, *, noise: float | np.ndarray = 0.6, each: int = 4, seed: int = 3) -> Vectors:
    """Vectors of people with 1 to `each` pictures, around a direction of their own."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(people), rng.integers(1, each + 1, people))
    noise = np.broadcast_to(noise, (people,))
    vectors = rng.normal(size=(people, 16))[numbers] + noise[numbers, None] * rng.normal(size=(len(numbers), 16))
    return Vectors((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), numbers)


def pairs(faces: Vectors) -> list[tuple[int, int, float]]:
    """Person, other person and similarity of each pair of pictures."""
    return [
        (int(faces.people[i]), int(faces.people[j]), float(faces.vectors[i] @ faces.vectors[j]))
        for i, j in itertools.combinations(range(len(faces.people)), 2)
    ]


def test_the_distribution_counts_every_pair_once_and_its_curve_has_scikit_learns_area() -> None:
    faces = drawn(40)
    found, every = Distribution.of(faces), pairs(faces)
    genuine = [s for a, b, s in every if a == b]
    assert (found.genuine.sum(), found.impostor.sum()) == (len(genuine), len(every) - len(genuine))
    fmr, fnmr = found.error_rates(np.array([edge_of(number) for number in range(0, 20_001, 5)]))
    area = -np.trapezoid(1 - fnmr, fmr)
    assert area == pytest.approx(roc_auc_score([a == b for a, b, _ in every], [s for *_, s in every]), abs=2e-3)


@pytest.mark.parametrize("fmr", [0.2, 0.05, 0.01])
def test_a_threshold_lets_at_most_the_wanted_share_of_impostors_pass(fmr: float) -> None:
    faces = drawn(60)
    threshold = Distribution.of(faces).threshold(fmr)
    impostors = np.array([s for a, b, s in pairs(faces) if a != b])
    assert (impostors >= threshold).mean() <= fmr + 1e-9
    assert (impostors >= threshold - 0.02).mean() > fmr


def test_rates_of_groups_equal_those_counted_pair_by_pair() -> None:
    faces = drawn(30)
    threshold = 0.5
    (found,) = matches_at(faces, [threshold])
    first, second = np.arange(0, 12), np.arange(12, 30)
    every = pairs(faces)
    within = [s for a, b, s in every if a != b and a in first and b in first]
    across = [s for a, b, s in every if (a in first) != (b in first)]
    own = [s for a, b, s in every if a == b and a in second]
    assert found.fmr(first) == pytest.approx(np.mean(np.array(within) >= threshold))
    assert found.fmr(first, second) == pytest.approx(np.mean(np.array(across) >= threshold))
    assert found.fnmr(second) == pytest.approx(np.mean(np.array(own) < threshold))
    assert found.numbers_of_pairs(second)[0] == len(own)
    assert found.fmr(np.array([3])) is None


def test_the_interval_of_the_fmr_is_wider_than_of_independent_pairs_and_none_for_few_people() -> None:
    faces = drawn(60, each=8)
    (found,) = matches_at(faces, [0.4])
    everybody = np.arange(60)
    low, high = found.fmr_interval(everybody, min_people=30)
    rate, n = found.fmr(everybody), found.numbers_of_pairs(everybody)[1]
    assert low < rate < high
    assert high - low > 3 * 2 * 1.96 * np.sqrt(rate * (1 - rate) / n)
    assert found.fmr_interval(everybody[:29], min_people=30) is None


def test_without_a_match_two_people_count_as_one_pair() -> None:
    (none,) = matches_at(drawn(60, each=8), [0.9998])
    # Wilson's upper end of no hit in 30, and Student's quantile of 60 people.
    square = 2.001**2
    assert none.fmr_interval(np.arange(60), min_people=30) == (0.0, pytest.approx(square / (30 + square), abs=0.001))


@pytest.mark.parametrize("groups", [(np.arange(50), None), (np.arange(20), np.arange(20, 50))])
def test_the_interval_of_the_fmr_is_the_jackknifes_over_people(groups: tuple[np.ndarray, np.ndarray | None]) -> None:
    """Rates without each person in turn, by `fmr`, which equals a count pair by pair."""
    (found,) = matches_at(drawn(50), [0.3])
    low, high = found.fmr_interval(*groups, min_people=20)
    parts = []
    for number, group in enumerate(each for each in groups if each is not None):
        left = [[*groups[:number], np.delete(group, k), *groups[number + 1 :]] for k in range(len(group))]
        without = logit([found.fmr(*each) for each in left])
        variance = (len(group) - 1) * without.var()
        freedom = 2 * len(group) / (kurtosis(without, fisher=False) - (len(group) - 3) / (len(group) - 1))
        parts.append((variance, min(freedom, len(group) - 1)))
    total = sum(variance for variance, _ in parts)
    quantile = t.ppf(0.975, total**2 / sum(variance**2 / freedom for variance, freedom in parts))
    centre = logit(found.fmr(*groups))
    assert logit([low, high]) == pytest.approx([centre - quantile * total**0.5, centre + quantile * total**0.5])


def test_the_interval_of_the_fnmr_is_the_jackknifes_and_counts_people_with_two_pictures() -> None:
    (found,) = matches_at(drawn(60), [0.8])
    everybody = np.arange(60)
    people = everybody[found.genuine(everybody)[1] > 0]
    assert len(people) < 60
    low, high = found.fnmr_interval(everybody, min_people=30)
    without, n = logit([found.fnmr(np.delete(people, k)) for k in range(len(people))]), len(people)
    freedom = min(2 * n / (kurtosis(without, fisher=False) - (n - 3) / (n - 1)), n - 1)
    half = t.ppf(0.975, freedom) * np.sqrt((n - 1) * without.var())
    centre = logit(found.fnmr(everybody))
    assert logit([low, high]) == pytest.approx([centre - half, centre + half])
    assert found.fnmr_interval(everybody, min_people=len(people) + 1) is None
    (none,) = matches_at(drawn(60), [-1.0])
    assert none.fnmr_interval(everybody, min_people=30) == clustered_share.interval(*none.genuine(everybody))


def test_if_all_matches_are_those_of_one_person_the_interval_is_as_wide_as_without_a_match() -> None:
    matches = np.zeros((40, 40), int)
    matches[0, 1:] = matches[1:, 0] = 1
    pairs = np.ones((40, 40), int)
    low, high = Matches(matches, pairs).fmr_interval(np.arange(40), min_people=30)
    assert (low, high) == pytest.approx(clustered_share.wilson(0.05, 20, t.ppf(0.975, 39)))


def test_the_interval_of_the_fmr_covers_the_truth_about_19_times_in_20() -> None:
    truth = matches_at(drawn(1500, each=1, seed=99), [0.4])[0].fmr(np.arange(1500))
    covered = 0
    for seed in range(60):
        (found,) = matches_at(drawn(60, each=4, seed=seed), [0.4])
        low, high = found.fmr_interval(np.arange(60), min_people=30)
        covered += low <= truth <= high
    assert 51 <= covered <= 60


def test_the_interval_across_groups_is_that_of_people_drawn_one_by_one_from_each() -> None:
    faces = drawn(90)
    (found,) = matches_at(faces, [0.3])
    first, second = np.arange(30), np.arange(30, 90)
    low, high = found.fmr_interval(first, second, min_people=30)
    table = np.array([(a, b, s >= 0.3) for a, b, s in pairs(faces) if (a < 30) != (b < 30)])
    rng, shares = np.random.default_rng(7), []
    for _ in range(600):
        times = np.bincount(np.concatenate([rng.choice(first, 30), rng.choice(second, 60)]), minlength=90)
        weight = times[table[:, 0].astype(int)] * times[table[:, 1].astype(int)]
        shares.append(np.average(table[:, 2], weights=weight))
    assert (low, high) == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])), abs=0.01)
    assert low < found.fmr(first, second) < high


def test_without_a_match_the_interval_across_groups_is_that_of_the_smaller_group_in_either_order() -> None:
    faces = drawn(230, each=1)
    (found,) = matches_at(faces, [0.9998])
    small, large = np.arange(30), np.arange(30, 230)
    both = [found.fmr_interval(*pair, min_people=30) for pair in ((small, large), (large, small))]
    # Wilson's upper end of no hit in 30, and Student's quantile.
    assert both[0] == both[1] == (0.0, pytest.approx(2.045**2 / (30 + 2.045**2), abs=0.001))


def test_the_halves_share_nobody_and_stay_as_they_are_when_somebody_joins() -> None:
    names = [f"person-{number}" for number in range(50)]
    calibration, test = halves(names)
    assert sorted([*calibration, *test]) == list(range(50))
    more = halves([*names, "another"])
    assert len(set(calibration) ^ {number for number in more[0] if number < 50}) <= 1


def test_differentials_are_those_of_their_definitions() -> None:
    found = differentials({"a": 0.01, "b": 0.02, "c": 0.04, "few": None})
    assert found == {"worst_case": 0.04, "ratio": 4.0, "ratio_to_mean": 2.0, "gini": pytest.approx(0.4286, abs=1e-4)}
    assert differentials({"a": 0.0, "b": 0.1})["ratio"] is None
    assert differentials({"a": 0.1}) is None
    assert gini(np.array([0.0, 0.0, 0.3])) == pytest.approx(1)
    assert gini(np.array([0.2, 0.2])) == 0
    assert discrepancy({"a": 0.01, "b": 0.03}, {"a": 0.1, "b": 0.2})["fdr"] == pytest.approx(0.94)


def measured(faces: Vectors, labels: list[str], **settings: object) -> dict:
    names = [f"person-{number:03}" for number in range(len(labels))]
    pictures = np.bincount(faces.people)
    subjects = Subjects(names, {"shape": labels}, np.zeros_like(pictures), pictures)
    return verification_figures.measure(faces, subjects, subjects, Settings(fmrs=(0.1, 0.001), **settings))[0]


def test_a_group_with_worse_pictures_is_named_and_a_small_one_is_told_how_many_people_it_lacks() -> None:
    labels = ["round"] * 100 + ["square"] * 100 + ["flat"] * 10
    noise = np.array([0.4] * 100 + [0.9] * 100 + [0.4] * 10)
    found = measured(drawn(210, noise=noise, each=6), labels)
    part = found["groupings"]["shape"]
    assert part["differentials"]["0.1"]["worst_fnmr"] == "square"
    rates = {name: row["at"]["0.1"] for name, row in part["groups"].items() if "at" in row}
    assert rates["square"]["fnmr_low"] > rates["round"]["fnmr"]
    assert part["groups"]["flat"].keys() == {"people", "more_people"}
    across = part["across"]["round, square"]["0.1"]
    assert set(part["across"]) == {"round, square"}
    assert 0 < across["fmr_low"] < across["fmr"] < across["fmr_high"] < 1
    assert found["too_few_people_for"] == [0.001]
    assert found["people"] == {"calibration": 105, "test": 105}


def test_where_no_group_differs_none_is_named() -> None:
    named = 0
    for seed in range(30):
        found = measured(drawn(130, each=3, seed=seed), ["round", "square"] * 65)
        named += found["groupings"]["shape"]["differentials"]["0.1"]["worst_fnmr"] is not None
    assert named <= 5


def test_a_threshold_takes_ten_pairs_of_people_for_each_false_match() -> None:
    assert reachable(0.1, 15) and not reachable(0.1, 14)
    with pytest.raises(BadInput, match=r"8 people with a vector are too few for a threshold at an FMR of 0\.1;"):
        measured(drawn(8), ["round"] * 8)


@pytest.fixture
def table(tmp_path, sample_params, monkeypatch):
    """A project, and a table of `mtf embed` on a folder: 80 people, one picture of the last without a face."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(sample_params.model_dump(mode="json", exclude_none=True)))
    monkeypatch.chdir(tmp_path)
    faces = drawn(80)
    rows = [
        {
            "path": f"person-{person:02}/{number}.jpg",
            "width": 40,
            "height": 40,
            "model": "made",
            "vector": vector.tolist(),
        }
        for number, (person, vector) in enumerate(zip(faces.people, faces.vectors, strict=True))
    ]
    rows += [{"path": "person-79/none.jpg", "model": "made", "problem": "no face found"}]
    path = tmp_path / "made.parquet"
    pl.DataFrame(rows, schema=EMBEDDINGS).write_parquet(path)
    return path


def test_the_command_measures_a_table_and_keeps_figures_and_curves_where_dvc_finds_them(table) -> None:
    result = CliRunner().invoke(app, ["verify", "made.parquet", "--fmr", "0.1"])
    assert result.exit_code == 0, result.output
    assert "thresholds from 40 people, measured on 40 others" in " ".join(result.output.split())
    figures = json.loads((table.parent / "metrics/verify/made.json").read_text())
    assert figures["failure_to_acquire"]["share"] == pytest.approx(
        1 / figures["failure_to_acquire"]["pictures"], abs=1e-6
    )
    declared = yaml.safe_load((table.parent / "metrics/verify/dvc.yaml").read_text())
    assert declared["metrics"] == ["headline/made.json"]
    headline = json.loads((table.parent / "metrics/verify/headline/made.json").read_text())
    assert headline == {"fnmr_at_fmr_0.1": figures["overall"]["0.1"]["fnmr"]}
    curve = pl.read_csv(table.parent / "metrics/verify" / next(iter(declared["plots"][0])))
    assert curve["fmr"].is_between(0, 1).all() and curve["fnmr"].is_between(0, 1).all()
    as_json = CliRunner().invoke(app, ["verify", "made.parquet", "--fmr", "0.1", "--json"])
    assert json.loads(as_json.output)["overall"] == figures["overall"]


def test_the_command_shows_rates_within_and_across_groups_with_intervals_and_all_measures_of_differences(
    table, sample_params
) -> None:
    settings = sample_params.model_dump(mode="json", exclude_none=True) | {"fairness": {"min_people": 10}}
    (table.parent / "params.yaml").write_text(yaml.safe_dump(settings))
    attributes = {name: task.labels for name, task in sample_params.attributes.items() if task.per_identity}
    people = [f"person-{number:02}" for number in range(80)]
    columns = {name: (labels[:2] * 40) for name, labels in attributes.items()}
    (table.parent / "data").mkdir()
    pl.DataFrame({"identity": people, "name": people, **columns}).write_csv(table.parent / "data/roster.csv")
    shown = CliRunner().invoke(app, ["verify", "made.parquet", "--fmr", "0.1"], env={"COLUMNS": "140"}).output
    found = json.loads((table.parent / "metrics/verify/made.json").read_text())["groupings"]["gender"]
    (rates,) = found["across"].values()
    across = rates["0.1"]
    assert "FMR across groups by gender, 0.1 wanted" in shown
    assert f"{100 * across['fmr']:.3g} %" in shown
    assert f"({100 * across['fmr_low']:.3g} to {100 * across['fmr_high']:.3g})" in shown
    measures = found["differentials"]["0.1"]
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.splitlines()]
    ratio = measures["fmr"]["ratio_to_mean"]
    assert any(
        row[1:4] == [f"{measures['fdr']:.2f}", f"{measures['garbe']:.2f}", "FMR"] and f"{ratio:.2f}" in row
        for row in rows
    )


def columns_of(table: str) -> list[str]:
    """Headings of a table that rich drew, each on one line."""
    lines = [line.strip("┃").split("┃") for line in table.splitlines() if line.startswith("┃")]
    return [" ".join(" ".join(parts).split()) for parts in zip(*lines, strict=True)]


@pytest.mark.parametrize(("width", "names_are_columns"), [(80, False), (160, True)])
def test_on_a_terminal_of_80_columns_every_heading_is_whole_and_a_wide_matrix_is_a_list(
    table, sample_params, width, names_are_columns
) -> None:
    races = ["Black", "White", "East Asian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian"]
    settings = sample_params.model_dump(mode="json", exclude_none=True)
    settings["fairness"] = {"min_people": 2}
    settings["tasks"]["race"]["labels"] = races
    (table.parent / "params.yaml").write_text(yaml.safe_dump(settings))
    people = [f"person-{number:02}" for number in range(80)]
    columns = {"race": (races * 14)[:80], "gender": ["Males", "Females"] * 40, "age": ["Young"] * 40 + ["Old"] * 40}
    (table.parent / "data").mkdir()
    pl.DataFrame({"identity": people, "name": people, **columns}).write_csv(table.parent / "data/roster.csv")
    done = CliRunner().invoke(app, ["verify", "made.parquet", "--fmr", "0.1"], env={"COLUMNS": str(width)})
    assert done.exit_code == 0, (done.output, done.exception)
    shown = done.output
    assert all(len(line.rstrip()) <= width for line in shown.splitlines() if line[0] in "┏┃│")
    assert "…" not in shown
    headings = [columns_of(each) for each in shown.split("└")]
    assert ["FMR wanted", "FDR", "GARBE", "Rate", "Worst case", "Max / min", "Max / geometric mean", "Gini",
            "Worst group"] in headings  # fmt: skip
    assert (["race", *sorted(races)] in headings) == names_are_columns
    assert ("FMR across groups by race, 0.1 wanted" in shown) == names_are_columns
    assert ["Group", "Other group", "FMR, 0.1 wanted"] in headings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop("vector"), "made.parquet: no table of `mtf embed`: the column vector is missing"),
        (lambda rows: rows.with_columns(path=pl.lit("a.jpg")), "made.parquet: no person is known"),
        (lambda rows: rows.head(1), "1 people with a vector; a pair takes two"),
    ],
)
def test_a_table_that_is_none_is_refused(table, change, said) -> None:
    change(pl.read_parquet(table)).write_parquet(table)
    with pytest.raises(BadInput, match=said):
        verify.run(verify.ProjectPaths(table.parent), str(table), model="dlib")


def test_a_source_that_is_none_is_refused_with_the_stages(table) -> None:
    with pytest.raises(BadInput, match=r"SOURCE: 'curat' is not permitted; permitted: a stage \(crop, curate, split\)"):
        verify.run(verify.ProjectPaths(table.parent), "curat", model="dlib")


def test_too_small_a_number_of_pictures_is_named(table) -> None:
    with pytest.raises(BadInput, match=r"people with a vector, of whom \d fit into --max-pictures 2; a pair takes two"):
        verify.run(verify.ProjectPaths(table.parent), str(table), model="dlib", max_pictures=2)


def test_an_fmr_that_is_no_share_is_refused(table) -> None:
    with pytest.raises(BadInput, match=r"--fmr.*above 0 and below 1"):
        verify.run(verify.ProjectPaths(table.parent), str(table), model="dlib", fmrs=(1.0,))
