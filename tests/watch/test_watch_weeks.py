"""Weeks of a living roster: each change of the web ends where it must, also when each week's first run is killed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from living_project import LivingProject

from mtf.config import Compute, Watch
from mtf.sample.finds import SampleSize
from mtf.sample.people import CAST
from mtf.sample.weeks import LivingWeb, WebChange
from mtf.watch.run_changes import CHANGELOG
from projects import mtf, run_in

pytestmark = pytest.mark.lengthy(20)


# The days of these people are the 3rd, the 7th and the 11th.
PEOPLE = CAST[1:4]
POLICY = Watch(recheck_days=7, recheck_max_days=14, search_days=14, until="crawl")


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> LivingProject:
    size = SampleSize(cast=PEOPLE, rare=(), clean=(6, 6), dirt={})
    web = LivingWeb(seed=5, size=size, weeks=2, compute=Compute(workers=1))
    made = LivingProject(tmp_path_factory.mktemp("living"), web, policy=POLICY)
    made.crawl_first()
    return made


def test_no_change_is_lost_or_late_over_weeks_with_a_kill_in_each(living: LivingProject) -> None:
    before = living.head
    assert {each.kind for each in living.let_a_week_pass()} == set(WebChange)
    living.killed("crawl", "-")
    assert living.head == before and run_in(living.root, "git", "status", "--porcelain") == ""
    living.watched()
    assert 0 < living.ended() < len(WebChange)
    living.let_a_week_pass()
    # No run follows in this week: the next one publishes what the killed one has committed, and goes on.
    living.killed("git commit", "after")
    living.let_a_week_pass(is_quiet=True)
    said = living.watched()
    assert (living.astray(), living.ended()) == ([], 2 * len(WebChange))
    assert run_in(living.root, "git", "rev-list", "--count", f"{before}..HEAD").strip() == "3"
    lines = [line for line in (living.root / CHANGELOG).read_text().splitlines() if line.startswith("- ")]
    assert [line[2:12] for line in lines] == ["2025-01-27", "2025-01-20", "2025-01-13"] and lines[0][14:] in said
    assert not (living.root / ".dvc/tmp/mtf-watch").exists()
    assert run_in(living.root, "dvc", "status", "crawl").strip() == "Data and pipelines are up to date."


def test_each_line_of_the_changelog_counts_the_changes_of_its_run(living: LivingProject) -> None:
    text = (living.root / CHANGELOG).read_text()
    counted = {
        what: sum(map(int, re.findall(rf"(\d+) {what}", text)))
        for what in ("new", "withdrawn", "under another license", "returned under another address")
    }
    assert list(counted.values()) == [2, 4, 2, 2]
    # Each picture is asked for once in two weeks, and once more after a change.
    asked = [int(count) for count in re.findall(r"asked again for (\d+) pictures", text)]
    assert len(asked) == 3 and max(asked) < len(living.web.truths)


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
