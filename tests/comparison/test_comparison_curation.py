"""Table 9 with three arms: who is in which, what each is tested on, and that nothing tested was learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from mtf.cli import app
from mtf.comparison import curation, trials
from mtf.config import IDENTITY, Params
from mtf.core import markdown_tables
from mtf.core.errors import BadInput, GateFailed
from mtf.core.hashing import file_digest
from mtf.core.project_paths import ProjectPaths
from mtf.gates import outcome
from mtf.papers import mtf_tables
from mtf.pipeline import multitask, multitask_results, release_models, train
from mtf.training import checkpoint
from training_project import write_curation, write_project

QUICK = {"optimizer": "adamw", "learning_rate": 0.01, "max_epochs": 1, "patience": 1, "batch": 16}


@pytest.fixture
def project(tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch) -> tuple[ProjectPaths, Params]:
    """The people of `write_curation`."""
    workspace, params = write_project(tmp_path, sample_params, recipe="quick", recipes={"quick": QUICK})
    write_curation(workspace, params)
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return workspace, params


def made_arms(project: tuple[ProjectPaths, Params]) -> dict[str, pl.DataFrame]:
    workspace, params = project
    splits, non_curated, screening = (
        pl.read_parquet(workspace.table(*place))
        for place in (("split", "splits"), ("curate", "non_curated"), ("screen", "screening"))
    )
    return curation.training_sets(splits, non_curated, screening, params)


def numbered(project: tuple[ProjectPaths, Params], arm: pl.DataFrame) -> pl.DataFrame:
    everything = pl.read_parquet(project[0].table("curate", "non_curated"))
    numbers = everything.with_columns(number=pl.int_range(pl.len()).over(IDENTITY))
    return arm.join(numbers.select(IDENTITY, "face_id", "number"), on=[IDENTITY, "face_id"])


def test_each_arm_has_the_faces_that_its_makers_would_keep(project: tuple[ProjectPaths, Params]) -> None:
    found = {name: numbered(project, arm) for name, arm in made_arms(project).items()}
    assert list(found) == ["non_curated", "screened", "curated"]
    assert sorted(found["non_curated"].filter(identity="ada")["number"]) == list(range(13))
    assert sorted(found["screened"].filter(identity="ada")["number"]) == [*range(4), *range(5, 13)]
    assert sorted(found["curated"].filter(identity="ada")["number"]) == list(range(2, 13))
    assert "finn" in set(found["screened"][IDENTITY]) - set(found["curated"][IDENTITY])


def test_what_only_people_could_say_is_in_no_arm(project: tuple[ProjectPaths, Params]) -> None:
    """A shot that is listed for several people: the non-curated set is made without the panel's word."""
    workspace, params = project
    path = workspace.table("curate", "non_curated")
    shot = pl.read_parquet(workspace.table("split", "splits")).filter(split="test")["face_id"][0]
    pl.read_parquet(path).filter(pl.col("face_id") != shot).write_parquet(path)
    for arm in curation.training_sets(*curation._read(workspace, params), params).values():
        assert arm.height and shot not in set(arm["face_id"])


def test_the_arms_are_divided_by_the_papers_shares(project: tuple[ProjectPaths, Params]) -> None:
    arm = made_arms(project)["non_curated"]
    tested = arm.filter(split="test").height
    assert tested / arm.height == pytest.approx(0.24, abs=0.05)  # four fifths of the 30 % that are not trained on
    parts = arm.filter(pl.col("split") != curation.WITHHELD)
    assert parts.group_by("image_id").agg(pl.col("split").n_unique())["split"].max() == 1


def test_what_is_tied_to_the_tested_faces_is_withheld_from_every_arm(project: tuple[ProjectPaths, Params]) -> None:
    for name, arm in made_arms(project).items():
        faces = numbered(project, arm).filter(pl.col(IDENTITY) != "finn")
        learned = faces.filter(pl.col("split").is_in(["train", "val"]))
        # 10, 11 and 12 are tested; 0 shares 12's picture; 1 and 3 are in 11's group.
        assert not set(learned["number"]) & {0, 1, 3, 10, 11, 12}, name
        assert set(learned["number"]) <= set(range(13)) - {0, 1, 3, 10, 11, 12}
    curated = numbered(project, made_arms(project)["curated"])
    assert set(curated.filter(split=curation.WITHHELD)["number"]) == {3}


def test_nothing_is_withheld_of_people_who_are_not_tested(project: tuple[ProjectPaths, Params]) -> None:
    others = made_arms(project)["non_curated"].filter(identity="finn")
    assert curation.WITHHELD not in set(others["split"])


def faces(*rows: tuple[str, str, str | None]) -> pl.DataFrame:
    columns = ("face_id", "image_id", "duplicate_group")
    table = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    return table.with_columns(identity=pl.lit("ada"))


def test_ties_lead_over_faces_of_one_picture_and_over_groups() -> None:
    everything = faces(
        ("tested", "p1", None),
        ("beside it", "p1", "g1"),
        ("like that one", "p2", "g1"),
        ("beside that", "p2", None),
        ("other", "p3", "g2"),
        ("like the other", "p4", "g2"),
    )
    tied = curation.linked_faces(everything.head(1), everything)
    assert tied["face_id"].to_list() == ["tested", "beside it", "like that one", "beside that"]


def ask(project: tuple[ProjectPaths, Params], **changes: Any) -> dict[str, Any]:
    asked = {"model": "small_cnn", "tasks": ["recognition", "gender"], "recipe": "quick", "seeds": 1} | changes
    return curation.run(*project, **asked)


@pytest.mark.train
def test_no_network_learns_from_a_picture_or_group_that_is_tested(
    project: tuple[ProjectPaths, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training data as the training loop gets it, by row among the pictures."""
    seen: list[trials.ComparisonData] = []
    run = trials.ComparisonRun.run
    monkeypatch.setattr(
        trials.ComparisonRun,
        "run",
        lambda self, comparison_data, **keep: seen.append(comparison_data) or run(self, comparison_data, **keep),
    )
    found = ask(project)
    everything = pl.read_parquet(project[0].table("curate", "non_curated"))
    assert len(seen) == 6
    for comparison_data in seen:
        learned = everything[np.concatenate([comparison_data.training.rows, comparison_data.validation.rows])]
        for tested in comparison_data.tests.values():
            shown = everything[tested.rows]
            assert not set(learned["image_id"]) & set(shown["image_id"])
            groups = set(learned["duplicate_group"].drop_nulls())
            assert not groups & set(shown["duplicate_group"].drop_nulls())
    common = {tuple(comparison_data.tests["common"].rows) for comparison_data in seen}
    assert len(common) == 1
    assert found["arms"]["curated"] == {"faces": 55, "identities": 5}
    assert found["arms"]["non_curated"] == {"faces": 78, "identities": 6}


@pytest.mark.train
def test_recognition_is_learned_from_the_curated_sets_people_in_every_arm(project: tuple[ProjectPaths, Params]) -> None:
    found = ask(project)["tasks"]
    recognition, gender = (found[task]["non_curated"]["images"] for task in ("recognition", "gender"))
    assert sum(gender[part] for part in ("train", "val", "test", "withheld")) == 78
    assert sum(recognition[part] for part in ("train", "val", "test", "withheld")) == 65
    assert recognition["common"] == gender["common"] == 15


@pytest.mark.train
def test_the_figures_stand_in_a_file_and_are_not_worked_out_twice(
    project: tuple[ProjectPaths, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(project, tasks=["gender"], seeds=2)
    monkeypatch.setattr(trials.ComparisonRun, "run", lambda *_, **__: pytest.fail("trained again"))
    assert ask(project, tasks=["gender"], seeds=2) == first
    written = json.loads(project[0].metrics("compare/curation").read_text())
    runs = written.pop("runs")
    assert written == first
    accuracies = [runs[f"small_cnn/gender/quick/screened/{seed}"]["tests"]["common"]["accuracy"] for seed in (42, 43)]
    said = first["tasks"]["gender"]["screened"]["common"]["accuracy"]
    assert said["mean"] == pytest.approx(np.mean(accuracies), abs=1e-4)
    assert said["std"] == pytest.approx(np.std(accuracies, ddof=1), abs=1e-4)


def test_a_set_that_nobody_curated_has_nothing_to_compare(project: tuple[ProjectPaths, Params]) -> None:
    workspace, params = project
    screened = params.model_copy(update={"curate": params.curate.model_copy(update={"mode": "screened"})})
    with pytest.raises(BadInput, match=r"curate\.mode: 'screened' is not permitted; permitted: curated"):
        ask((workspace, screened))


ONE = {name: {"mean": 0.5, "std": None} for name in ("accuracy", "precision", "recall", "f1")} | {
    "epochs": {"mean": 7, "std": None},
    "minutes": {"mean": 1.25, "std": None},
}
TWO = {name: {"mean": 0.9577, "std": 0.0123} for name in ("accuracy", "precision", "recall", "f1")} | {
    "epochs": {"mean": 70.5, "std": 2.5},
    "minutes": {"mean": 20.0, "std": 0.5},
}


def test_table_9_has_a_row_for_each_arm_and_test() -> None:
    by_arm = {
        "non_curated": {"images": {"train": 74506}, "own": ONE, "common": TWO},
        "curated": {"images": {"train": 3662}, "own": TWO, "common": TWO},
    }
    found = {"model": "convnext_base-pretrained", "recipe": "mtf", "seeds": 1, "tasks": {"race": by_arm}}
    table = mtf_tables.curation(found)
    assert table["table"] == 9
    assert [(row["arm"], row["tested_on"], row["images"]) for row in table["rows"]] == [
        ("non_curated", "own", 74506),
        ("non_curated", "common", 74506),
        ("curated", "common", 3662),
    ]
    assert markdown_tables.table(mtf_tables.CURATION_COLUMNS, mtf_tables.curation_rows(table)).splitlines() == [
        "| Task | Training data | Images | Tested on | Accuracy | Precision | Recall | F1 score | Epochs | Minutes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| race | Unprocessed | 74,506 | its own part | 50.00% | 50.00% | 50.00% | 50.00% | 7.0 | 1.2 |",
        "| race | Unprocessed | 74,506 | the curated part | 95.77 ± 1.23% | 95.77 ± 1.23% | 95.77 ± 1.23% "
        "| 95.77 ± 1.23% | 70.5 ± 2.5 | 20.0 ± 0.5 |",
        "| race | Curated | 3,662 | the curated part | 95.77 ± 1.23% | 95.77 ± 1.23% | 95.77 ± 1.23% "
        "| 95.77 ± 1.23% | 70.5 ± 2.5 | 20.0 ± 0.5 |",
    ]


@pytest.mark.train
def test_the_command_prints_table_9_as_markdown_and_as_json(project: tuple[ProjectPaths, Params]) -> None:
    asked = ["compare", "curation", "--task", "gender"]
    as_markdown = CliRunner().invoke(app, [*asked, "--markdown"], catch_exceptions=False).stdout.splitlines()
    assert as_markdown[0] == "**small_cnn, recipe quick, 1 seed each (MTF, Table 9)**"
    assert [line.split(" | ")[1] for line in as_markdown[4:]] == [
        *["Unprocessed"] * 2,
        *["Screened by machine"] * 2,
        "Curated",
    ]
    said = json.loads(CliRunner().invoke(app, [*asked, "--json"], catch_exceptions=False).stdout)
    written = json.loads(project[0].metrics("compare/curation").read_text())
    assert said == mtf_tables.curation(written)


@pytest.mark.train
def test_trained_networks_are_released_with_their_cards_and_those_of_the_training_sets(
    tmp_path: Path,
    sample_params: Params,
    project: tuple[ProjectPaths, Params],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace, params = project
    changes = {"train": params.train.model_copy(update={"tasks": ["gender"]})}
    changes["multitask"] = params.multitask.model_copy(update={"recipe": "quick"})
    params = params.model_copy(update=changes)
    with pytest.raises(GateFailed, match="gates"):
        release_models.run(workspace, params, to=None)
    monkeypatch.setattr(outcome, "refuse", lambda *_: None)
    with pytest.raises(GateFailed, match=r"build/models/small_cnn/gender/model\.pt: no such model"):
        release_models.run(workspace, params, to=None)

    train.run(workspace, params, model="small_cnn", task="gender")
    multitask.run(workspace, params, weighting="equal")
    multitask_results.run(workspace, params, weighting="equal")
    compared = {"model": "small_cnn", "tasks": ["gender"], "recipe": "quick", "seeds": 1}
    curation.run(workspace, params, **compared)
    release_models.run(workspace, params, to=tmp_path / "bundle")
    arms = [f"table-9/{name}/gender" for name in curation.TRAINING_SETS]
    places = sorted(["multitask/equal", "small_cnn/gender", *arms])
    bundle = tmp_path / "bundle"
    assert sorted(str(path.parent.relative_to(bundle)) for path in bundle.rglob("model.pt")) == places
    assert all((bundle / place / "card.md").is_file() for place in places)
    assert "training set: unprocessed" in (bundle / "table-9/non_curated/gender/card.md").read_text()
    assert "the curated test part" in (bundle / "table-9/screened/gender/card.md").read_text()
    sums = dict(line.split("  ")[::-1] for line in (bundle / "SHA256SUMS").read_text().splitlines())
    assert sums["small_cnn/gender/model.pt"] == file_digest(workspace.stage("models") / "small_cnn/gender/model.pt")
    assert checkpoint.load(bundle / arms[0] / "model.pt")[1].task == "gender"

    # A network that is missing is trained again, though its figures are kept.
    kept = workspace.stage("compare") / "curation/small_cnn/gender/quick/screened.pt"
    kept.unlink()
    with pytest.raises(GateFailed, match=r"screened\.pt: missing, or trained on other data"):
        release_models.run(workspace, params, to=bundle)
    curation.run(workspace, params, **compared)
    assert kept.is_file()
    # Of another split, nothing is released.
    splits = pl.read_parquet(workspace.table("split", "splits"))
    splits[1:].write_parquet(workspace.table("split", "splits"))
    with pytest.raises(GateFailed, match="trained on another split; `dvc repro`"):
        release_models.run(workspace, params, to=bundle)
    with pytest.raises(BadInput, match="exists, and is no bundle of models"):
        release_models.run(workspace, params, to=workspace.build)
