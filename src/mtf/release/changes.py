"""What differs between two versions of a data set: people and pictures that came and went, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mtf.release.distribution import Count
from mtf.release.facts import Counted, tally

FACE = ["identity", "face_id"]
NEW, GONE = "newly found", "no longer found"


@dataclass(frozen=True)
class Version:
    """`data` are the faces of the data set; `exclusions` says why others are not; `decisions` are ledger lines."""

    data: pl.DataFrame
    exclusions: pl.DataFrame
    decisions: frozenset[str]


@dataclass(frozen=True)
class Changes:
    """`added` and `removed` are faces by why; `decisions` are lines added to the ledger and lines gone from it."""

    identities_added: list[str]
    identities_removed: list[str]
    added: Counted
    removed: Counted
    removed_faces: list[str]
    moved: Counted
    relabelled: Counted
    decisions: tuple[int, int]

    def as_json(self) -> dict[str, Any]:
        return {
            "identities": {"added": self.identities_added, "removed": self.identities_removed},
            "faces": {
                "added": dict(self.added),
                "removed": dict(self.removed),
                "moved": dict(self.moved),
                "relabelled": dict(self.relabelled),
            },
            "removed_faces": self.removed_faces,
            "decisions": {"added": self.decisions[0], "removed": self.decisions[1]},
        }


def between(old: Version, new: Version, *, labels: Sequence[str]) -> Changes:
    """What became of each face of either version. `labels` are the label columns both have."""
    added = new.data.join(old.data, on=FACE, how="anti")
    removed = old.data.join(new.data, on=FACE, how="anti")
    both = old.data.join(new.data, on=FACE, how="inner", suffix="_new")
    people, others = set(old.data["identity"]), set(new.data["identity"])
    return Changes(
        identities_added=sorted(others - people),
        identities_removed=sorted(people - others),
        added=tally(_why(added, old.exclusions, otherwise=NEW, words="no longer {}")),
        removed=tally(_why(removed, new.exclusions, otherwise=GONE, words="{}")),
        removed_faces=[f"{identity}/{face}" for identity, face in removed.select(FACE).sort(FACE).iter_rows()],
        moved=_differing(both, ["split"]),
        relabelled=_differing(both, labels),
        decisions=(len(new.decisions - old.decisions), len(old.decisions - new.decisions)),
    )


def _why(faces: pl.DataFrame, exclusions: pl.DataFrame, *, otherwise: str, words: str) -> pl.Series:
    """For each face, in words, the reason for which the other version excludes it."""
    reasons = faces.join(exclusions.select(*FACE, "step", "reason"), on=FACE, how="left")
    text = pl.format(words, pl.col("reason").str.replace_all("_", " "))
    return reasons.select(why=pl.when(pl.col("reason").is_null()).then(pl.lit(otherwise)).otherwise(text))["why"]


def _differing(both: pl.DataFrame, columns: Iterable[str]) -> Counted:
    """`column: old → new`, with how many faces."""
    counts: Counter[str] = Counter()
    for column in columns:
        changed = both.filter(pl.col(column) != pl.col(f"{column}_new"))
        counts.update(changed.select(text=pl.format(f"{column}: {{}} → {{}}", column, f"{column}_new"))["text"])
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def markdown(changes: Changes, *, version: str, previous: str, totals: Count) -> str:
    """The changelog of a release."""
    parts = [
        f"# {version}",
        f"Against {previous}. Now {totals['images']:,} images of {totals['identities']:,} people.",
        _section("Identities added", [(name, None) for name in changes.identities_added]),
        _section("Identities removed", [(name, None) for name in changes.identities_removed]),
        _section("Images added", changes.added),
        _section("Images removed", changes.removed),
        _section("Images in another split", changes.moved),
        _section("Labels corrected", changes.relabelled),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def first(*, version: str, totals: Count) -> str:
    """The changelog of a release that no other came before."""
    return f"# {version}\n\nThe first release: {totals['images']:,} images of {totals['identities']:,} people.\n"


def _section(title: str, entries: Sequence[tuple[str, int | None]]) -> str:
    if not entries:
        return ""
    lines = [f"- {name}" if count is None else f"- {count:,}: {name}" for name, count in entries]
    return f"## {title}\n\n" + "\n".join(lines)
