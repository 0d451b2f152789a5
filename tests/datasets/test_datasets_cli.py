"""`mtf dataset`: what a person types, and what stands in the project afterwards."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from mtf import cli, config, schemas
from mtf.cli import dataset
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import fairface
from mtf.schemas import roster_file
from mtf.sources.folder import Folder
from projects import merged


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (50, 50, 3), dtype=np.uint8))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with this repository's parameters."""
    own = Path(__file__).parent.parent.parent / "params.yaml"
    (tmp_path / "params.yaml").write_text(own.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def utkface(here: Path) -> Path:
    """60 noise pictures named as UTKFace names them."""
    for number in range(60):
        save(here / "faces" / f"{20 + number}_{number % 2}_{number % 5}_2017{number:08}.jpg", number)
    return here / "faces"


@pytest.fixture
def fairface_labels(here: Path) -> Path:
    lines = ["file,age,gender,race,service_test"]
    for number in range(40):
        save(here / "ff" / "train" / f"{number}.jpg", number)
        age, race = ("03-Sep", "20-29")[number % 2], fairface.ATTRIBUTES["race"][number % 7]
        lines.append(f"train/{number}.jpg,{age},{('Male', 'Female')[number // 20]},{race},TRUE")
    (here / "labels.csv").write_text("\n".join(lines))
    return here / "labels.csv"


@pytest.fixture
def age_csv(here: Path) -> Path:
    random, lines = np.random.default_rng(0), ["age,ethnicity,gender,img_name,pixels"]
    for number in range(40):
        pixels = " ".join(map(str, random.integers(0, 256, 48 * 48)))
        lines.append(f"{20 + number},{number % 5},{number // 20},{number}.jpg,{pixels}")
    (here / "age.csv").write_text("\n".join(lines))
    return here / "age.csv"


@pytest.fixture
def people(here: Path) -> Path:
    """Three people of three pictures each, laid out as LFW is."""
    for person in range(3):
        for number in range(1, 4):
            save(here / "lfw" / f"Person_{person}" / f"Person_{person}_{number:04}.jpg", 10 * person + number)
    return here / "lfw"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(dataset.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def project(name: str = "project") -> tuple[ProjectPaths, config.Params, pl.DataFrame]:
    workspace = ProjectPaths(Path(name).resolve())
    typed = config.load(workspace.params)
    return workspace, typed, schemas.read(schemas.splits(typed), workspace.table("split", "splits"))


def test_tables_make_a_project_that_training_can_read(utkface: Path) -> None:
    said = run("tables", "utkface", str(utkface), "--to", "project")
    assert "utkface: 60 pictures, LicenseRef-UTKFace" in said
    assert "divided 72/8/20, stratified by gender, seed 42 (EFRS): 43 train / 5 val / 12 test" in said
    _, typed, splits = project()
    assert typed.train.tasks == ["race", "gender", "age"]
    assert typed.tasks["age"].label_of_age(4) == "Child"
    # 72/8/20 of 60, as scikit-learn rounds it: 12 test, then 5 of the 48 others.
    assert dict(splits["split"].value_counts().iter_rows()) == {"train": 43, "val": 5, "test": 12}


def test_tables_leave_the_recipes_of_the_project_as_they_are(utkface: Path, here: Path) -> None:
    raw = yaml.safe_load((here / "params.yaml").read_text())
    raw["train"]["recipe"], raw["multitask"]["recipe"], raw["multitask"]["weightings"] = "modern", "das", ["dwa"]
    (here / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    run("tables", "utkface", str(utkface), "--to", "project")
    _, typed, _ = project()
    assert typed.train.recipe == "modern"
    assert typed.multitask is not None
    assert (typed.multitask.recipe, typed.multitask.weightings) == ("das", ["dwa"])


def test_what_the_old_project_says_of_its_own_data_set_does_not_stop_an_import(
    fairface_labels: Path, here: Path
) -> None:
    raw = yaml.safe_load((here / "params.yaml").read_text())
    raw["report"]["target"] = {"gender": {"Males": 0.5, "Females": 0.5}}
    raw["gates"]["label_share"] = {"gender": [0.4, 0.6]}
    raw["release"]["previous"] = "v1.0.0"
    raw["train"]["weights"] = {"resnet50-pretrained": "weights/resnet.pth"}
    raw["multitask"] |= {"backbone": "facenet", "weights": "weights/facenet.pt"}
    raw["screen"] |= {"embedding": "sface", "embedding_weights": "/elsewhere/sface.onnx"}
    (here / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    run("tables", "fairface", "ff", "--labels", str(fairface_labels), "--to", "project")
    _, typed, _ = project()
    assert (typed.report.target, typed.gates, typed.release.previous) == ({}, config.Gates(), None)
    # Read from the new folder, they are the same files.
    assert typed.train.weights == {"resnet50-pretrained": str(here / "weights/resnet.pth")}
    assert typed.multitask is not None
    assert typed.multitask.weights == str(here / "weights/facenet.pt")
    assert typed.screen.embedding_weights == "/elsewhere/sface.onnx"
    (source,) = typed.crawl.sources
    assert isinstance(source, Folder)
    assert source.path == str(here / "ff")


def test_one_file_outside_the_parts_is_named_and_never_changes_the_division(utkface: Path) -> None:
    files = sorted(utkface.iterdir())
    for number, file in enumerate(files[1:]):
        (utkface / f"part{1 + number % 3}").mkdir(exist_ok=True)
        file.rename(utkface / f"part{1 + number % 3}" / file.name)
    with pytest.raises(BadInput, match=rf"\(1 of 60 pictures\): '{files[0].name}' is not permitted.*--division shares"):
        run("tables", "utkface", str(utkface), "--to", "project")
    assert not Path("project").exists()
    assert "12 test" in run("tables", "utkface", str(utkface), "--no-crop", "--to", "project", "--division", "shares")
    files[0].unlink()
    said = run("tables", "utkface", str(utkface), "--no-crop", "--to", "parted")
    assert "divided by part: I trains, II tests, III validates (Das et al.): 20 train / 19 val / 20 test" in said
    with pytest.raises(BadInput, match="--division: 'x' is not permitted; permitted: parts, shares"):
        run("tables", "utkface", str(utkface), "--to", "other", "--division", "x")


def test_ages_can_be_grouped_by_the_years_of_the_projects_own_task(utkface: Path) -> None:
    run("tables", "utkface", str(utkface), "--to", "project", "--years-of", "age")
    _, typed, splits = project()
    assert typed.tasks["age"].labels == ["Young", "Old"]
    # 20 to 49, and 50 to 79.
    assert dict(splits["age"].value_counts().iter_rows()) == {"Young": 30, "Old": 30}
    with pytest.raises(BadInput, match=r"--years-of: 'race' is not permitted; permitted: a task of params\.yaml with"):
        run("tables", "utkface", str(utkface), "--to", "other", "--years-of", "race")


def test_the_age_csv_becomes_tables_with_its_decades(age_csv: Path) -> None:
    run("tables", "age-csv", str(age_csv), "--to", "project")
    _, typed, splits = project()
    assert typed.train.tasks == ["ethnicity", "gender", "decade"]
    assert typed.tasks["decade"].label_of_age(25) == "20-29"
    assert splits.height == 40
    with pytest.raises(BadInput, match="use `mtf dataset tables`"):
        run("roster", "age-csv", str(age_csv))


def audit(folder: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(cli.app, ["audit", "licenses", "--plain"], catch_exceptions=False)
    return result.exit_code, result.output


def test_the_audit_knows_what_may_be_released_of_a_data_set(
    fairface_labels: Path, utkface: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("tables", "fairface", "ff", "--labels", str(fairface_labels), "--to", "open")
    assert audit("open", monkeypatch)[0] == 0
    run("tables", "utkface", str(utkface), "--to", "closed")
    code, said = audit("closed", monkeypatch)
    assert code == 1
    assert said.count("LicenseRef-UTKFace") == 60


@pytest.mark.parametrize(
    ("kind", "options", "identities", "tasks"),
    [
        ("utkface", ["faces"], 60, ["race", "gender", "age"]),
        ("fairface", ["ff", "--labels", "labels.csv"], 40, ["race", "gender", "age"]),
        ("lfw", ["lfw"], 3, ["recognition"]),
        ("folder", ["lfw", "--license", "CC-BY-4.0", "--creator", "Ann"], 3, ["recognition"]),
    ],
)
@pytest.mark.usefixtures("utkface", "fairface_labels", "people")
def test_a_roster_and_the_parameters_printed_with_it_fit_together(
    here: Path, kind: str, options: list[str], identities: int, tasks: list[str]
) -> None:
    said = run("roster", kind, *options)
    assert f"data/roster.csv: {identities} identities; params.yaml needs:\n" in said
    printed = yaml.safe_load(said.partition("params.yaml needs:\n")[2])
    raw = yaml.safe_load((here / "params.yaml").read_text())
    typed = config.parse(merged(raw | {"tasks": {}}, printed))
    assert list(typed.tasks) == typed.train.tasks == tasks
    people = roster_file.load(here / "data" / "roster.csv", typed)
    assert people.height == identities
    named = {file for files in people["files"] for file in files.split(";")}
    assert named == {path.relative_to(here / options[0]).as_posix() for path in (here / options[0]).rglob("*.jpg")}
    # A person with a single picture would else fall to the least number of images.
    assert typed.curate.min_images_per_identity == (1 if identities > 3 else 5)
    (source,) = typed.crawl.sources
    assert source.kind == "folder"
    assert source.license is not None
    if kind == "folder":
        assert (source.license, source.creator) == ("CC-BY-4.0", "Ann")


def test_a_license_that_nobody_knows_is_told_before_anything_is_written(people: Path, here: Path) -> None:
    with pytest.raises(BadInput, match="--license: 'free!' is not permitted"):
        run("roster", "folder", str(people), "--license", "free!")
    assert not (here / "data").exists()


def test_a_folder_that_is_not_empty_is_not_written_into(utkface: Path) -> None:
    with pytest.raises(BadInput, match="faces: not empty; name a new folder"):
        run("tables", "utkface", str(utkface), "--to", "faces")


def test_people_without_labels_cannot_become_tables(people: Path) -> None:
    with pytest.raises(BadInput, match="lfw: it has identities but no labels to train on; use `mtf dataset roster`"):
        run("tables", "lfw", str(people), "--to", "project")


def test_fairface_without_its_label_file_says_what_is_missing(utkface: Path) -> None:
    with pytest.raises(BadInput, match="name its label file with --labels"):
        run("roster", "fairface", str(utkface))
