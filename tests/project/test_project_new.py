"""`mtf new` in an empty folder, with real git and DVC."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tomllib
from contextlib import chdir
from pathlib import Path

import pytest
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from mtf import config
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.core.slugs import slug
from mtf.pipeline import code_deps
from mtf.project import own_pipeline, repository, templates
from mtf.project.own_params import OwnParams
from mtf.project.own_pictures import OwnPictures
from mtf.project.yaml_text import rewritten
from mtf.rights import attribution
from mtf.schemas import roster_file
from projects import ROOT, mtf, run_in

ME = ("--contact", "https://example.org/me")


def new(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return mtf(folder, "new", "mine", *ME, *more)


def people(folder: Path, text: str) -> str:
    (folder / "people.csv").write_text(text)
    return "people.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> tuple[Path, str]:
    """A project with a roster of its own, and what `mtf new` printed."""
    folder = tmp_path_factory.mktemp("new")
    roster = people(
        folder,
        "name,race,gender,birth_date,pictured,eyes\nÉva O'Dot,Black,Males,1950,2020,blue\n"
        "線,White,Females,2000,2021,brown\n",
    )
    done = new(folder, "--roster", roster, "--title", 'Me: "mine"')
    assert done.returncode == 0, done.stderr
    return folder / "mine", done.stdout


def test_a_roster_without_slugs_becomes_a_project_with_one_commit_of_its_own(made: tuple[Path, str]) -> None:
    project, said = made
    settings = config.load(project / "params.yaml")
    persons = roster_file.load(project / "data" / "roster.csv", settings)
    assert persons["identity"].to_list()[0] == "eva-odot"
    assert persons["age"].to_list() == ["Old", "Young"]
    assert (settings.crawl.web, settings.project.title, settings.release.size_px) == (None, 'Me: "mine"', 1024)
    assert attribution.load(project / "data" / "attribution.csv") == ()
    assert settings.gates == config.Gates(), "the sample's gates suit no other data set"
    assert "people.csv: not read: eyes; a column with labels needs a task" in said
    assert run_in(project, "git", "log", "--format=%s").startswith("mine: a new project, with mtf ")
    assert run_in(project, "git", "rev-list", "--count", "HEAD").strip() == "1"
    assert run_in(project, "git", "status", "--porcelain") == ""
    assert run_in(project, "dvc", "status", "data.dvc").strip() == "Data and pipelines are up to date."
    # The folder beside the project, as DVC's file names it.
    assert "url = ../../mine-storage" in (project / ".dvc" / "config").read_text()
    assert [path.name for path in project.parent.iterdir() if path.name.startswith(".")] == []


def test_the_stages_are_those_of_the_repository_but_for_what_they_know_of_the_code(made: tuple[Path, str]) -> None:
    def plain(entries: list[object]) -> list[object]:
        """Dependencies that are no code, and no parameter of it."""
        return [
            entry
            for entry in entries
            if not str(next(iter(entry)) if isinstance(entry, dict) else entry).startswith(
                ("src/", own_pipeline.RECORD, "data/web")
            )
        ]

    theirs = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    text = (made[0] / "dvc.yaml").read_text()
    assert "src/" not in text and "data/web" not in text
    ours = yaml.safe_load(text)
    assert list(ours["stages"]) == [own_pipeline.STAGE, *theirs["stages"]]
    for name, stage in theirs["stages"].items():
        same = {**ours["stages"][name], "deps": plain(ours["stages"][name]["deps"])}
        same["params"] = plain(same["params"])
        assert same == {**stage, "deps": plain(stage["deps"]), "params": plain(stage["params"])}, name
        assert {own_pipeline.RECORD: [f"stages.{name}"]} in ours["stages"][name]["params"]
    assert {key: value for key, value in ours.items() if key != "stages"} == {
        key: value for key, value in theirs.items() if key != "stages"
    }
    assert text.startswith("# The journey.")
    plots = {path.name for path in (made[0] / ".dvc" / "plots").iterdir()}
    assert plots == {path.name for path in (ROOT / ".dvc" / "plots").iterdir()}


def test_dvc_sees_another_version_of_the_code_and_reruns_the_stages_that_run_it(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    project = shutil.copytree(made[0], tmp_path / "project")
    with chdir(project), Repo() as repository:
        for stage in repository.index.stages:
            for each in (*stage.deps, *stage.outs):
                path = Path(each.fs_path)
                if not isinstance(each, ParamsDependency) and not path.exists():
                    is_folder = not path.suffix or (path.suffix == ".json" and not stage.name)
                    (path if is_folder else path.parent).mkdir(parents=True, exist_ok=True)
                    if not is_folder:
                        path.write_text("{}")
    assert mtf(project, "deps", "--installed").returncode == 0
    record = project / own_pipeline.RECORD
    installed = json.loads(record.read_text())
    assert set(installed["stages"]) == set(code_deps.keys_of_stages(ProjectPaths(project))) - {own_pipeline.STAGE}
    run_in(project, "dvc", "commit", "--quiet", "--force")

    def changed() -> dict[str, list[object]]:
        with chdir(project), Repo() as repository:
            return repository.status()

    assert changed() == {own_pipeline.STAGE: ["always changed"]}
    installed["stages"]["crop"] = "another"
    record.write_text(json.dumps(installed))
    found = changed()
    assert set(found) == {own_pipeline.STAGE, "crop"}
    assert found["crop"] == [{"changed deps": {own_pipeline.RECORD: {"stages.crop": "modified"}}}]


def test_a_file_that_a_project_may_lack_becomes_a_dependency_of_its_stages(made: tuple[Path, str]) -> None:
    project = made[0]
    text = (project / "dvc.yaml").read_text()
    assert mtf(project, "deps", "--check").returncode == 0
    (project / "data" / "consent.csv").write_text("")
    try:
        assert "stage curate lacks data/consent.csv" in mtf(project, "deps", "--check").stdout
        assert mtf(project, "deps", "--write").returncode == 0
        assert "- data/consent.csv" in (project / "dvc.yaml").read_text()
    finally:
        (project / "data" / "consent.csv").unlink()
        assert mtf(project, "deps", "--write").returncode == 0
        assert (project / "dvc.yaml").read_text() == text


def test_a_further_model_is_an_artifact_once_mtf_deps_has_written_it(made: tuple[Path, str]) -> None:
    project = made[0]
    before = {name: (project / name).read_text() for name in ("dvc.yaml", "params.yaml")}
    (project / "params.yaml").write_text(before["params.yaml"].replace("[small_cnn]", "[small_cnn, alexnet]", 1))
    try:
        checked = mtf(project, "deps", "--check")
        assert checked.returncode == 1 and "no artifact alexnet/gender, for a model" in checked.stdout
        assert mtf(project, "deps", "--write").returncode == 0
        assert mtf(project, "deps", "--check").returncode == 0
    finally:
        (project / "params.yaml").write_text(before["params.yaml"])
        assert mtf(project, "deps", "--write").returncode == 0
        assert (project / "dvc.yaml").read_text() == before["dvc.yaml"]


@pytest.mark.dvc
def test_pictures_of_ones_own_lie_in_the_project_or_are_named_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "own pictures" / "a").mkdir(parents=True)
    (tmp_path / "own pictures" / "a" / "1.jpg").write_bytes(b"one")
    (tmp_path / "own pictures" / "a" / "link.jpg").symlink_to("1.jpg")
    roster = people(tmp_path, "identity,name,gender,files\na,One,female,a/*.jpg\nb,Two,male,b/*.jpg\n")
    given = ("--roster", roster, "--pictures", "own pictures", "--license", "CC-BY-4.0", "--creator", "Ann")
    assert new(tmp_path, *given, "--remote", "store").returncode == 0
    project = tmp_path / "mine"
    settings = config.load(project / "params.yaml")
    assert settings.tasks["gender"].labels == ["female", "male"]
    assert (list(settings.tasks), settings.train.tasks) == (["recognition", "gender"], ["recognition", "gender"])
    assert settings.crawl.sources[0].model_dump(exclude={"name"}) == {
        **{"kind": "folder", "path": "data/pictures", "license": "CC-BY-4.0", "creator": "Ann"},
    }
    assert [path.name for path in (project / "data" / "pictures").rglob("*.jpg")] == ["1.jpg"]
    assert "file:,pictures,folder,1,3," in (project / "data" / "sources.csv").read_text()
    assert "data/pictures" in yaml.safe_load((project / "dvc.yaml").read_text())["stages"]["crawl"]["deps"]
    assert "url = ../../store" in (project / ".dvc" / "config").read_text()

    again = mtf(tmp_path, "new", "mine", *ME)
    assert (again.returncode, again.stderr) == (2, "mtf: mine: exists and is not empty; name a new folder\n")
    other = mtf(tmp_path, "new", "other", *ME, *given, "--no-copy", "--like-the-paper")
    assert other.returncode == 0, other.stderr
    papers = config.load(tmp_path / "other" / "params.yaml")
    assert papers.crawl.sources[0].model_dump()["path"] == str(tmp_path / "own pictures")
    assert str(tmp_path / "own pictures") in (tmp_path / "other" / "dvc.yaml").read_text()
    assert (settings.crop.detector, papers.crop.detector) == ("centerface", "haar")
    assert (papers.train.input_px, papers.train.recipe, papers.release.size_px) == (224, "mtf", 1024)
    assert len(papers.train.models) == 10
    same = {"models", "input_px", "recipe"}
    assert papers.train.model_dump(exclude=same) == settings.train.model_dump(exclude=same)


REFUSALS = {
    "a label missing": (
        "identity,name,race,gender,age\nx,One,Black,,Old\n",
        (),
        "row 2 column gender: '' is not permitted",
    ),
    "no column name": ("title\nOne\n", (), "row 1: needs a header with the column name"),
    "one label alone": (
        "name,race\nOne,Amber\nTwo,Amber\n",
        (),
        "people.csv: column race: 'Amber' alone; a task needs two labels",
    ),
    "no picture named": (
        "name\nOne\n",
        ("--pictures", "own", "--license", "CC0-1.0"),
        "people.csv: no row names a picture of own; the column files names them",
    ),
    "other pictures named": (
        "name,files\nOne,b/*.jpg\n",
        ("--pictures", "own", "--license", "CC0-1.0"),
        "people.csv: column files: 'b/*.jpg' and every other name is missing in own, which has 1.jpg",
    ),
    "pictures that are not there": ("name,files\nOne,1.jpg\n", ("--pictures", "no", "--license", "CC0-1.0"), "no: no"),
    "no license": ("name,files\nOne,1.jpg\n", ("--pictures", "own"), "--license: missing"),
    "a license that the policy leaves out": (
        "name,files\nOne,1.jpg\n",
        ("--pictures", "own", "--license", "CC-BY-NC-4.0"),
        "crawl.sources: data/pictures: license: CC-BY-NC-4.0 is not permitted, so that every picture would be left out",
    ),
    "a license that the release may not bear": (
        "name,files\nOne,1.jpg\n",
        ("--pictures", "own", "--license", "CC-BY-NC-4.0", "--permit"),
        "CC-BY-NC-4.0 forbids commercial use, which CC-BY-SA-4.0 permits, and release.license is CC-BY-SA-4.0; "
        "permitted for a release: CC-BY-NC-3.0, CC-BY-NC-4.0,",
    ),
    "a license that nobody knows": (
        "name,files\nOne,1.jpg\n",
        ("--pictures", "own", "--license", "free!"),
        "'free!' is not permitted; permitted: an SPDX identifier",
    ),
    "a contact that is none": ("name\nOne\n", ("--contact", "me"), "project.contact: 'me' is not permitted"),
    "a remote in a scheme without its extra": (
        "name\nOne\n",
        ("--remote", "gs://bucket/x"),
        "--remote: 'gs://bucket/x' is not permitted; permitted: a folder; `pip install 'mtf[gcs]'` permits gs://",
    ),
    "a remote in no scheme of DVC": (
        "name\nOne\n",
        ("--remote", "nosuch://bucket/x"),
        "dvc remote: ERROR: configuration error - config file error: Unsupported URL type nosuch://",
    ),
    "a folder in no folder": ("name\nOne\n", ("--name", "UPPER"), "project.name: 'UPPER' is not permitted"),
}


@pytest.mark.dvc
@pytest.mark.parametrize(("text", "options", "says"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_project_leaves_nothing_behind(
    tmp_path: Path, dvc_process: None, text: str, options: tuple[str, ...], says: str
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "1.jpg").write_bytes(b"one")
    roster = people(tmp_path, text)
    done = new(tmp_path, "--roster", roster, *options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert says in done.stderr
    assert "function-" not in done.stderr and "pattern" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "people.csv"]


def test_what_a_killed_run_has_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".faces.0123abcd.part"
    (left / "data").mkdir(parents=True)
    with repository.new_folder(tmp_path / "faces") as workspace:
        (workspace.root / "params.yaml").write_text("")
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("ann/1.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        ("ann/1.jpg", tarfile.LNKTYPE, "/etc/passwd"),
        ("ann/1.jpg", tarfile.CHRTYPE, ""),
        ("ann/1.jpg", tarfile.BLKTYPE, ""),
        ("ann/1.jpg", tarfile.FIFOTYPE, ""),
        ("../ann/1.jpg", tarfile.REGTYPE, ""),
        ("ann/../../1.jpg", tarfile.REGTYPE, ""),
        ("/ann/1.jpg", tarfile.REGTYPE, ""),
    ],
)
def test_a_tar_without_a_plain_file_inside_it_has_no_picture(
    tmp_path: Path, name: str, kind: bytes, target: str
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.devmajor, entry.devminor = kind, target, 1, 5
    with tarfile.open(tmp_path / "p.tar", "w") as tar:
        tar.addfile(entry)
    pictures = OwnPictures(tmp_path / "p.tar", "CC0-1.0")
    for cell in ("ann/*.jpg", name):
        with pytest.raises(BadInput, match=r"every other name is missing in .*p\.tar, which has no picture: a link"):
            pictures.check_named_by([cell], roster="people.csv")


def test_pictures_that_are_neither_a_folder_nor_a_tar_are_refused_unread() -> None:
    with pytest.raises(BadInput, match="--pictures: '/dev/zero' is not permitted; permitted: a folder, or an uncompr"):
        OwnPictures(Path("/dev/zero"), "CC0-1.0").check_named_by(["a.jpg"], roster="people.csv")


def test_a_project_needs_a_contact_and_the_sample_no_option(tmp_path: Path) -> None:
    assert "--contact: missing" in mtf(tmp_path, "new", "mine").stderr
    done = new(tmp_path, "--sample")
    assert (done.returncode, [*tmp_path.iterdir()]) == (2, [])
    assert "--sample: takes no other option than --remote" in done.stderr


@pytest.mark.parametrize(("column", "label"), [("gender", "Males"), ("race", "Black")])
def test_a_project_trains_the_tasks_of_its_roster(column: str, label: str) -> None:
    tasks = {"recognition": {"column": "identity"}, column: {"column": column, "labels": [label, "other"]}}
    source = {"kind": "bing", "licenses": ["publicdomain"]}
    text = OwnParams("mine", "Mine", "https://example.org/me", tasks, source).text()
    settings = config.parse(yaml.safe_load(text))
    assert settings.train.tasks == list(settings.tasks) == ["recognition", column]
    assert settings.multitask is not None and settings.multitask.tasks == [column]
    assert "# 224 in the papers" in text


def test_the_wheel_carries_what_a_new_project_begins_with() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    carried = build["wheel"]["force-include"]
    assert carried == {
        name: f"mtf/project/template/{templates.PACKED_NAMES.get(name, name)}"
        for name in (templates.PARAMS, templates.PIPELINE, templates.PLOTS)
    }
    assert {f"/{name}" for name in carried} <= set(build["sdist"]["include"])


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
    text = templates.text(templates.PARAMS)
    lines, kept = text.splitlines(), rewritten(text, {("release", "size_px"): 1024}).splitlines()
    assert "  size_px: 1024" in kept
    # Braces over several lines are wrapped anew.
    said = [line.partition("#")[2] for line in lines if "#" in line]
    assert [words for words in said if not any(line.endswith(f"#{words}") for line in kept)] == [" 1024 in the paper"]
    before, after = yaml.safe_load(text), yaml.safe_load("\n".join(kept))
    assert after == before | {"release": before["release"] | {"size_px": 1024}}
    assert [line for line in kept if line.endswith(": null")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Éva O'Dot", "eva-odot"),
        ("../../etc", "etc"),
        ("線", f"id-{hashlib.sha256('線'.encode()).hexdigest()[:12]}"),
        ("a" * 100, "a" * 100),
        ("a" * 300, f"{'a' * 87}-{hashlib.sha256(('a' * 300).encode()).hexdigest()[:12]}"),
    ],
)
def test_a_slug_is_safe_as_a_file_name(name: str, expected: str) -> None:
    assert slug(name) == expected
