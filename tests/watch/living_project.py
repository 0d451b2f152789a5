"""A project whose web changes from week to week, killed runs of `mtf watch`, and where each change must end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import yaml

from mtf import config
from mtf.annotation.ledger import write_session
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

# Ends its own process when a command of a run is reached, or after the crawl has noted two identities.
DYING = """
import os, signal, sys
point, when = sys.argv[1], sys.argv[2]
from mtf.watch import clone
def die(): os.kill(os.getpid(), signal.SIGKILL)
if point == "crawl":
    from mtf.crawl import visits
    append, left = visits.append, [2]
    def dying(*arguments, **named):
        append(*arguments, **named)
        left[0] -= 1
        left[0] or die()
    visits.append = dying
else:
    run = clone.Git._run
    def dying(self, command, name, **named):
        is_there = name == point
        if is_there and when == "before": die()
        said = run(self, command, name, **named)
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


class LivingProject:
    """A project at `root`, crawled once and committed. Its web lies outside, as the live one does."""

    def __init__(self, base: Path, web: LivingWeb, *, until: str) -> None:
        self.root, self.web, self._folder = base / "project", web, base / "web"
        self.workspace = ProjectPaths(self.root)
        self.root.mkdir(parents=True)
        web.write(self._folder)
        self._write(until)
        run_in(self.root, "git", "init", "-q", "-b", "main")
        run_in(self.root, "dvc", "init", "-q")
        (self.root / ".gitignore").write_text("/build/\n/plots/\n")

    def _write(self, until: str) -> None:
        raw = yaml.safe_load((ROOT / "params.yaml").read_text())
        raw["crawl"] |= {"web": str(self._folder), "hosts": {}, "sources": [{"kind": "bing", "licenses": [None]}]}
        raw["watch"] = {"recheck_days": 0, "search_days": 0, "until": until}
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
        until = config.load(self.workspace.params).watch.until
        crop.run(self.workspace, config.load(self.workspace.params))
        found = pl.read_parquet(self.workspace.table("crop", "faces"))
        faces = [Face(*row[:2], tuple(row[2:])) for row in found.select("identity", "image_id", *BOX).iter_rows()]
        for session in panel.review(panel.judge(faces, self.web.truths), seed=5):
            write_session(self.workspace.review, session)
        run_in(self.root, "dvc", "add", "-q", "data")
        run_in(self.root, "dvc", "repro", "-q", until)
        self.commit("week 0, reviewed")

    def commit(self, message: str) -> None:
        run_in(self.root, "git", "add", "-A")
        run_in(self.root, *GIT, "commit", "-qm", message)

    @property
    def head(self) -> str:
        return run_in(self.root, "git", "rev-parse", "HEAD").strip()

    def let_a_week_pass(self) -> list[Changed]:
        made = self.web.advance()
        self.web.write(self._folder)
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
        """Changes of the web that have not ended where they must."""
        tables = {
            name: pl.read_parquet(self.workspace.table("crawl", name))
            for name in ("images", "fetches", "evidence", "earlier", "visits")
        }
        return [f"{each}: {why}" for each in self.web.changes if (why := _astray(each, tables))]


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
        WebChange.OPT_OUT_PAGE: lambda: not images.height and outcomes[each.url] == "opted_out",
        WebChange.OPT_OUT_FILE: lambda: not images.height and outcomes[each.url] == "opted_out",
        WebChange.ARRIVAL: lambda: is_stored and outcomes.get(each.url) == "stored",
    }
    if ends[each.kind]():
        return None
    return f"stored {images.height}, license {license}, outcomes {outcomes.get(each.url)}, {outcomes.get(each.new_url)}"
