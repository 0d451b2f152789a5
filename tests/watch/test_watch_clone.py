"""The clone in which `mtf watch` works, when somebody has cleared up or an earlier version has left something."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mtf.core import dvc_cli
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.watch.clone import BASE, FOLDER, UNFINISHED, Clone, Project, finish_checkout
from projects import environment, run_in

NOW = datetime(2025, 1, 6, 12, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dvc: str) -> Project:
    """A project with one stage, which has no files, and one commit."""
    for name, value in environment().items():
        if name.startswith(("GIT_", "DVC_")):
            monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    run_in(root, "git", "init", "-q", "-b", "main")
    run_in(root, "git", "config", "user.name", "test")
    run_in(root, "git", "config", "user.email", "test@example.org")
    run_in(root, "dvc", "init", "-q")
    (root / "params.yaml").write_text("seed: 1\n")
    (root / "dvc.yaml").write_text("stages: {split: {cmd: 'true'}}\n")
    run_in(root, "git", "add", "-A")
    run_in(root, "git", "commit", "-qm", "first")
    return Project.of(ProjectPaths(root), ())


def test_a_killed_runs_clone_is_taken_up_with_its_time(project: Project) -> None:
    began = Clone(project).open("split", now=NOW)
    (project.temporary / FOLDER / "new.txt").write_text("of the killed run")
    assert began == NOW and Clone(project).open("split", now=NOW + timedelta(days=7)) == began
    assert (project.temporary / FOLDER / "new.txt").is_file()


@pytest.mark.parametrize("base", ["{head}", "{head} yesterday", None])
def test_a_clone_that_is_gone_or_of_an_earlier_version_is_made_anew(project: Project, base: str | None) -> None:
    """`None`: somebody removed the folder of the clone by hand."""
    Clone(project).open("split", now=NOW)
    (project.temporary / FOLDER / "new.txt").write_text("of the killed run")
    if base is None:
        shutil.rmtree(project.temporary / FOLDER)
    else:
        (project.temporary / BASE).write_text(base.format(head=project.head))
    later = NOW + timedelta(days=7)
    assert Clone(project).open("split", now=later) == later
    assert (project.temporary / FOLDER / "params.yaml").read_text() == "seed: 1\n"
    assert not (project.temporary / FOLDER / "new.txt").exists()


def test_a_project_whose_stages_never_ran_is_told_to_run_them(project: Project) -> None:
    root = project.workspace.root
    (root / "dvc.yaml").write_text("stages: {split: {cmd: 'echo 1 > faces.txt', outs: [faces.txt]}}\n")
    run_in(root, "git", "commit", "-qam", "a stage with a file")
    says = "dvc.lock: the last commit has no run of the stage split; run `dvc repro split`, commit dvc.lock, "
    with pytest.raises(MtfError, match=f"^{re.escape(says)}"):
        Clone(project).open("split", now=NOW)
    run_in(root, "dvc", "repro", "-q", "split")
    run_in(root, "git", "add", "-A")
    run_in(root, "git", "commit", "-qm", "the first run")
    Clone(project).open("split", now=NOW)
    assert (project.temporary / FOLDER / "faces.txt").read_text() == "1\n"


def test_a_stage_that_the_project_does_not_have_is_refused_with_those_that_it_has(project: Project) -> None:
    with pytest.raises(MtfError, match=r"^params\.yaml: watch\.until: no stage 'splits'; the stages: split$"):
        Clone(project).open("splits", now=NOW)


def test_figures_that_are_not_committed_are_refused_before_the_run_and_other_new_files_are_not(
    project: Project,
) -> None:
    root = project.workspace.root
    stage = "{cmd: 'mkdir -p metrics && echo 1 > metrics/split.json', metrics: [{metrics/split.json: {cache: false}}]}"
    (root / "dvc.yaml").write_text(f"stages: {{split: {stage}}}\n")
    run_in(root, "dvc", "repro", "-q", "split")
    (root / "metrics/notes.json").write_text("{}")
    run_in(root, "git", "add", "dvc.yaml", "dvc.lock")
    run_in(root, "git", "commit", "-qm", "the first run, without its figures")
    with pytest.raises(MtfError, match=r"^not committed: metrics/split\.json; commit them, or undo them"):
        project.refuse_changes()
    run_in(root, "git", "add", "metrics/split.json")
    run_in(root, "git", "commit", "-qm", "figures")
    project.refuse_changes()


def test_files_that_the_cache_lacks_are_to_be_pulled(project: Project) -> None:
    root = project.workspace.root
    (root / "dvc.yaml").write_text("stages: {split: {cmd: 'echo 1 > faces.txt', outs: [faces.txt]}}\n")
    run_in(root, "dvc", "repro", "-q", "split")
    run_in(root, "git", "add", "-A")
    run_in(root, "git", "commit", "-qm", "the first run")
    shutil.rmtree(root / ".dvc/cache")
    with pytest.raises(MtfError, match=r"^dvc checkout: .*; `dvc pull` in the project brings what its cache lacks"):
        Clone(project).open("split", now=NOW)


def test_an_empty_note_of_an_unfinished_checkout_is_removed(project: Project) -> None:
    (project.temporary / UNFINISHED).write_text("")
    finish_checkout(project)
    assert not (project.temporary / UNFINISHED).exists()


def test_a_file_that_was_changed_by_hand_is_named_and_how_the_runs_files_come(project: Project) -> None:
    root = project.workspace.root
    (root / "dvc.yaml").write_text("stages: {split: {cmd: 'echo made > out.txt', outs: [out.txt]}}\n")
    run_in(root, "dvc", "repro", "-q")
    run_in(root, "git", "add", "-A")
    run_in(root, "git", "commit", "-qm", "second")
    (root / "out.txt").unlink()  # it may be a link into the cache
    (root / "out.txt").write_text("changed by hand")
    (project.temporary / UNFINISHED).write_text(f"{project.head} split")
    with pytest.raises(MtfError, match=r"dvc checkout: .*out\.txt.*; the run's commit is there.*checkout --force"):
        finish_checkout(project)
    run_in(root, "dvc", "checkout", "-q", "--force")
    finish_checkout(project)
    assert (root / "out.txt").read_text() == "made\n" and not (project.temporary / UNFINISHED).exists()


def test_a_local_configuration_that_dvc_cannot_read_is_one_line(project: Project) -> None:
    (project.workspace.root / ".dvc" / "config.local").write_text("[\n")
    with pytest.raises(MtfError, match=r"\.dvc/config\.local: DVC cannot read it: Invalid line"):
        Clone(project).open("split", now=NOW)


def test_a_project_may_have_any_letters_in_its_path_and_in_its_local_configuration(project: Project) -> None:
    root = project.workspace.root.rename(project.workspace.root.with_name("Büste ö"))
    local = "['remote \"far\"']\n    url = /far/schlüssel\n"
    (root / ".dvc/config.local").write_text(local, encoding="utf-8")
    moved = Project.of(ProjectPaths(root), ())
    Clone(moved).open("split", now=NOW)
    written = (moved.temporary / FOLDER / ".dvc/config.local").read_text(encoding="utf-8")
    assert "url = /far/schlüssel" in written
    assert dvc_cli.cache_dir(moved.temporary / FOLDER) == dvc_cli.cache_dir(root)


def test_the_one_of_several_dvc_commands_that_fails_is_named(project: Project) -> None:
    with pytest.raises(MtfError, match=r"^dvc add: .*nowhere"):
        project.git.dvc(("config", "cache.type", "copy"), ("add", "nowhere"), ("config", "cache.type", "symlink"))
    assert "copy" in (project.workspace.root / ".dvc/config").read_text()


def test_the_cache_of_the_clone_is_that_of_the_project(project: Project) -> None:
    root = project.workspace.root
    assert dvc_cli.cache_dir(root) == str(root / ".dvc/cache")
    run_in(root, "dvc", "config", "cache.dir", "../elsewhere")
    assert Path(dvc_cli.cache_dir(root)).resolve() == root.parent / "elsewhere"
    (root / ".dvc/config").write_text("[\n")
    with pytest.raises(MtfError, match=r"^\.dvc/config: DVC cannot read it: "):
        dvc_cli.cache_dir(root)
