"""Choice of the machines that do the work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mtf.config import Compute
from mtf.core import parallel_map
from mtf.core.errors import MtfError
from mtf.core.job_files import JobFiles, relocated


def square(number: int) -> int:
    return number * number


def test_a_cluster_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MtfError, match=r"`pip install 'mtf\[ray\]'` brings it, or use 'local'"):
        parallel_map.map_items(square, range(3), compute=Compute(engine="ray"), title="squares")


def test_work_without_named_files_stays_here_if_the_cluster_does_not_see_the_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    compute = Compute(engine="ray", storage="s3://faces/project", workers=1)
    assert parallel_map.map_items(square, range(3), compute=compute, title="squares") == [0, 1, 4]


def test_the_paths_of_a_project_are_moved_at_any_depth_and_others_stay() -> None:
    root, here = Path("/project"), Path("/worker")
    files = JobFiles(root, root / "build/crop/ada.tar", reads=(root / "data/a", Path("/usr/share/b")))
    moved = relocated((files, "text"), root, here)
    assert moved == (JobFiles(here, here / "build/crop/ada.tar", reads=(here / "data/a", Path("/usr/share/b"))), "text")
