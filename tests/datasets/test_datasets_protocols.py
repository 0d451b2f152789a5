"""The papers' protocols, end to end on made-up data: one command lays out, trains, measures and prints."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
import yaml
from typer.testing import CliRunner

from mtf import config, schemas
from mtf.cli import dataset
from mtf.core import shards
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import project_files
from mtf.datasets import utkface as utkface_set
from mtf.pipeline import train
from mtf.sample import drawing, people, photograph
from mtf.training.networks import facenet

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with this repository's parameters, but for one epoch of each recipe."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    for recipe in raw["train"]["recipes"].values():
        recipe["max_epochs"] = 1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(dataset.app, ["protocol", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def project() -> tuple[ProjectPaths, config.Params, pl.DataFrame]:
    workspace = ProjectPaths(Path("project").resolve())
    typed = config.load(workspace.params)
    return workspace, typed, schemas.read(schemas.splits(typed), workspace.table("split", "splits"))


def age_csv(path: Path, rows: int) -> Path:
    """Women are light and men dark; the last two rows are one picture twice."""
    random, lines = np.random.default_rng(0), ["age,ethnicity,gender,img_name,pixels"]
    for number in range(rows):
        level = 170 if number % 2 else 80
        pixels = " ".join(map(str, random.integers(level - 60, level + 60, 48 * 48)))
        lines.append(f"{20 + (number * 7) % 60},{number % 5},{number % 2},{number}.jpg,{pixels}")
    lines[-1] = lines[-2]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.train
def test_efrs_comes_from_the_age_csv_by_one_command(here: Path) -> None:
    source, beside = str(age_csv(here / "age.csv", 75)), ("--seeds", "2", "--network", "small_cnn")
    said = run("age-csv", source, "--to", "project", "--epochs", "1", *beside)
    workspace, typed, splits = project()
    assert typed.seed == 42
    assert dict(splits["split"].value_counts().iter_rows()) == {"train": 54, "val": 6, "test": 15}
    for number, count in ((1, 5), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)):
        assert said.count(f"**Table {number}: ") == count
    assert "| cnn1 | 728,194 | 2,184,584 |" in said
    assert "**Table 3: cnn2 on gender, over ethnicity**" in said
    assert "**Table 5: cnn2 on gender, over decade within 20 to 79 years**" in said
    found = json.loads(workspace.metrics("label/compare-gender").read_text())
    assert found["table_1"]["logistic"]["accuracy"]["test"]["mean"] == 1.0
    assert list(found["table_1"]) == ["logistic", "cnn1", "cnn2", "cnn3", "small_cnn"]
    # Each table has intervals over the seeds.
    assert "Mean over 2 seeds (42 to 43), each with its own division, and 95 % interval." in said
    for title in ("Table 1: ", "Table 3: ", "Table 4: ", "Table 5: ", "Table 6: "):
        table = said.split(f"**{title}", 1)[1].split("**Table", 1)[0]
        assert re.search(r"\| -?\d\.\d{3} \(-?\d\.\d{3} to \d\.\d{3}\)", table), table
    # All ages lie between 20 and 79.
    assert found["table_5"] == found["table_4"]
    assert (workspace.plots("label") / "compare-gender" / "figure-7-subgroups.svg").is_file()


def test_networks_and_seeds_are_for_efrs_alone(here: Path) -> None:
    with pytest.raises(BadInput, match=r"--seeds: 'utkface' is not permitted; permitted: only with age-csv"):
        run("utkface", "x", "--to", "project", "--seeds", "2")
    with pytest.raises(BadInput, match=r"--network: 'lenet' is not permitted; permitted: small_cnn"):
        run("age-csv", "x.csv", "--to", "project", "--network", "lenet")


def utkface(folder: Path) -> Path:
    """Nine pictures in part I, five in II, three in III, one of which is in I as well."""
    for part, count in ((1, 9), (2, 5), (3, 3)):
        for number in range(count):
            seed = 100 * part + number if (part, number) != (3, 2) else 100
            picture = np.random.default_rng(seed).integers(0, 256, (60, 60, 3), dtype=np.uint8)
            path = folder / f"part{part}" / f"{10 * number}_{number // 2 % 2}_{number % 5}_2017{part}{number:08}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    return folder


@pytest.mark.train
def test_das_comes_from_utkface_by_one_command(here: Path) -> None:
    said = run("utkface", str(utkface(here / "UTKFace")), "--no-crop", "--to", "project")
    workspace, typed, splits = project()
    assert "9 train / 3 val / 5 test" in said
    assert "laid out: 17\n" in said
    # A quarter of part I is set aside for the support vector machines.
    assert "of part I, set aside for the support vector machines: 3\n" in said
    assert dict(splits["split"].value_counts().iter_rows()) == {"train": 6, "val": 3, "test": 5}
    aside = schemas.read(schemas.splits(typed), workspace.table("split", "classifier"))
    assert (aside.height, aside.join(splits, on="face_id", how="semi").height) == (3, 0)
    assert typed.train.input_px == 160
    assert typed.multitask is not None
    assert (typed.multitask.backbone, typed.multitask.weightings) == ("facenet", ["dynamic"])
    assert typed.multitask.tasks == ["race", "gender", "age"]
    measured = json.loads(workspace.metrics("multitask/dynamic").read_text())
    assert set(measured["accuracy"]) == {"race", "gender", "age", "all"}
    assert "multitask dynamic: best after epoch 1" in said
    assert all(f"Table {number}" in said for number in (1, 2, 3, 4))
    # Below each of the five tables, and where the network is measured.
    assert said.count("Test pictures without a detected face: 0 of 5; they are left out.") == 6


@pytest.mark.train
def test_the_papers_baseline_is_trained_for_each_task_on_demand(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A quarter of the pixels: what this test asks does not depend on them, and 160 are asked for above.
    monkeypatch.setitem(project_files.DAS, "input_px", 80)
    torch.manual_seed(3)
    torch.save(facenet.InceptionResnetV1(512).state_dict(), here / "facenet.pt")
    digest = hashlib.sha256((here / "facenet.pt").read_bytes()).hexdigest()
    source = str(utkface(here / "UTKFace"))
    said = run("utkface", source, "--no-crop", "--to", "project", "--weights", "facenet.pt", "--single-tasks")
    workspace, typed, _ = project()
    assert typed.train.weights == {"facenet": str(here / "facenet.pt")}
    assert list(json.loads(workspace.metrics("evaluate").read_text())) == ["race", "gender", "age"]
    for task in ("race", "gender", "age"):
        measured = json.loads(train.training_figures(workspace, "facenet", task).read_text())
        assert (measured["pretrained"], measured["epochs"], measured["training_images"]) == (True, 1, 6)
        card = (workspace.stage("evaluate") / "cards" / "facenet" / f"{task}.md").read_text()
        assert f"| facenet.pt, SHA-256 `{digest}` |" in card
        assert "| recipe | das |" in card
    # The single-task networks are columns of the tables beside the shared one.
    assert "| facenet" in said
    assert "multitask, dynamic" in said
    predictions = schemas.read(schemas.PREDICTIONS, workspace.stage("multitask") / "dynamic" / "predictions.parquet")
    assert dict(predictions["task"].value_counts().iter_rows()) == {"race": 5, "gender": 5, "age": 5}


def befa(folder: Path) -> Path:
    """A picture of each age, of two genders and of the four races of BEFA, which has no `Others`."""
    for number, age in enumerate(utkface_set.YEARS):
        path = folder / ("Male", "Female")[number % 2] / f"{age}_{utkface_set.RACES[number % 4]}" / "1.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((60, 60, 3), 30 * number, np.uint8))
    return folder


@pytest.mark.train
def test_the_whole_of_the_paper_is_one_command(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A small network in the place of FaceNet, which takes a minute for what this test asks.
    for key, value in {"input_px": 32, "backbone": "small_cnn"}.items():
        monkeypatch.setitem(project_files.DAS, key, value)
    befa(here / "befa")
    source = str(utkface(here / "UTKFace"))
    said = run("utkface", source, "--no-crop", "--to", "project", "--baselines", "--search", "3", "--on", "befa")
    _, typed, _ = project()
    assert typed.multitask is not None
    assert typed.multitask.first_weights == pytest.approx(dict.fromkeys(("race", "gender", "age"), 1 / 3))
    assert typed.multitask.branches == "normalised"
    assert all(f"(Das et al., Table {number})" in said for number in range(1, 6))
    assert "| small_cnn, as it is, SVM |" in said
    assert "| small_cnn, fine-tuned, SVM |" in said
    assert "**Mean accuracy on befa, all attributes at once first, 56 categories** (Das et al., Table 5)" in said
    assert "are not made yet" not in said


class Killed(Exception):
    """Stands for the end of the process."""


def das(*options: str) -> list[str]:
    return ["utkface", "UTKFace", "--no-crop", "--to", "project", *options]


@pytest.mark.train
def test_a_run_that_was_killed_continues_by_the_same_command(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"input_px": 32, "backbone": "small_cnn"}.items():
        monkeypatch.setitem(project_files.DAS, key, value)
    utkface(here / "UTKFace")

    def killed(*_: object, **__: object) -> None:
        raise Killed

    # Before the last file of the layout is written, and before the network is measured.
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("mtf.datasets.tables.write", killed)
        run(*das("--single-tasks"))
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("mtf.pipeline.multitask_results.run", killed)
        run(*das("--single-tasks"))
    workspace, _, splits = project()
    laid_out = workspace.params.stat().st_mtime_ns
    trained = workspace.stage("multitask") / "dynamic" / "model.pt"
    before = trained.stat().st_mtime_ns
    said = run(*das("--single-tasks"))
    assert "train small_cnn race: kept from before\n" in said
    assert "multitask dynamic: kept from before\n" in said
    assert "(Das et al., Table 1)" in said
    assert (workspace.params.stat().st_mtime_ns, trained.stat().st_mtime_ns) == (laid_out, before)
    assert project()[2].equals(splits)
    # The present recipe decides what is kept.
    raw = yaml.safe_load(workspace.params.read_text())
    raw["train"]["recipes"]["das"]["batch"] = 4
    workspace.params.write_text(yaml.safe_dump(raw))
    assert "kept from before" not in run(*das("--single-tasks"))


def test_a_folder_of_another_command_is_refused_with_what_differs(here: Path) -> None:
    utkface(here / "UTKFace")
    run(*das("--only-lay-out"))
    assert "a project of its own; run `mtf multitask --weighting dynamic`" in run(*das("--only-lay-out"))
    with pytest.raises(
        BadInput, match=r"^project: not empty, begun with another --baselines, --search; name a new fol"
    ):
        run(*das("--search", "3", "--baselines"))
    next((here / "UTKFace").rglob("*.jpg")).unlink()
    with pytest.raises(BadInput, match=r"^project: not empty, begun with another SOURCE; "):
        run(*das())
    (here / "project" / "build" / "protocol.json").unlink()
    with pytest.raises(BadInput, match=r"^project: not empty; name a new folder$"):
        run(*das())


def test_single_tasks_are_for_utkface_alone(here: Path) -> None:
    with pytest.raises(BadInput, match="--single-tasks: 'age-csv' is not permitted; permitted: only with utkface"):
        run("age-csv", "x.csv", "--to", "other", "--single-tasks")


def test_a_protocol_can_be_laid_out_first_with_weights_of_ones_own(here: Path) -> None:
    (here / "facenet.pt").write_bytes(b"weights")
    said = run(
        *(
            "utkface",
            str(utkface(here / "UTKFace")),
            "--no-crop",
            "--to",
            "project",
            "--weights",
            "facenet.pt",
            "--only-lay-out",
        )
    )
    assert said.endswith("project: a project of its own; run `mtf multitask --weighting dynamic` in it\n")
    workspace, typed, _ = project()
    assert typed.multitask is not None
    assert typed.multitask.weights == str(here / "facenet.pt")
    assert not workspace.stage("multitask").exists()


def in_the_wild(folder: Path) -> Path:
    """In each part four drawn people, small in a large picture, and a landscape."""
    random = np.random.default_rng(7)
    for part in (1, 2, 3):
        for number in range(5):
            person = people.Person(f"p{part}{number}", f"P {part} {number}", "Amber", "Males", "Young")
            taken = (
                photograph.portrait(person.traits(), person.identity, random) if number else drawing.landscape(random)
            )
            around = cv2.copyMakeBorder(taken.pixels, 0, 0, 100, 200, cv2.BORDER_REPLICATE)
            path = (
                folder
                / f"part{part}"
                / f"{(20, 21, 40, 25, 50)[number]}_{number % 2}_{number}_2017{part}{number:08}.jpg"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), around)
    return folder


def test_faces_are_cut_out_of_the_parts_and_pictures_without_one_are_counted(here: Path) -> None:
    source = str(in_the_wild(here / "UTKFace"))
    said = run("utkface", source, "--to", "project", "--only-lay-out", "--detector", "centerface")
    assert "left out, no face found in it: 3\nlaid out: 12\n" in said
    workspace, _, splits = project()
    # Two of part I are set aside: they fit the classifier.
    assert dict(splits["split"].value_counts().iter_rows()) == {"train": 2, "val": 4, "test": 4}
    whole = cv2.imread(f"{source}/part1/21_1_1_2017100000001.jpg")
    row = splits.row(0, named=True)
    assert 0 < row["width"] < whole.shape[1] / 2
    data = shards.read(workspace.shard("crop", row["identity"]), row["offset"], row["size_bytes"])
    crop = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    # With its margin, a face is about as wide as high: nothing is squashed when it becomes a square.
    assert 0.8 < crop.shape[0] / crop.shape[1] < 1.25
    assert row["width"] < crop.shape[1] < whole.shape[1] / 2
    found = schemas.read(schemas.DETECTIONS, workspace.table("crop", "detections"))
    assert dict(found["outcome"].value_counts().iter_rows()) == {"cropped": 12, "no_face": 3}
    # The tables of the evaluation say what became of the test picture without a face.
    undetected = schemas.read(schemas.undetected(config.load(workspace.params)), workspace.table("split", "undetected"))
    assert undetected.select("race", "gender", "age").rows() == [("White", "Male", "Young")]
    assert "laid out: 15\n" in run("utkface", source, "--no-crop", "--to", "whole", "--only-lay-out")
    # The paper's detector is MTCNN.
    assert config.load(ProjectPaths(Path("whole")).params).crop.detector == "mtcnn"


def test_weights_that_are_not_there_are_named(here: Path) -> None:
    with pytest.raises(BadInput, match=r"--weights: 'x\.pt' is not permitted; permitted: a file, and only with utk"):
        run("utkface", str(here), "--to", "project", "--weights", "x.pt")


def one_gender(path: Path) -> Path:
    age_csv(path, 60)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join([*row[:2], "gender" if row[0] == "age" else "0", *row[3:]]) for row in rows))
    return path


def parts(folder: Path, *numbers: int) -> Path:
    whole = utkface(folder)
    for number in {1, 2, 3} - set(numbers):
        shutil.rmtree(whole / f"part{number}")
    return whole


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        (
            "utkface",
            lambda at: parts(at, 1),
            r"UTKFace: no picture in part2, which is to test; all three parts are nee",
        ),
        ("utkface", lambda at: parts(at, 1, 2), r"UTKFace: no picture in part3, which is to validate"),
        (
            "utkface",
            lambda at: utkface(at) / "part1",
            r"\(9 of 9 pictures\): '0_0_0_.*`mtf dataset import utkface FOLDER",
        ),
        ("utkface", lambda at: at, r"UTKFace: no such folder or tar"),
        ("age-csv", lambda at: age_csv(at, 3), r"3 pictures cannot be divided 72/8/20 by gender"),
        ("age-csv", one_gender, r"age-csv: all 43 pictures that train have the gender Male; at least two labels"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    here: Path, kind: str, source: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        run(kind, str(source(here / "UTKFace")), "--no-crop", "--to", "project")
    assert not Path("project").exists()


def test_weights_of_something_else_are_refused_before_anything_is_written(here: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, here / "other.pt")
    with pytest.raises(BadInput, match=r"other\.pt: not weights of this network"):
        run("utkface", str(utkface(here / "UTKFace")), "--to", "project", "--weights", "other.pt")
    assert not Path("project").exists()


def test_the_options_that_a_refusal_names_exist(here: Path) -> None:
    """UTKFace becomes a project without regard to its parts, by the command that the message names."""
    source = utkface(here / "UTKFace")
    arguments = ["import", "utkface", str(source), "--crops", "--no-crop", "--division", "shares", "--to", "project"]
    result = CliRunner().invoke(dataset.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "divided 72/8/20" in result.stdout
