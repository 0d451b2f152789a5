"""Versions that hold a person: what git and DVC have of them, with releases and models."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from held_project import SHOTS, make, params

from mtf.core.project_paths import ProjectPaths
from mtf.subject import answer, lookup, versions
from projects import environment, run_in

PIPELINE = """
stages:
  crawl: {cmd: "true", outs: [build/crawl]}
  split: {cmd: "true", outs: [build/split]}
  train: {cmd: "true", outs: [build/models/small_cnn/gender]}
  release: {cmd: "true", params: [release.version], outs: [build/release]}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    """Three versions: two with ada, of which one is released twice, and one without her."""
    root = tmp_path_factory.mktemp("versions") / "project"
    root.mkdir()
    run_in(root, "git", "init", "-q", "-b", "main")
    run_in(root, "git", "commit", "-q", "--allow-empty", "-m", "Before DVC")
    run_in(root, "dvc", "init", "-q")
    (root / "dvc.yaml").write_text(PIPELINE)
    workspace = ProjectPaths(root)
    for number, shots in enumerate((SHOTS, SHOTS[1:], SHOTS[4:]), 1):
        make(root, shots)
        for name, text in (("models/small_cnn/gender/model.pt", f"weights {number}"), ("release/README.md", "made")):
            path = workspace.build / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text(text)
        run_in(root, "dvc", "commit", "--force", "--quiet")
        run_in(root, "git", "add", "-A")
        run_in(root, "git", "commit", "-q", "-m", f"Version {number}")
        run_in(root, "git", "tag", f"v{number}")
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectPaths:
    """A copy of `made` for one test."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return ProjectPaths(shutil.copytree(made, tmp_path / "project", symlinks=True))


def test_each_version_with_the_person_is_named_with_its_pictures_release_and_models(project: ProjectPaths) -> None:
    second, first = versions.find(project.root, "ada")
    assert (first.tags, second.tags) == (("v1",), ("v2",))
    assert set(first.images or ()) == {shot.image_id for shot in SHOTS[:4]}
    assert set(second.images or ()) == {shot.image_id for shot in SHOTS[1:4]}
    assert (first.faces, second.faces) == ({"train": 2}, {"train": 1})
    assert first.release == second.release == "0.1.0"
    assert first.models == ("build/models/small_cnn/gender",)
    assert [version.tags for version in versions.find(project.root, "bea")] == [("v3",), ("v2",), ("v1",)]
    assert versions.find(project.root, "nobody") == []


def test_a_version_that_is_not_on_this_machine_is_named_as_such(project: ProjectPaths) -> None:
    lock = run_in(project.root, "git", "show", "v1:dvc.lock")
    listing = versions._outs(lock.encode())[0]["build/crawl"]
    path = versions.cache_folder(project.root) / listing[:2] / listing[2:]
    shard = next(each["md5"] for each in json.loads(path.read_text()) if each["relpath"] == "shards/ada.tar")
    (path.parents[1] / shard[:2] / shard[2:]).unlink()
    assert [version.images is None for version in versions.find(project.root, "ada")] == [False, True]
    path.unlink()
    assert [version.tags for version in versions.find(project.root, "ada")] == [("v2",), ("v1",)]


def test_a_lock_that_nobody_can_read_and_a_name_that_is_no_digest_harm_no_version(project: ProjectPaths) -> None:
    evil = "stages:\n  crawl:\n    outs:\n    - {path: build/crawl, md5: ../../../../etc/passwd}\n"
    for text in ("stages: [half\n<<<<", evil):
        (project.root / "dvc.lock").write_text(text)
        run_in(project.root, "git", "commit", "-q", "-a", "-m", "Broken")
    tags = [version.tags for version in versions.find(project.root, "bea")]
    # A version whose listing cannot be had may have anybody: it is named, with nothing known.
    assert tags == [(), ("v3",), ("v2",), ("v1",)]


def test_a_cache_elsewhere_is_found_by_the_configuration(project: ProjectPaths, tmp_path: Path) -> None:
    (project.root / ".dvc" / "cache").rename(tmp_path / "elsewhere")
    run_in(project.root, "dvc", "cache", "dir", "--local", str(tmp_path / "elsewhere"))
    assert len(versions.find(project.root, "ada")) == 2


def test_the_answer_lists_versions_also_of_a_person_who_left(project: ProjectPaths) -> None:
    assert lookup.identity_of("ada", project, params()) == "ada"
    done = answer.write("ada", project, params(), folder=project.root / "out")
    assert done.holdings.pictures == []
    assert [version.tags for version in done.versions] == [("v2",), ("v1",)]
    page = zipfile.ZipFile(done.archive).read("index.html").decode()
    assert "v1" in page
    assert "<code>build/models/small_cnn/gender</code>" in page


def test_without_git_there_are_no_versions(tmp_path: Path) -> None:
    assert versions.find(tmp_path, "ada") == []
