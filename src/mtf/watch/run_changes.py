"""Changes of one run of `mtf watch`, from the tables before and after, and the line that says them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from mtf.core.counts import number
from mtf.core.errors import BadInput
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.core.revisions import Revision
from mtf.schemas import FACE, IMAGE, FetchOutcome, Reason, VisitResult

CHANGELOG = "data-changelog.md"
_TITLE = "# Changes of the data set\n\nOne line for each run of `mtf watch`, the newest first.\n\n"
_TABLES = (("crawl", "images"), ("crawl", "fetches"), ("crawl", "evidence"), ("split", "splits"))

Counts = dict[str, int]


@dataclass(frozen=True)
class Tables:
    """Tables of one state of a project; None for those that it lacks."""

    images: pl.DataFrame | None
    fetches: pl.DataFrame | None
    evidence: pl.DataFrame | None
    splits: pl.DataFrame | None

    @classmethod
    def of(cls, workspace: ProjectPaths, revision: str | None) -> Tables:
        """Tables at a revision; None is the folder as it lies."""
        state = Revision(workspace.root, revision)
        return cls(*(_table(state, PATHS_IN_PROJECT.table(*each).as_posix()) for each in _TABLES))


def _table(state: Revision, path: str) -> pl.DataFrame | None:
    try:
        return state.table(path)
    except BadInput:  # of a stage that has not run yet
        return None


@dataclass
class RunChanges:
    """Changes that one run found.

    day: on which the run began.
    asked: number of stored pictures whose sources were asked again.
    unchanged: of those, with an unchanged page and file.
    gone: of those, whose page is gone; its evidence keeps its date.
    unread: of those, whose page did not answer, or not with the page; its evidence keeps its date.
    new: pictures that were not stored before.
    withdrawn: reason → pictures that are no longer stored.
    licenses: change → pictures under another license.
    returned: new addresses that gave a picture that was stored already.
    joined: faces that are new in the data set.
    left: faces that are no longer in it.
    faces: all faces of the data set.
    waiting: faces that wait for reviewers.
    """

    day: date
    asked: int = 0
    unchanged: int = 0
    gone: int = 0
    unread: int = 0
    new: int = 0
    withdrawn: Counts = field(default_factory=dict)
    licenses: Counts = field(default_factory=dict)
    returned: int = 0
    joined: int = 0
    left: int = 0
    faces: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        """One line for the changelog."""
        parts = [
            f"asked again for {number(self.asked, 'picture')}, {self.unchanged:,} unchanged",
            f"{self.new:,} new" if self.new else "",
            f"{sum(self.withdrawn.values()):,} withdrawn ({_listed(self.withdrawn)})" if self.withdrawn else "",
            f"{sum(self.licenses.values()):,} under another license ({_listed(self.licenses)})"
            if self.licenses
            else "",
            f"{number(self.gone, 'page')} gone" if self.gone else "",
            f"{number(self.unread, 'page')} not read" if self.unread else "",
            f"{self.returned:,} returned under another address" if self.returned else "",
        ]
        left = [f"{self.joined:,} joined" if self.joined else "", f"{self.left:,} left" if self.left else ""]
        moves = f" ({', '.join(filter(None, left))})" if any(left) else ""
        data = f"data set: {number(self.faces, 'face')}{moves}, {self.waiting:,} wait for review"
        return f"{', '.join(filter(None, parts))}; {data}"


def changes(before: Tables, after: Tables, workspace: ProjectPaths, *, began: datetime) -> RunChanges:
    """Changes between two states of a project, and the visits since `began`."""
    found = RunChanges(began.date())
    _count_visits(found, workspace, began)
    if before.images is not None and after.images is not None and after.fetches is not None:
        _count_pictures(found, before, before.images, after.images, after.fetches)
    if before.evidence is not None and after.evidence is not None:
        found.licenses = _relicensed(before.evidence, after.evidence)
    if after.splits is not None:
        old = after.splits.clear() if before.splits is None else before.splits
        found.joined = after.splits.join(old, on=FACE, how="anti").height
        found.left = old.join(after.splits, on=FACE, how="anti").height
        found.faces = after.splits.height
    exclusions = workspace.table("curate", "exclusions")
    if exclusions.is_file():
        found.waiting = pl.read_parquet(exclusions).filter(pl.col("reason") == Reason.UNDECIDED).height
    return found


def _count_visits(found: RunChanges, workspace: ProjectPaths, began: datetime) -> None:
    path = workspace.table("crawl", "visits")
    if not path.is_file():
        return
    visits = pl.read_parquet(path).filter(pl.col("image_id").is_not_null(), pl.col("visited_at") >= began)
    as_before = [pl.col(name) == VisitResult.UNCHANGED for name in ("page", "file")]
    found.asked = visits.height
    found.unchanged = visits.filter(*as_before).height
    found.gone = visits.filter(pl.col("page") == VisitResult.GONE).height
    found.unread = visits.filter(pl.col("page") == VisitResult.UNREAD).height


def _count_pictures(
    found: RunChanges, before: Tables, old: pl.DataFrame, new: pl.DataFrame, fetches: pl.DataFrame
) -> None:
    found.new = new.join(old, on=IMAGE, how="anti").height
    gone = old.join(new, on=IMAGE, how="anti").select("identity", "url")
    outcomes = gone.join(fetches.select("identity", "url", "outcome"), on=["identity", "url"], how="left")
    kept = pl.col("outcome").is_in([str(FetchOutcome.STORED), str(FetchOutcome.DUPLICATE)])
    why = pl.when(kept).then(pl.lit("another picture there")).otherwise(pl.col("outcome").fill_null("no longer found"))
    is_listed = pl.col("identity").is_in(fetches["identity"].unique().to_list())
    why = pl.when(is_listed).then(why).otherwise(pl.lit("no longer in the roster"))
    found.withdrawn = _counts(outcomes.select(why=why.str.replace_all("_", " "))["why"])
    if before.fetches is not None:
        unknown = fetches.join(before.fetches, on=["identity", "url"], how="anti")
        repeated = unknown.filter(pl.col("outcome") == FetchOutcome.DUPLICATE)
        found.returned = repeated.join(old, on=IMAGE, how="semi").height


def _relicensed(old: pl.DataFrame, new: pl.DataFrame) -> Counts:
    joined = old.select(*IMAGE, "license").join(new.select(*IMAGE, "license"), on=IMAGE, suffix="_new")
    changed = joined.filter(pl.col("license").ne_missing(pl.col("license_new")))
    text = pl.format("{} → {}", pl.col("license").fill_null("none"), pl.col("license_new").fill_null("none"))
    return _counts(changed.select(text=text)["text"])


def _counts(values: pl.Series) -> Counts:
    counted = values.value_counts().sort("count", values.name, descending=[True, False])
    return {str(value): count for value, count in counted.iter_rows()}


def _listed(counts: Counts) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def with_line(changelog: str, found: RunChanges) -> str:
    """Changelog with a line for this run, above the earlier ones."""
    title, earlier = (_TITLE, changelog) if not changelog else changelog.partition(_TITLE)[1:]
    if not title:  # a changelog that people began in their own way
        title, earlier = "", changelog
    return f"{title}- {found.day}: {found}\n{earlier}"
