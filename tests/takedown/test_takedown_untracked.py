"""What lies in a project's build folder where DVC tracks none of it: it is nobody's to remove wholesale."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_project import Small, erasing, files_below, image_id, picture, tar_of

from mtf.core.project_paths import ProjectPaths
from mtf.takedown.execution import erase
from projects import ROOT


def untracked_build(root: Path) -> ProjectPaths:
    """A project that was laid out in a folder: DVC tracks nothing of what was made there."""
    inner = ProjectPaths(root)
    for name, data in (
        ("crop/shards/ann.tar", tar_of({f"{image_id('ann-1')}.jpg": picture("ann-1")})),
        ("crop/shards/bob.tar", tar_of({f"{image_id('bob-0')}.jpg": picture("bob-0")})),
        ("room/any name", picture("ann-1")),
        ("multitask/dynamic/model.pt", b"weights"),
    ):
        (root / "build" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "build" / name).write_bytes(data)
    (root / "data").mkdir(exist_ok=True)
    shutil.copy(ROOT / "params.yaml", root)
    rows = f"added_at,kind,value,reason,requested_by,reference\n2026-01-02,image_id,{image_id('ann-1')},asked,p,\n"
    inner.takedowns.write_text(rows)
    return inner


def test_a_project_laid_out_inside_anothers_clone_is_refused_and_keeps_its_build(
    project: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run({"bob": ["bob-0"]})
    project.commit("v1")
    inner = untracked_build(project.root / "das")
    monkeypatch.chdir(inner.root)
    before = files_below(inner.root)
    for options in ((), ("--dry-run",)):
        code, output = erasing(*options)
        assert code == 2 and "not the root of a DVC repository" in output and "\n" not in output
    assert files_below(inner.root) == before


@pytest.mark.dvc
def test_a_project_without_dvc_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = untracked_build(tmp_path)
    monkeypatch.chdir(inner.root)
    code, output = erasing()
    assert code == 2 and "no DVC repository" in output and "dvc init" in output


def test_where_dvc_tracks_no_output_only_files_with_the_pictures_go_from_build(project: Small) -> None:
    inner = untracked_build(project.root)
    (receipt,) = erase(inner, signed_by="The officer")
    assert files_below(inner.root / "build") == ["crop/shards/bob.tar", "multitask/dynamic/model.pt"]
    assert receipt["workspace"] == ["build/crop/shards/ann.tar", "build/room/any name"]
    assert any(line.startswith("No output in build/ is tracked by DVC") for line in receipt["by_hand"])
