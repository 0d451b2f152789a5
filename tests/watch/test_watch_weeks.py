"""Weeks of a living roster: each change of the web ends where it must, also when each week's first run is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from living_project import KILLS, LivingProject

from mtf.config import Compute
from mtf.sample.finds import SampleSize
from mtf.sample.people import CAST
from mtf.sample.weeks import LivingWeb, WebChange
from mtf.watch.week import CHANGELOG
from projects import mtf, run_in


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> LivingProject:
    size = SampleSize(cast=CAST[:3], rare=(), clean=(6, 6), dirt={})
    web = LivingWeb(seed=5, size=size, weeks=2, compute=Compute(workers=1))
    made = LivingProject(tmp_path_factory.mktemp("living"), web, until="crawl")
    made.crawl_first()
    return made


def test_no_change_is_lost_over_weeks_with_a_kill_in_each(living: LivingProject) -> None:
    for week, kill in enumerate(KILLS[:2], 1):
        before = living.head
        assert {each.kind for each in living.let_a_week_pass()} == set(WebChange)
        living.killed(*kill)
        assert living.head == before and run_in(living.root, "git", "status", "--porcelain") == ""
        said = living.watched()
        assert living.astray() == []
        assert "1 new, 2 withdrawn (opted out 2), 1 under another license" in said and f"{2 * week} pages gone" in said
        assert run_in(living.root, "git", "rev-list", "--count", f"{before}..HEAD").strip() == "1"
        lines = (living.root / CHANGELOG).read_text().splitlines()
        assert len([line for line in lines if line.startswith("- ")]) == week and lines[4][14:] in said
        assert not (living.root / ".dvc/tmp/mtf-watch").exists()
        assert run_in(living.root, "dvc", "status", "crawl").strip() == "Data and pipelines are up to date."


def test_a_run_that_fails_or_is_not_alone_changes_nothing(living: LivingProject) -> None:
    before = living.head
    params = living.workspace.params.read_text()
    living.workspace.params.write_text(params.replace("timeout_s: 5.0", "timeout_s: 4.0"))
    refused = mtf(living.root, "watch")
    assert (refused.returncode, refused.stderr) == (
        2,
        "mtf: not committed: params.yaml; commit them, or undo them, and run this again\n",
    )
    living.workspace.params.write_text(params.replace("min_side_px: 64", "min_side_px: 9999"))
    living.commit("nothing is large enough")
    failed = mtf(living.root, "watch")
    assert failed.returncode == 1 and "yielded no picture for any identity" in failed.stderr
    assert run_in(living.root, "git", "rev-list", "--count", f"{before}..HEAD").strip() == "1"
    assert (
        not (living.root / ".dvc/tmp/mtf-watch").exists() and run_in(living.root, "git", "status", "--porcelain") == ""
    )
    assert living.astray() == []


def test_a_second_run_waits_for_nobody_and_says_who_runs(living: LivingProject, tmp_path: Path) -> None:
    from mtf.core.file_lock import inherited_lock

    with inherited_lock(living.root / ".dvc/tmp/mtf-watch.lock", "x"):
        done = mtf(living.root, "watch")
    assert done.returncode == 2 and "`mtf watch` is running already, as process " in done.stderr
