"""`mtf new` and `mtf doctor` in a real project, with real git and DVC."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.project import new
from mtf.project.new import slug
from mtf.project.yaml_text import rewritten
from mtf.rights import attribution
from mtf.schemas import roster_file, takedown_file
from projects import mtf

ROOT = Path(__file__).parents[2]
SAMPLE_ROSTER = "identity,name,race,gender,age\na,One,Amber,Males,Old\n"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    """The sample's parameters and pipeline, over a small roster that DVC tracks."""
    tmp_path = tmp_path_factory.mktemp("sample")
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "crawl.json").write_text("{}")
    (tmp_path / "data" / "web").mkdir(parents=True)
    (tmp_path / "data" / "roster.csv").write_text(SAMPLE_ROSTER)
    assert run(tmp_path, "git", "init", "-q").returncode == 0
    assert run(tmp_path, "dvc", "init", "-q").returncode == 0
    assert run(tmp_path, "dvc", "add", "-q", "data").returncode == 0
    return tmp_path


@pytest.fixture
def project(sample: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sample, tmp_path / "project")


def begin(project: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return mtf(project, "new", "--name", "mine", "--contact", "https://example.org/me", *more)


def test_a_roster_without_slugs_becomes_ones_own_data_set(project: Path) -> None:
    own = project / "people.csv"
    own.write_text(
        "name,race,gender,birth_date,pictured\nÉva O'Dot,Black,Males,1950,2020\n線,White,Females,2000,2021\n"
    )
    done = begin(project, "--roster", str(own), "--title", 'Me: "mine"')
    assert done.returncode == 0, done.stderr
    settings = config.load(project / "params.yaml")
    people = roster_file.load(project / "data" / "roster.csv", settings)
    assert people["identity"].to_list()[0] == "eva-odot"
    assert people["age"].to_list() == ["Old", "Young"]
    assert (settings.crawl.web, settings.project.title, settings.release.size_px) == (None, 'Me: "mine"', 1024)
    assert "data/web" not in (project / "dvc.yaml").read_text()
    assert not (project / "metrics" / "crawl.json").exists()
    assert "dvc repro" in done.stdout
    assert run(project, "dvc", "status", "data.dvc").stdout.strip() == "Data and pipelines are up to date."


def test_labels_of_ones_own_become_the_tasks(project: Path) -> None:
    own = project / "people.csv"
    own.write_text("identity,name,gender,files\na,One,female,a/*.jpg\nb,Two,male,b/*.jpg\n")
    done = begin(project, "--roster", str(own), "--pictures", "pictures.tar", "--license", "CC-BY-4.0")
    assert done.returncode == 0, done.stderr
    settings = config.load(project / "params.yaml")
    assert attribution.load(project / "data" / "attribution.csv") == ()
    assert settings.tasks["gender"].labels == ["female", "male"]
    assert (list(settings.tasks), settings.train.tasks) == (["recognition", "gender"], ["recognition", "gender"])
    assert settings.crawl.sources[0].kind == "folder"


def test_without_a_roster_there_is_one_to_fill_in(project: Path) -> None:
    done = begin(project)
    assert done.returncode == 0, done.stderr
    assert (project / "data" / "roster.csv").read_text() == "identity,name,race,gender,age,query\n"
    assert "fill in data/roster.csv" in done.stdout


def test_a_project_like_the_papers_has_its_detector_networks_and_recipe(project: Path) -> None:
    own = project / "people.csv"
    own.write_text("identity,name,gender\na,One,Males\n")
    assert begin(project, "--roster", str(own)).returncode == 0
    ours = config.load(project / "params.yaml")
    assert begin(project, "--roster", str(own), "--like-the-paper", "--force").returncode == 0
    papers = config.load(project / "params.yaml")
    assert (ours.crop.detector, papers.crop.detector) == ("centerface", "haar")
    assert (papers.train.input_px, papers.train.recipe, papers.release.size_px) == (224, "mtf", 1024)
    assert len(papers.train.models) == 10
    assert {"vgg16", "vgg16-pretrained", "convnext_base"} <= set(papers.train.models)
    same = ours.train.model_dump(exclude={"models", "input_px", "recipe"})
    assert papers.train.model_dump(exclude={"models", "input_px", "recipe"}) == same
    assert papers.curate == ours.curate and papers.split == ours.split


def test_a_project_that_was_begun_is_not_begun_again_by_mistake(project: Path) -> None:
    assert begin(project).returncode == 0
    again = begin(project)
    assert again.returncode == 2
    assert again.stderr.startswith("mtf: params.yaml: project.name is not 'sample'")
    assert begin(project, "--force").returncode == 0


def test_a_project_that_is_begun_anew_with_other_tasks_trains_those(tmp_path: Path) -> None:
    workspace = ProjectPaths(tmp_path)
    shutil.copy(ROOT / "params.yaml", workspace.params)
    for column, label in (("gender", "Males"), ("race", "Black")):
        people = [["identity", "name", column], ["a", "One", label]]
        project = new.NewProject(name="mine", contact="https://example.org/me")
        workspace.params.write_text(new._params_text(workspace, project, people))
        settings = config.load(workspace.params)
        assert settings.train.tasks == list(settings.tasks) == ["recognition", column]
        assert settings.multitask is not None and settings.multitask.tasks == [column]
    assert "# 224 in the papers" in workspace.params.read_text()


def test_values_are_rewritten_in_either_style_and_what_is_said_of_them_stays() -> None:
    text = """\
train:  # of one task
  tasks:
    - a
    - b
  # how large
  input_px: 64
multitask: {tasks: [a,
  b], seed: 1}  # of several
"""
    values = {("multitask", "tasks"): ["c"], ("train", "tasks"): ["d", "e"], ("train", "none"): 0, ("none", "x"): 0}
    other = rewritten(text, values)
    train = {"tasks": ["d", "e"], "input_px": 64}
    assert yaml.safe_load(other) == {"train": train, "multitask": {"tasks": ["c"], "seed": 1}}
    assert all(words in other for words in ("# of one task", "# how large", "# of several"))
    assert rewritten(text, {}, without=["multitask"]) == text[: text.index("multitask")]


def test_what_is_not_changed_stays_as_it_is_written() -> None:
    text = (ROOT / "params.yaml").read_text()
    lines, kept = text.splitlines(), rewritten(text, {("release", "size_px"): 1024}).splitlines()
    assert "  size_px: 1024" in kept
    # Braces over several lines are wrapped anew.
    said = [line.partition("#")[2] for line in lines if "#" in line]
    assert [words for words in said if not any(line.endswith(f"#{words}") for line in kept)] == [" 1024 in the paper"]
    before, after = yaml.safe_load(text), yaml.safe_load("\n".join(kept))
    assert after == before | {"release": before["release"] | {"size_px": 1024}}
    assert [line for line in kept if line.endswith(": null")]


def test_data_that_dvc_does_not_hold_is_not_lost(project: Path) -> None:
    (project / "data" / "roster.csv").write_text(SAMPLE_ROSTER + "b,Two,Amber,Males,Old\n")
    done = begin(project)
    assert done.returncode == 2
    assert "has changes that DVC does not hold" in done.stderr
    assert "Two" in (project / "data" / "roster.csv").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("identity,name,race,gender,age\nx,One,Black,,Old\n", "row 2 column gender: '' is not permitted"),
        ("title\nOne\n", "row 1: needs a header with the column name"),
        ("name,race\nOne,Amber\nTwo,Amber\n", "roster: column race: 'Amber' alone; a task needs two labels"),
    ],
)
def test_a_bad_roster_changes_nothing(project: Path, text: str, says: str) -> None:
    before = (project / "params.yaml").read_text()
    own = project / "people.csv"
    own.write_text(text)
    done = begin(project, "--roster", str(own))
    assert done.returncode == 2
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert (project / "params.yaml").read_text() == before
    assert (project / "data" / "roster.csv").read_text() == SAMPLE_ROSTER


def test_the_doctor_names_what_stops_the_pipeline(project: Path) -> None:
    for name, columns in [("takedowns", takedown_file.COLUMNS), ("attribution", attribution.COLUMNS)]:
        (project / "data" / f"{name}.csv").unlink(missing_ok=True)
        lacking = mtf(project, "doctor")
        assert lacking.returncode == 1
        assert f"no data/{name}.csv: create it with the one line {','.join(columns)}," in lacking.stdout
        (project / "data" / f"{name}.csv").write_text(",".join(columns) + "\n")
    healthy = mtf(project, "doctor")
    assert healthy.returncode == 0, healthy.stdout
    assert "sample: Drawn people" in healthy.stdout
    settings = (project / "params.yaml").read_text().replace("min_face_share: 0.", "min_face_share: 9.")
    (project / "params.yaml").write_text(settings)
    ill = mtf(project, "doctor")
    assert ill.returncode == 1
    assert "NO  params.yaml" in ill.stdout and "crop.min_face_share" in ill.stdout


def test_the_doctor_says_whether_mongodb_answers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://user:secret@127.0.0.1:9/x")
    done = mtf(project, "doctor")
    assert "127.0.0.1:9 does not answer" in done.stdout
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Éva O'Dot", "eva-odot"),
        ("../../etc", "etc"),
        ("線", f"id-{hashlib.sha256('線'.encode()).hexdigest()[:12]}"),
        ("a" * 300, "a" * 100),
    ],
)
def test_a_slug_is_safe_as_a_file_name(name: str, expected: str) -> None:
    assert slug(name) == expected
