"""`mtf dataset`: what a person types, and what stands in the project afterwards."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from mtf import cli, config, schemas
from mtf.cli import dataset, dataset_sources
from mtf.core import csv_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import fairface
from mtf.project import imported, new
from mtf.schemas import roster_file
from mtf.sources.folder import Folder
from projects import mtf, run_in


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
    said = run("import", "--crops", "utkface", str(utkface), "--to", "project")
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
    run("import", "--crops", "utkface", str(utkface), "--to", "project")
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
    run("import", "--crops", "fairface", "ff", "--labels", str(fairface_labels), "--to", "project")
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
        run("import", "--crops", "utkface", str(utkface), "--to", "project")
    assert not Path("project").exists()
    assert "12 test" in run(
        "import", "--crops", "utkface", str(utkface), "--no-crop", "--to", "project", "--division", "shares"
    )
    files[0].unlink()
    said = run("import", "--crops", "utkface", str(utkface), "--no-crop", "--to", "parted")
    assert "divided by part: I trains, II tests, III validates (Das et al.): 20 train / 19 val / 20 test" in said
    with pytest.raises(BadInput, match="--division: 'x' is not permitted; permitted: parts, shares"):
        run("import", "--crops", "utkface", str(utkface), "--to", "other", "--division", "x")


def test_ages_can_be_grouped_by_the_years_of_the_projects_own_task(utkface: Path) -> None:
    run("import", "--crops", "utkface", str(utkface), "--to", "project", "--years-of", "age")
    _, typed, splits = project()
    assert typed.tasks["age"].labels == ["Young", "Old"]
    # 20 to 49, and 50 to 79.
    assert dict(splits["age"].value_counts().iter_rows()) == {"Young": 30, "Old": 30}
    with pytest.raises(BadInput, match=r"--years-of: 'race' is not permitted; permitted: a task of params\.yaml with"):
        run("import", "--crops", "utkface", str(utkface), "--to", "other", "--years-of", "race")


def test_the_age_csv_becomes_tables_with_its_decades(age_csv: Path) -> None:
    run("import", "--crops", "age-csv", str(age_csv), "--to", "project")
    _, typed, splits = project()
    assert typed.train.tasks == ["ethnicity", "gender", "decade"]
    assert typed.tasks["decade"].label_of_age(25) == "20-29"
    assert splits.height == 40


def audit(folder: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(cli.app, ["audit", "licenses", "--plain"], catch_exceptions=False)
    return result.exit_code, result.output


def test_the_audit_knows_what_may_be_released_of_a_data_set(
    fairface_labels: Path, utkface: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import", "--crops", "fairface", "ff", "--labels", str(fairface_labels), "--to", "open")
    assert audit("open", monkeypatch)[0] == 0
    run("import", "--crops", "utkface", str(utkface), "--to", "closed")
    code, said = audit("closed", monkeypatch)
    assert code == 1
    assert said.count("LicenseRef-UTKFace") == 60


@pytest.mark.parametrize(
    ("kind", "source", "identities", "tasks"),
    [
        ("utkface", "faces", 60, ["race", "gender", "age"]),
        ("fairface", "ff", 40, ["race", "gender", "age"]),
        ("lfw", "lfw", 3, ["recognition"]),
        ("folder", "lfw", 3, ["recognition"]),
    ],
)
@pytest.mark.usefixtures("utkface", "fairface_labels", "people")
def test_roster_and_parameters_of_an_imported_data_set_fit_together(
    here: Path, kind: str, source: str, identities: int, tasks: list[str]
) -> None:
    labels = here / "labels.csv" if kind == "fairface" else None
    data_set, _ = dataset_sources.load(dataset_sources.DatasetKind(kind), here / source, labels, license_id=None)
    project = imported.described(data_set, here / source, imported.ImportOptions("https://example.org/me", "mine"))
    typed = config.parse(yaml.safe_load(new.params_text(project)))
    assert list(typed.tasks) == typed.train.tasks == tasks
    for name, task in typed.tasks.items():
        if name != "recognition":
            assert task.labels == list(data_set.attributes[name]), "in the data set's order"
            assert dict(task.years) == dict(data_set.years.get(name, {}))
            assert task.per_identity
    csv_files.write(here / "roster.csv", project.roster.table)
    people = roster_file.load(here / "roster.csv", typed)
    assert people.height == identities
    named = {file for files in people["files"] for file in files.split(";")}
    assert named == {path.relative_to(here / source).as_posix() for path in (here / source).rglob("*.jpg")}
    # A person with a single picture would else fall to the least number of images.
    assert typed.curate.min_images_per_identity == (1 if identities > 3 else 5)


@pytest.mark.dvc
def test_the_example_of_the_documentation_makes_a_whole_project(people: Path, here: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "learning.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^(mtf dataset import folder people .*)$", page, re.MULTILINE)
    (here / "params.yaml").unlink()
    people.rename(here / "people")
    done = mtf(here, *shlex.split(example)[1:])
    assert done.returncode == 0, done.stderr
    assert "3 people; tasks: recognition" in done.stdout
    project = ProjectPaths(here / "my-faces")
    typed = config.load(project.params)
    (source,) = typed.crawl.sources
    assert isinstance(source, Folder)
    assert (source.path, source.license, source.creator) == ("data/pictures", "CC-BY-4.0", "Example Studio")
    assert len([*(project.data / "pictures").rglob("*.jpg")]) == 9
    for path in (project.roster, project.takedowns, project.attribution, project.card, project.review):
        assert path.exists(), path
    assert run_in(project.root, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["folder", "lfw"], "--license: missing; name the license that the owner states"),
        (["folder", "lfw", "--license", "free!"], "--license: 'free!' is not permitted"),
        (
            ["lfw", "lfw", "--license", "CC0-1.0"],
            "--license, --creator: 'lfw' is not permitted; permitted: folder only",
        ),
        (["lfw", "lfw"], "license: LicenseRef-LFW is not permitted, so that every picture would be left out"),
        (
            ["folder", "lfw", "--license", "CC-BY-NC-4.0", "--permit"],
            "permitted for a release: CC-BY-NC-3.0, CC-BY-NC-4.0",
        ),
        (["age-csv", "age.csv"], "age-csv: its pictures of 48 pixels are crops; import it with --crops"),
        (["lfw", "lfw", "--division", "parts"], "--division, --crop: need --crops"),
    ],
)
@pytest.mark.usefixtures("people", "age_csv")
@pytest.mark.dvc
def test_an_import_that_would_fail_later_stops_at_once(here: Path, options: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        run("import", *options, "--to", "project", "--contact", "https://example.org/me")
    assert not (here / "project").exists()


@pytest.mark.parametrize("command", ["roster", "tables"])
def test_a_command_of_before_names_the_one_that_replaces_it(command: str) -> None:
    with pytest.raises(BadInput, match=rf"`mtf dataset {command}` is replaced by `mtf dataset import KIND SOURCE --to"):
        run(command, "utkface", "UTKFace/", "--to", "x", "--crop")


def test_a_folder_that_is_not_empty_is_not_written_into(utkface: Path) -> None:
    with pytest.raises(BadInput, match="faces: not empty; name a new folder"):
        run("import", "--crops", "utkface", str(utkface), "--to", "faces")


def test_people_without_labels_have_no_crops_to_train_on(people: Path) -> None:
    with pytest.raises(BadInput, match="lfw: it has identities but no labels to train on; import it without --crops"):
        run("import", "--crops", "lfw", str(people), "--to", "project")


def test_fairface_without_its_label_file_says_what_is_missing(utkface: Path) -> None:
    with pytest.raises(BadInput, match="name its label file with --labels"):
        run("import", "--crops", "fairface", str(utkface), "--to", "project")


def test_a_column_of_the_labels_that_nothing_reads_is_named(fairface_labels: Path, here: Path) -> None:
    data_set, _ = dataset_sources.load(dataset_sources.DatasetKind.FAIRFACE, here / "ff", fairface_labels)
    assert "labels.csv: not read: service_test" in data_set.summary()
