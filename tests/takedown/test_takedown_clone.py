"""Nothing is erased from a clone that lacks a part of git's history: what its versions hold is not known."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import Small, erasing, files_below, holding, image_id, picture

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.forget import history
from mtf.takedown.execution import erase
from projects import environment, run_in


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    """A project and its remote. The first version holds a picture that is to be erased, the second does not."""
    folder = tmp_path_factory.mktemp("two-versions")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        small = Small(folder)
        config = small.root / ".dvc" / "config"
        config.write_text(config.read_text().replace(str(folder), "../.."))
        patch.chdir(small.root)
        small.run({"ann": ["ann-0"]})
        small.commit("v1")
        small.take_down("image_id", image_id("ann-0"))
        small.run({"ann": []})
        small.commit("v2")
    return folder


@pytest.fixture
def project(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to damage; its remote is beside it."""
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def oid(root: Path, name: str) -> str:
    return run_in(root, "git", "rev-parse", name).strip()


def stored(root: Path, name: str) -> Path:
    """The file in which git keeps an object."""
    object_id = oid(root, name)
    return root / ".git" / "objects" / object_id[:2] / object_id[2:]


def lose(name: str) -> Callable[[Path], str]:
    def lost(root: Path) -> str:
        object_id = oid(root, name)
        stored(root, name).unlink()
        return object_id

    return lost


def empty(name: str) -> Callable[[Path], str]:
    """As a disk that was full leaves it."""

    def emptied(root: Path) -> str:
        path, object_id = stored(root, name), oid(root, name)
        path.chmod(0o644)
        path.write_bytes(b"")
        return object_id

    return emptied


def lose_a_tags_commit(root: Path) -> str:
    beside = run_in(root, "git", "commit-tree", "-m", "beside", "HEAD^{tree}").strip()
    run_in(root, "git", "tag", "gone", beside)
    lose("gone")(root)
    return "refs/tags/gone"


@pytest.mark.parametrize(
    ("damage", "advice"),
    [
        pytest.param(lose("HEAD~1"), history.MEND, id="a commit is gone"),
        pytest.param(lose("HEAD~1^{tree}"), history.MEND, id="a folder is gone"),
        pytest.param(lose("HEAD~1:data.dvc"), history.MEND, id="a file is gone"),
        pytest.param(empty("HEAD~1:data.dvc"), history.CLEAR, id="a file is broken"),
        pytest.param(empty("HEAD~1"), history.CLEAR, id="a commit is broken"),
        pytest.param(lose_a_tags_commit, history.UNNAME, id="a tag leads nowhere"),
    ],
)
def test_what_git_lacks_is_named_with_what_to_do_and_nothing_is_erased(
    project: Path, damage: Callable[[Path], str], advice: str
) -> None:
    named = damage(project)
    before = files_below(project.parent)
    for options in ((), ("--dry-run",)):
        code, message = erasing(*options)
        assert code == 2 and "\n" not in message
        assert message.startswith("nothing was erased") and named in message and message.endswith(advice)
    assert files_below(project.parent) == before
    assert holding(project, picture("ann-0")[:40]) and holding(project.parent / "remote", picture("ann-0")[:40])


@pytest.mark.parametrize(
    ("option", "lacking", "advice"),
    [
        ("--depth=1", "this clone is shallow: versions before", "git fetch --unshallow"),
        ("--filter=blob:none", "git lacks ", "git fetch --refetch --no-filter"),
    ],
)
def test_a_clone_in_part_is_refused_until_the_rest_is_fetched(
    project: Path, monkeypatch: pytest.MonkeyPatch, option: str, lacking: str, advice: str
) -> None:
    run_in(project, "git", "config", "uploadpack.allowFilter", "true")
    run_in(project.parent, "git", "clone", "-q", option, f"file://{project}", "part")
    part, remote = ProjectPaths(project.parent / "part"), project.parent / "remote"
    shutil.copytree(project / "data", part.data)
    with pytest.raises(BadInput, match=lacking) as refused:
        erase(part, signed_by="me")
    assert f"`{advice}`" in str(refused.value) and holding(remote, picture("ann-0")[:40])
    run_in(part.root, *advice.split(), "-q")
    (receipt,) = erase(part, signed_by="me")
    assert receipt["finished_at"] and not holding(remote, picture("ann-0")[:40])


def test_a_project_without_git_is_refused(project: Path) -> None:
    config = project / ".dvc" / "config"
    config.write_text(config.read_text().replace("[core]", "[core]\n    no_scm = true"))
    code, message = erasing()
    assert code == 2 and "without git" in message and "nothing was erased" in message
