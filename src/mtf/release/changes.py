"""Changelog: identities and faces that were added, removed, moved or relabelled between two versions, and why.

- Identities that were taken down are counted and never named, as a changelog is public.
- Faces of two versions are matched by their boxes: ids depend on boxes, and boxes move with the parameters of `crop`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mtf.annotation import matching
from mtf.release.distribution import Count
from mtf.release.facts import Counted, tally
from mtf.schemas import FACE, FetchOutcome, Reason
from mtf.schemas.takedown_file import Takedowns

NEW, GONE, UNKNOWN = "newly found", "no longer found", "reason not known"
NEW_PERSON, GONE_PERSON = "newly on the roster", "no longer on the roster"
TAKEN_DOWN = Reason.TAKEN_DOWN.replace("_", " ")
Reasons = dict[str, str]
PLACE = ["x", "y", "width", "height"]


@dataclass(frozen=True)
class DatasetVersion:
    """Version of a data set. All fields but `data` may be None, that is not known.

    - `data`: faces of the data set;
    - `faces`: all cropped faces, with their boxes;
    - `exclusions`: faces that are not in the data set, with the reason;
    - `fetches`: addresses, with the outcome of each;
    - `decisions`: lines of the ledger;
    - `roster`: slugs of the identities;
    - `takedowns`: requests;
    - `unknown`: why fields are None, in words.
    """

    data: pl.DataFrame
    faces: pl.DataFrame | None
    exclusions: pl.DataFrame | None
    fetches: pl.DataFrame | None
    decisions: frozenset[str] | None
    roster: frozenset[str] | None
    takedowns: Takedowns | None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changes:
    """Differences between two versions.

    - `identities_added`, `identities_removed`: slug → reason;
    - `taken_down`: number of identities that were taken down;
    - `added`, `removed`: reason → number of faces;
    - `removed_faces`: `IDENTITY/FACE_ID` of each removed face, except those taken down;
    - `moved`: change of the split → number of faces;
    - `relabelled`: change of a label → number of faces;
    - `decisions`: lines added to the ledger and lines removed from it, None if one of the ledgers is not known;
    - `unknown`: what could not be read, in words.
    """

    identities_added: Reasons
    identities_removed: Reasons
    taken_down: int
    added: Counted
    removed: Counted
    removed_faces: list[str]
    moved: Counted
    relabelled: Counted
    decisions: tuple[int, int] | None
    unknown: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Changes as plain values, for JSON and the report."""
        added, removed = self.decisions or (None, None)
        return {
            "identities": {
                "added": self.identities_added,
                "removed": self.identities_removed,
                "taken_down": self.taken_down,
            },
            "faces": {
                "added": dict(self.added),
                "removed": dict(self.removed),
                "moved": dict(self.moved),
                "relabelled": dict(self.relabelled),
            },
            "removed_faces": self.removed_faces,
            "decisions": {"added": added, "removed": removed},
            "unknown": list(self.unknown),
        }


def between(old: DatasetVersion, new: DatasetVersion, *, labels: Sequence[str], box_iou: float) -> Changes:
    """Changes from `old` to `new`. `labels` are the label columns that both have.

    A face whose box moved is the same face if both boxes overlap by at least `box_iou` (0 to 1). So new parameters of
    the detector do not remove and add it.
    """
    pairs = paired(old.data, new.data, box_iou=box_iou)
    added, removed = added_faces(old, new, pairs, box_iou=box_iou), removed_faces(old, new, pairs, box_iou=box_iou)
    both = old.data.join(pairs, on=FACE).join(new.data, left_on=["identity", "other_id"], right_on=FACE, suffix="_new")
    people, others = set(old.data["identity"]), set(new.data["identity"])
    down = {name for name in people - others if _is_taken_down(name, removed, new)}
    named = removed.filter(~pl.col("identity").is_in(down), pl.col("why") != TAKEN_DOWN)
    return Changes(
        identities_added=_reasons(others - people, added, old.roster, NEW_PERSON),
        identities_removed=_reasons(people - others - down, removed, new.roster, GONE_PERSON),
        taken_down=len(down),
        added=tally(added["why"]),
        removed=tally(removed["why"]),
        removed_faces=[f"{identity}/{face}" for identity, face in named.select(FACE).sort(FACE).iter_rows()],
        moved=_differing(both, ["split"]),
        relabelled=_differing(both, labels),
        decisions=decided(old.decisions, new.decisions),
        unknown=(*old.unknown, *new.unknown),
    )


def added_faces(old: DatasetVersion, new: DatasetVersion, pairs: pl.DataFrame, *, box_iou: float) -> pl.DataFrame:
    """Faces of `new` that `old` does not have, with `why`: what kept a face out of `old` and no longer does, as text.

    pairs: faces that both have (`paired`).
    """
    faces = new.data.join(pairs.select("identity", face_id="other_id"), on=FACE, how="anti")
    return _with_reasons(faces, of=new, other=old, words="no longer {}", otherwise=NEW, box_iou=box_iou)


def removed_faces(old: DatasetVersion, new: DatasetVersion, pairs: pl.DataFrame, *, box_iou: float) -> pl.DataFrame:
    """Faces of `old` that `new` does not have, with `why`: what keeps a face out of `new`, as text.

    pairs: faces that both have (`paired`).
    """
    faces = old.data.join(pairs, on=FACE, how="anti")
    return _with_reasons(faces, of=old, other=new, words="{}", otherwise=GONE, box_iou=box_iou)


def _with_reasons(
    faces: pl.DataFrame, *, of: DatasetVersion, other: DatasetVersion, words: str, otherwise: str, box_iou: float
) -> pl.DataFrame:
    """Faces of one version with `why`: the reason that the other version does not have each.

    words: format of a known reason.
    otherwise: text for a face that the other version does not exclude.
    """
    unexplained = UNKNOWN if other.exclusions is None else otherwise
    excluded = _excluded(faces, other, box_iou=box_iou)
    fetched = _fetched(faces, of, other)
    down = [name for name in faces["identity"].unique() if other.takedowns and other.takedowns.of_identity(name)]
    reason = (
        pl.when(pl.col("identity").is_in(down))
        .then(pl.lit(str(Reason.TAKEN_DOWN)))
        .otherwise(pl.coalesce("reason", "outcome"))
        .str.replace_all("_", " ")
    )
    return (
        faces.join(excluded, on=FACE, how="left")
        .join(fetched, on=["identity", "image_id"], how="left")
        .with_columns(why=reason)
        .with_columns(why=pl.when(pl.col("why").is_null()).then(pl.lit(unexplained)).otherwise(pl.format(words, "why")))
    )


def _excluded(faces: pl.DataFrame, other: DatasetVersion, *, box_iou: float) -> pl.DataFrame:
    """Faces that the other version excludes: identity, face_id and reason."""
    if other.exclusions is None:
        return pl.DataFrame(schema={**dict.fromkeys(FACE, pl.String), "reason": pl.String})
    boxes = pl.DataFrame(schema=faces.select(*FACE, *PLACE).schema)
    if other.faces is not None:
        boxes = other.faces.select(*FACE, *PLACE)
    excluded = other.exclusions.select(*FACE, "image_id", "reason").join(boxes, on=FACE, how="left")
    reasons = excluded.select("identity", "reason", other_id="face_id")
    found = paired(faces, excluded, box_iou=box_iou).join(reasons, on=["identity", "other_id"])
    return found.select(*FACE, "reason")


def _fetched(faces: pl.DataFrame, of: DatasetVersion, other: DatasetVersion) -> pl.DataFrame:
    """Images that the other version did not store: identity, image_id and the outcome of their addresses."""
    keys = ["identity", "image_id"]
    if of.fetches is None or other.fetches is None:
        return pl.DataFrame(schema={**dict.fromkeys(keys, pl.String), "outcome": pl.String})
    addresses = of.fetches.filter(pl.col("image_id").is_not_null()).select(*keys, "url")
    outcomes = other.fetches.select("identity", "url", "outcome")
    here = faces.select(keys).unique().join(addresses, on=keys).join(outcomes, on=["identity", "url"])
    kept = pl.col("outcome").is_in([FetchOutcome.STORED, FetchOutcome.DUPLICATE])
    first = (pl.col("outcome") != FetchOutcome.TAKEN_DOWN, "outcome")
    return here.filter(~kept.any().over(keys)).sort(*first).unique(keys, keep="first").select(*keys, "outcome")


def _is_taken_down(identity: str, removed: pl.DataFrame, new: DatasetVersion) -> bool:
    asked = new.takedowns is not None and new.takedowns.of_identity(identity) is not None
    return asked or set(removed.filter(pl.col("identity") == identity)["why"]) == {TAKEN_DOWN}


def _reasons(identities: Iterable[str], faces: pl.DataFrame, roster: frozenset[str] | None, otherwise: str) -> Reasons:
    """Identity → reason: a change of the roster, or the reasons of its faces, most frequent first."""
    by_person: dict[str, Counted] = {
        str(name): tally(rows["why"]) for (name,), rows in faces.group_by("identity") if name in set(identities)
    }
    return {
        name: otherwise
        if roster is not None and name not in roster
        else ", ".join(f"{count} {why}" for why, count in by_person[name])
        for name in sorted(by_person)
    }


def decided(old: frozenset[str] | None, new: frozenset[str] | None) -> tuple[int, int] | None:
    """Numbers of lines added to a ledger and removed from it; None if one of the ledgers is not known."""
    return None if old is None or new is None else (len(new - old), len(old - new))


def _differing(both: pl.DataFrame, columns: Iterable[str]) -> Counted:
    """Changes `COLUMN: OLD → NEW` with their numbers of faces, most frequent first."""
    counts: Counter[str] = Counter()
    for column in columns:
        changed = both.filter(pl.col(column) != pl.col(f"{column}_new"))
        counts.update(changed.select(text=pl.format(f"{column}: {{}} → {{}}", column, f"{column}_new"))["text"])
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def markdown(changes: Changes, *, version: str, previous: str, totals: Count) -> str:
    """Changelog of a release as Markdown."""
    down = f"{changes.taken_down:,} taken down" if changes.taken_down else ""
    parts = [
        f"# {version}",
        f"Against {previous}. Now {totals['images']:,} faces of {totals['identities']:,} people.",
        _listed("Not known", changes.unknown),
        _listed("Identities added", _people(changes.identities_added)),
        _listed("Identities removed", [*_people(changes.identities_removed), *([down] if down else [])]),
        _listed("Faces added", _counted(changes.added)),
        _listed("Faces removed", _counted(changes.removed)),
        _listed("Faces in another split", _counted(changes.moved)),
        _listed("Labels corrected", _counted(changes.relabelled)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def first(*, version: str, totals: Count) -> str:
    """Changelog of the first release as Markdown."""
    return f"# {version}\n\nThe first release: {totals['images']:,} faces of {totals['identities']:,} people.\n"


def _people(reasons: Mapping[str, str]) -> list[str]:
    return [f"{name}: {why}" for name, why in reasons.items()]


def _counted(entries: Counted) -> list[str]:
    return [f"{count:,}: {name}" for name, count in entries]


def _listed(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def paired(faces: pl.DataFrame, others: pl.DataFrame, *, box_iou: float) -> pl.DataFrame:
    """Pairs of matching faces: identity, face_id of `faces`, other_id of `others`; each face is in at most one pair.

    Both tables have identity, face_id, image_id, x, y, width and height; an unknown box is null. Faces match if they
    have the same id, or the same image and boxes that overlap by at least `box_iou` (0 to 1, intersection over union),
    as decisions are matched with faces.
    """
    same = faces.select(FACE).join(others.select(FACE), on=FACE, how="semi").with_columns(other_id="face_id")
    rest, open_ones = faces.join(same, on=FACE, how="anti"), others.join(same, on=FACE, how="anti")
    boxes = rest.select("identity", "image_id", *PLACE, own_id="face_id")
    moved = (
        matching.match(boxes, open_ones, box_iou=box_iou)
        .join(open_ones.select(*FACE, *PLACE), on=FACE, suffix="_face")
        # If two of `faces` match the same one, the one with the larger overlap is taken.
        .sort(matching.iou(), "own_id", descending=[True, False])
        .unique(FACE, keep="first", maintain_order=True)
        .select("identity", pl.col("own_id").alias("face_id"), pl.col("face_id").alias("other_id"))
    )
    return pl.concat([same, moved])
