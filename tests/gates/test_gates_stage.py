"""The stage, with Great Expectations and with versions in git and DVC as a user has them, and what it forbids."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from made_project import PEOPLE, Person, changed, made_params, make

from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.gates import outcome
from mtf.pipeline import release, report, validate
from projects import run_in

GATES = {
    "label_share": [0.05, 0.95],
    "identity_share": 0.5,
    "min_images": 1,
    "median_images": [1, 3],
    "split_share": 0.2,
}


def put_under_version_control(workspace: ProjectPaths) -> None:
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "made-up@example.org"],
        ["git", "config", "user.name", "made-up"],
        ["dvc", "init", "-q"],
        ["dvc", "add", "-q", "build/split", "build/screen"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "first"],
        ["git", "tag", "v1"],
    ):
        run_in(workspace.root, *command)


@pytest.fixture(scope="module")
def versioned(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> ProjectPaths:
    """A project whose first version is in git and DVC; its working tree is the same."""
    workspace = make(tmp_path_factory.mktemp("validate") / "project")
    put_under_version_control(workspace)
    return workspace


@pytest.fixture
def project(versioned: ProjectPaths, tmp_path: Path) -> ProjectPaths:
    """A copy, to spoil."""
    shutil.copytree(versioned.root, tmp_path / "project", symlinks=True)
    return ProjectPaths(tmp_path / "project")


def commit_of(workspace: ProjectPaths) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=workspace.root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_again(workspace: ProjectPaths, people: tuple[Person, ...]) -> None:
    for stage in ("split", "screen", "curate", "crop", "crawl"):
        shutil.rmtree(workspace.stage(stage))
    make(workspace.root, people=people)


def with_one_label_nearly_gone(workspace: ProjectPaths) -> None:
    """One image in 37 is of the label that a third of them bore."""
    many = changed(changed(PEOPLE, "bo.b", faces=12), "nul", faces=12)
    make_again(workspace, (*changed(many, "ada", faces=1), Person("ora", "Ora", faces=12)))


def with_one_identity_of_most_images(workspace: ProjectPaths) -> None:
    make_again(workspace, changed(PEOPLE, "ada", faces=15))


def with_darker_pictures(workspace: ProjectPaths) -> None:
    path = workspace.table("screen", "screening")
    pl.read_parquet(path).with_columns(pl.lit(60.0, pl.Float32).alias("brightness")).write_parquet(path)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (
            with_one_label_nearly_gone,
            "label_share (share of the images that carry each label): race Asian (Indian) 0.02703; wanted 0.05 to 0.95",
        ),
        (with_one_identity_of_most_images, "identity_share (share of one identity): ada 0.6; wanted at most 0.5"),
        (
            with_darker_pictures,
            "drift (distance of a measure's distribution to that of the previous release): brightness 1; "
            "wanted at most 0.2",
        ),
    ],
    ids=["one label nearly gone", "one identity with 60 % of the images", "darker pictures than before"],
)
def test_a_release_made_to_fail_is_stopped_by_its_own_expectation_alone(
    project: ProjectPaths, spoil: Callable[[ProjectPaths], None], line: str, capsys: pytest.CaptureFixture[str]
):
    spoil(project)
    params = made_params(gates=GATES, release={"previous": "v1"})
    with pytest.raises(GateFailed) as failure:
        validate.run(project, params)
    assert failure.value.exit_code == 1
    name = line.partition(" ")[0]
    assert str(failure.value) == (
        f"validate: 1 critical expectation does not hold ({name}); all expectations: build/validate/docs/index.html; "
        "`mtf report` writes the report that shows them"
    )
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == f"  critical: {line}"
    assert printed[2].startswith("  warning: ")
    assert any(each.startswith("  warning: median_images (images per identity): median") for each in printed)
    with pytest.raises(GateFailed, match=rf"release: the gates forbid it \({name}\); `mtf validate` says"):
        release.run(project, params)
    assert not project.stage("release").exists()


def test_validate_leaves_the_report_alone_and_the_next_report_says_what_failed(project: ProjectPaths):
    validate.run(project, made_params(gates=GATES))
    page = project.stage("report") / "index.html"
    assert not page.exists()
    page.parent.mkdir()
    page.write_text("None: all 11 expectations hold.")
    params = made_params(gates=GATES | {"identity_share": 0.25})
    with pytest.raises(GateFailed, match="`mtf report` writes the report that shows them"):
        validate.run(project, params)
    assert page.read_text() == "None: all 11 expectations hold."
    report.run(project, params)
    text = page.read_text()
    assert "3 of 9 expectations do not hold" in text
    assert "ada 0.3333, bo.b 0.3333, nul 0.3333" in text


def test_what_fails_is_printed_before_the_error(project: ProjectPaths, capsys):
    with pytest.raises(GateFailed, match=r"not hold \(identity_share\); all"):
        validate.run(project, made_params(gates=GATES | {"identity_share": 0.25}))
    assert "  critical: identity_share" in capsys.readouterr().out


def test_what_holds_what_warns_and_what_was_not_checked_is_printed_counted_and_kept(project: ProjectPaths, capsys):
    validate.run(project, made_params(gates=GATES))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "validate: 7 of 9 expectations hold"
    assert "  not checked: drift (no previous release)" in printed
    assert "  not checked: funnel (no previous release)" in printed
    assert json.loads(project.metrics("validate").read_text()) == {
        "expectations": 9,
        "critical": 0,
        "warning": 2,
        "not_checked": 5,
    }
    found = outcome.read(project)
    assert found is not None
    assert [each.name for each in found.warnings] == ["intersection_share", "median_images"]
    assert {each.name for each in found.not_checked} >= {"funnel", "drift", "vanished"}


def test_data_docs_are_there_though_it_stopped(project: ProjectPaths):
    with pytest.raises(GateFailed):
        validate.run(project, made_params(gates=GATES | {"identity_share": 0.25}))
    assert (project.stage("validate") / "docs/index.html").is_file()
    assert list((project.stage("validate") / "docs/validations").rglob("*.html"))


def test_a_version_that_is_not_there_is_named(project: ProjectPaths):
    with pytest.raises(BadInput, match=r"release\.previous: revision 'v9'"):
        validate.run(project, made_params(gates=GATES, release={"previous": "v9"}))


@pytest.mark.parametrize("name", ["HEAD", "main", "HEAD~0"])
def test_a_previous_release_by_a_name_that_moves_is_refused_with_the_commit_to_name_instead(
    project: ProjectPaths, name
):
    subprocess.run(["git", "branch", "-M", "main"], cwd=project.root, check=True)
    commit = commit_of(project)
    with pytest.raises(BadInput, match=rf"release\.previous: '{name}' may move on; name a tag, or .*: {commit[:12]}"):
        validate.run(project, made_params(gates=GATES, release={"previous": name}))
    assert {outcome.previous_commit(project.root, fixed) for fixed in (commit, commit[:9], "v1")} == {commit}


def test_a_previous_release_whose_data_is_gone_is_no_reason_to_leave_out_a_gate(project: ProjectPaths):
    shutil.rmtree(project.root / ".dvc/cache")
    with pytest.raises(BadInput) as failure:
        validate.run(project, made_params(gates=GATES, release={"previous": "v1"}))
    assert str(failure.value) == (
        "params.yaml: release.previous: v1: build/split/splits.parquet: its data is neither in DVC's cache nor in a "
        "remote; `dvc fetch` or `dvc push` it from where it is; null compares with no release"
    )
    assert not project.stage("validate").exists()


def test_a_previous_release_whose_remote_lost_the_data_is_refused_too(project: ProjectPaths, tmp_path: Path):
    run_in(project.root, "dvc", "remote", "add", "-q", "-d", "there", str(tmp_path / "remote"))
    subprocess.run(["git", "commit", "-qam", "remote"], cwd=project.root, check=True)
    shutil.rmtree(project.root / ".dvc/cache")
    with pytest.raises(BadInput, match="neither in DVC's cache nor in a remote"):
        validate.run(project, made_params(gates=GATES, release={"previous": commit_of(project)}))


@pytest.mark.parametrize("name", ["crop", "curate"])
def test_a_previous_release_without_the_funnels_figures_is_refused(project: ProjectPaths, name: str):
    subprocess.run(["git", "rm", "-q", "--cached", f"metrics/{name}.json"], cwd=project.root, check=True)
    subprocess.run(["git", "commit", "-qm", "without figures"], cwd=project.root, check=True)
    with pytest.raises(BadInput, match=rf"release.previous: \w+: it has no metrics/{name}.json; null compares"):
        validate.run(project, made_params(gates=GATES, release={"previous": commit_of(project)}))


def test_a_previous_release_committed_without_dvc_lock_says_so(project: ProjectPaths):
    for name in ("split", "screen"):
        (project.root / f"build/{name}.dvc").unlink()
    (project.root / "dvc.yaml").write_text("stages:\n  split:\n    cmd: x\n    outs: [build/split, build/screen]\n")
    subprocess.run(["git", "add", "-A"], cwd=project.root, check=True)
    subprocess.run(["git", "commit", "-qam", "no lock"], cwd=project.root, check=True)
    with pytest.raises(BadInput, match="does not say which data it had: run `dvc repro` there and commit"):
        validate.run(project, made_params(gates=GATES, release={"previous": commit_of(project)}))


class TestNothingIsReleased:
    def test_before_the_gates_were_checked(self, project: ProjectPaths):
        with pytest.raises(GateFailed, match="release: the gates have not been checked; run `mtf validate`"):
            release.run(project, made_params(gates=GATES))

    def test_of_another_data_set_than_the_one_that_was_checked(self, project: ProjectPaths):
        validate.run(project, made_params(gates=GATES))
        splits = project.table("split", "splits")
        pl.read_parquet(splits).tail(-1).write_parquet(splits)
        with pytest.raises(GateFailed, match=r"release: build/split/splits\.parquet changed since the gates"):
            release.run(project, made_params(gates=GATES))

    def test_under_other_gates_than_those_that_were_checked(self, project: ProjectPaths):
        validate.run(project, made_params(gates=GATES))
        with pytest.raises(GateFailed, match=r"release: the gates of params\.yaml changed since"):
            release.run(project, made_params(gates=GATES | {"identity_share": 0.25}))

    def test_against_another_commit_than_the_one_that_was_compared_with(self, project: ProjectPaths):
        params = made_params(gates=GATES, release={"previous": "v1"})
        validate.run(project, params)
        subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "again"], cwd=project.root, check=True)
        subprocess.run(["git", "tag", "-f", "v1"], cwd=project.root, check=True)
        with pytest.raises(GateFailed, match=r"release: release\.previous changed since the gates were checked"):
            release.run(project, params)

    def test_from_results_that_something_else_wrote(self, project: ProjectPaths):
        path = project.stage("validate") / outcome.NAME
        path.parent.mkdir()
        path.write_text('[{"name": "drift", "holds": true}]')
        with pytest.raises(BadInput, match=r"build/validate/results.json: not what `mtf validate` writes"):
            release.run(project, made_params(gates=GATES))


def test_a_data_set_that_holds_is_released(project: ProjectPaths):
    params = made_params(gates=GATES, release={"previous": "v1"})
    validate.run(project, params)
    release.run(project, params)
    assert (project.stage("release") / "SHA256SUMS").is_file()
