"""A project whose web changes from week to week, killed runs of `mtf watch`, and where each change must end."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import yaml

from mtf import config
from mtf.annotation.ledger import write_session
from mtf.config import Watch
from mtf.core import csv_files
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import crawl, crop
from mtf.project import own_pipeline
from mtf.rights import attribution
from mtf.sample import panel
from mtf.sample.panel import Face
from mtf.sample.weeks import DRIFTED_TO, Changed, LivingWeb, WebChange
from mtf.schemas import BOX, takedown_file
from projects import ROOT, environment, mtf, run_in

GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]

# Ends its own process when a command of a run is reached, or after the crawl has noted an identity.
DYING = """
import os, signal, sys
point, when = sys.argv[1], sys.argv[2]
from mtf.watch import clone
def die(): os.kill(os.getpid(), signal.SIGKILL)
if point == "crawl":
    from mtf.crawl import visits
    append = visits.append
    def dying(*arguments, **named):
        append(*arguments, **named)
        die()
    visits.append = dying
else:
    run = clone.Git._run
    def dying(self, command, *names, **named):
        is_there = names[0] == point
        if is_there and when == "before": die()
        said = run(self, command, *names, **named)
        if is_there and when == "after": die()
        return said
    clone.Git._run = dying
sys.argv = ["mtf", "watch"]
from mtf.cli import main
main()
"""
KILLS = (
    ("crawl", "-"), ("git commit", "after"), ("git merge", "after"), ("dvc commit", "before"), ("git clone", "after"),
    ("git merge", "before"), ("git commit", "before"), ("dvc checkout", "after"),
)  # fmt: skip


FIRST_CRAWL = datetime(2025, 1, 6, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
AT_EACH_RUN = Watch(recheck_days=0, search_days=0)


class LivingProject:
    """A project at `root`, crawled once and committed. Its web lies outside, as the live one does.

    The web has a time of its own, so that weeks pass without waiting.
    """

    def __init__(self, base: Path, web: LivingWeb, *, policy: Watch) -> None:
        self.root, self.web, self._folder = base / "project", web, base / "web"
        self.workspace, self.now, self._policy = ProjectPaths(self.root), FIRST_CRAWL, policy
        self.root.mkdir(parents=True)
        self._write_web()
        self._write()
        run_in(self.root, "git", "init", "-q", "-b", "main")
        run_in(self.root, "dvc", "init", "-q")
        (self.root / ".gitignore").write_text("/build/\n/plots/\n")

    def _write_web(self) -> None:
        self.web.write(self._folder, recorded_at=self.now)

    def _write(self) -> None:
        raw = yaml.safe_load((ROOT / "params.yaml").read_text())
        raw["crawl"] |= {"web": str(self._folder), "hosts": {}, "sources": [{"kind": "bing", "licenses": [None]}]}
        raw["watch"] = self._policy.model_dump(mode="json")
        raw["curate"] |= {"min_images_per_identity": 1}
        raw["compute"]["workers"] = 1
        self.workspace.params.write_text(yaml.safe_dump(raw, sort_keys=False))
        pipeline = own_pipeline.derived((ROOT / "dvc.yaml").read_text(), config.load(self.workspace.params), inputs=())
        (self.root / "dvc.yaml").write_text(pipeline)
        people = self.web.people
        header = ("identity", "name", "race", "gender", "age")
        self.workspace.data.mkdir()
        csv_files.write(self.workspace.roster, [header, *([getattr(one, name) for name in header] for one in people)])
        csv_files.write(self.workspace.takedowns, [takedown_file.COLUMNS])
        csv_files.write(self.workspace.attribution, [attribution.COLUMNS])
        (self.workspace.review / "nobody").mkdir(parents=True)
        (self.workspace.review / "nobody/1.jsonl").write_text("")

    def crawl_first(self) -> None:
        """Week 0: the first crawl, without the stages after it."""
        run_in(self.root, "dvc", "add", "-q", "data")
        run_in(self.root, "mtf", "deps", "--installed")
        crawl.run(self.workspace, config.load(self.workspace.params))
        run_in(self.root, "dvc", "commit", "-q", "--force", "installed_code", "crawl")
        self.commit("week 0")

    def bring_up_to_date(self) -> None:
        """The stages after the crawl, with the answers of a simulated panel on the faces of week 0."""
        crop.run(self.workspace, config.load(self.workspace.params))
        found = pl.read_parquet(self.workspace.table("crop", "faces"))
        faces = [Face(*row[:2], tuple(row[2:])) for row in found.select("identity", "image_id", *BOX).iter_rows()]
        for session in panel.review(panel.judge(faces, self.web.truths), seed=5):
            write_session(self.workspace.review, session)
        run_in(self.root, "dvc", "add", "-q", "data")
        run_in(self.root, "dvc", "repro", "-q", self._policy.until)
        self.commit("week 0, reviewed")

    def commit(self, message: str) -> None:
        run_in(self.root, "git", "add", "-A")
        run_in(self.root, *GIT, "commit", "-qm", message)

    @property
    def head(self) -> str:
        return run_in(self.root, "git", "rev-parse", "HEAD").strip()

    def let_a_week_pass(self, *, is_quiet: bool = False) -> list[Changed]:
        """Let a week pass; its changes. is_quiet: nothing changes in it."""
        self.now += WEEK
        made = [] if is_quiet else self.web.advance()
        self._write_web()
        return made

    def killed(self, point: str, when: str) -> None:
        """A run that is killed at a point."""
        command = (sys.executable, "-c", DYING, point, when)
        done = subprocess.run(command, cwd=self.root, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stdout + done.stderr

    def watched(self) -> str:
        """Output of a run that ends well."""
        done = mtf(self.root, "watch")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def astray(self) -> list[str]:
        """Changes of the web that should have ended where they must by now, and have not."""
        tables = self._tables()
        overdue = [each for each in self.web.changes if self._latest_end(each) <= self.now]
        return [f"{each}: {why}" for each in overdue if (why := _astray(each, tables))]

    def ended(self) -> int:
        """Number of changes that have ended where they must."""
        tables = self._tables()
        return sum(_astray(each, tables) is None for each in self.web.changes)

    def _tables(self) -> dict[str, pl.DataFrame]:
        names = ("images", "fetches", "evidence", "earlier", "visits")
        return {name: pl.read_parquet(self.workspace.table("crawl", name)) for name in names}

    def _latest_end(self, each: Changed) -> datetime:
        """Time at which a change must be noticed: it may have come right after the visit of the week before."""
        longest = self._policy.recheck_max_days if self._policy.recheck_days else 0
        days = self._policy.search_days if each.kind in (WebChange.ARRIVAL, WebChange.MOVE) else longest
        return FIRST_CRAWL + (each.week - 1) * WEEK + timedelta(days=days)


def _astray(each: Changed, tables: dict[str, pl.DataFrame]) -> str | None:
    images = tables["images"].filter(image_id=each.image_id)
    evidence = tables["evidence"].filter(image_id=each.image_id)
    visits = tables["visits"].filter(image_id=each.image_id)
    outcomes = dict(tables["fetches"].select("url", "outcome").iter_rows())
    is_stored, license = images.height == 1, evidence["license"].to_list()
    ends = {
        WebChange.DRIFT: lambda: (
            license == [DRIFTED_TO]
            and tables["earlier"].filter(image_id=each.image_id)["license"].to_list() not in ([], [DRIFTED_TO])
        ),
        WebChange.PAGE_DIES: lambda: is_stored and license != [None] and visits["page"].to_list() == ["gone"],
        WebChange.MOVE: lambda: is_stored and outcomes.get(each.new_url) == "duplicate",
        WebChange.OPT_OUT_PAGE: lambda: not images.height and outcomes.get(each.url) == "opted_out",
        WebChange.OPT_OUT_FILE: lambda: not images.height and outcomes.get(each.url) == "opted_out",
        WebChange.ARRIVAL: lambda: is_stored and outcomes.get(each.url) == "stored",
    }
    if ends[each.kind]():
        return None
    return f"stored {images.height}, license {license}, outcomes {outcomes.get(each.url)}, {outcomes.get(each.new_url)}"
