"""Page and FiftyOne data set of what changed between two versions of a data set.

Pictures are shown only if they may be used today: the newer version permits them, the policy of params.yaml judges
their evidence so, and nobody asked for their takedown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from mtf.config import IDENTITY, Params
from mtf.core import atomic_files, counts, csv_files, yaml_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.core.revisions import Revision
from mtf.image_diff import page
from mtf.release import face_changes, revision_diff
from mtf.release.changes import DatasetVersion
from mtf.release.face_changes import ChangeKind
from mtf.report import thumbnails
from mtf.rights import policy
from mtf.schemas import FACE, IMAGE, takedown_file

EVIDENCE = PATHS_IN_PROJECT.table("crawl", "evidence").as_posix()
PERMITTED = PATHS_IN_PROJECT.table("curate", "non_curated").as_posix()
TITLES = {
    ChangeKind.ADDED: "Added",
    ChangeKind.GONE: "Gone",
    ChangeKind.CROPPED: "Cropped anew",
    ChangeKind.RELABELLED: "Relabelled",
    ChangeKind.MOVED: "In another split",
    ChangeKind.LICENSE: "License changed",
}
_FIFTYONE_PICTURES = "data"
_CREDIT = ("title", "creator", "license", "page_url")

Face = tuple[str, str]


@dataclass
class VersionDiff:
    """Differences of two versions, with the pictures that may be shown.

    changes: table of `face_changes.between`.
    taken_down: number of identities that were taken down, which are in no row.
    unknown: what could not be read, in words.
    """

    old: Revision
    new: Revision
    changes: pl.DataFrame
    taken_down: int
    unknown: list[str]
    _places: dict[str, dict[Face, tuple[int, int]]] = field(default_factory=dict)
    _credits: dict[Face, str] = field(default_factory=dict)

    def picture(self, row: Mapping[str, Any], side: str) -> bytes | None:
        """Crop of a row's face in the version `side` (old, new); None if it may not be shown, or cannot be read."""
        revision = self.old if side == "old" else self.new
        if self.credit(row) is None or row[f"{side}_face"] is None:
            return None
        place = self._places[side].get((row["identity"], row[f"{side}_face"]))
        shard = PATHS_IN_PROJECT.shard("crop", row["identity"]).as_posix()
        return None if place is None else revision.part_of(shard, *place)

    def credit(self, row: Mapping[str, Any]) -> str | None:
        """Credit of a row's picture; None if it may not be shown."""
        return self._credits.get((row["identity"], row["image_id"]))


def compare(workspace: ProjectPaths, params: Params, old: str, new: str | None) -> VersionDiff:
    """Compare two revisions; `new` None is the working tree. Raises BadInput if one of them has no data set."""
    revisions = Revision(workspace.root, old), Revision(workspace.root, new)
    versions = [revision_diff.version_of(each) for each in revisions]
    unknown = [text for version in versions for text in version.unknown]
    evidence = [_table(each, EVIDENCE, unknown) for each in revisions]
    changes = face_changes.between(
        *versions,
        labels=revision_diff.shared_labels(params, versions),
        box_iou=params.curate.box_iou,
        rosters=(_roster(revisions[0], unknown), _roster(revisions[1], unknown)),
        evidence=(evidence[0], evidence[1]),
        crop_changes=_parameter_changes(*revisions, "crop"),
        split_changes=_parameter_changes(*revisions, "split", "seed"),
    )
    permitted = _permitted(workspace, params, revisions[1], evidence[1], unknown)
    shown = changes.join(permitted, on=IMAGE, how="semi")
    places = {
        side: _places(version, shown, f"{side}_face") for side, version in zip(("old", "new"), versions, strict=True)
    }
    return VersionDiff(*revisions, changes, _taken_down(*versions), unknown, places, _credits(permitted, shown))


def _taken_down(old: DatasetVersion, new: DatasetVersion) -> int:
    """Number of identities of the old version that were taken down since."""
    gone = set(old.data["identity"]) - set(new.data["identity"])
    return sum(new.takedowns is not None and new.takedowns.of_identity(name) is not None for name in gone)


def html(found: VersionDiff, *, title: str) -> str:
    """One HTML page, in at most `page.MAX_PAGE_BYTES`, that needs no network."""
    groups = [_group(found, kind) for kind in ChangeKind]
    lacking = found.changes.height - len([1 for row in found.changes.iter_rows(named=True) if found.credit(row)])
    notes = list(dict.fromkeys(found.unknown))
    if found.taken_down:
        many = counts.number(found.taken_down, "identity was", "identities were")
        notes.append(f"{many} taken down, and named nowhere")
    if lacking:
        many = counts.number(lacking, "change has", "changes have")
        notes.append(f"{many} no picture: not to be shown, or no longer in the newer version")
    totals = ", ".join(f"{group.title.lower()} {group.total:,}" for group in groups)
    return page.rendered(groups, title=f"{title}: {found.old} and {found.new}", says=[totals], notes=notes)


def _group(found: VersionDiff, kind: ChangeKind) -> page.Group:
    rows = found.changes.filter(pl.col("kind") == str(kind))
    reasons = rows["why"].value_counts(sort=True).sort("count", "why", descending=[True, False])
    return page.Group(str(kind), TITLES[kind], rows.height, list(reasons.iter_rows()), _Rows(found, rows))


class _Rows(Sequence[page.Row]):
    """Rows of the page, made when they are read: a page holds a part of a large comparison."""

    def __init__(self, found: VersionDiff, table: pl.DataFrame) -> None:
        self._found, self._table = found, table

    def __len__(self) -> int:
        return self._table.height

    def __getitem__(self, place: Any) -> Any:
        return _row(self._found, self._table.row(place, named=True))

    def __iter__(self) -> Iterator[page.Row]:
        return (_row(self._found, row) for row in self._table.iter_rows(named=True))


def _row(found: VersionDiff, row: dict[str, Any]) -> page.Row:
    credit = found.credit(row)
    face = row["new_face"] or row["old_face"]
    text = f"{row['what']}: {row['why']}" if row["kind"] not in (ChangeKind.ADDED, ChangeKind.GONE) else row["why"]
    pictures = None if credit is None else partial(_pictures, found, row)
    return page.Row(f"{row['identity']} {face[:8]}", text, credit or "", pictures)


def _pictures(found: VersionDiff, row: dict[str, Any]) -> tuple[bytes | None, bytes | None]:
    """Thumbnails before and after. A face whose crop is the same is shown once."""
    looks_the_same = row["kind"] in (ChangeKind.RELABELLED, ChangeKind.MOVED, ChangeKind.LICENSE)
    sides = ("new",) if looks_the_same and row["new_face"] else ("old", "new")
    made = {}
    for side in sides:
        crop = found.picture(row, side)
        made[side] = None if crop is None else thumbnails.jpeg(crop)
    return made.get("old"), made.get("new")


def write_fiftyone(found: VersionDiff, to: Path) -> int:
    """Write the changes as FiftyOne's `LegacyFiftyOneDataset` to the new folder `to`; returns the number of samples.

    One sample per change with a picture that may be shown: its kind is its tag, and the fields identity, what, why and
    credit say the rest. A face that was cropped anew has a sample for each version.
    """
    if to.exists() and any(to.iterdir()):
        raise BadInput(f"{to}: is not empty; choose a new folder")
    samples = []
    for number, row in enumerate(found.changes.iter_rows(named=True)):
        sides = ("old", "new") if row["kind"] == ChangeKind.CROPPED else ("new",) if row["new_face"] else ("old",)
        for side in sides:
            if (crop := found.picture(row, side)) is None:
                continue
            path = f"{_FIFTYONE_PICTURES}/{number:06d}-{side}.jpg"
            atomic_files.write_bytes(to / path, crop)
            texts = {name: row[name] for name in ("identity", "image_id", "what", "why")}
            tags = [row["kind"], *(["before" if side == "old" else "after"] if len(sides) == 2 else [])]
            kind = {"_cls": "Classification", "label": row["kind"]}
            samples.append({"filepath": path, "tags": tags, "change": kind, **texts, "credit": found.credit(row)})
    atomic_files.write_json(to / "samples.json", {"samples": samples})
    info = {"old": str(found.old), "new": str(found.new), "changes": found.changes.height}
    atomic_files.write_json(
        to / "metadata.json", {"info": info, "classes": {"change": [str(kind) for kind in ChangeKind]}}
    )
    return len(samples)


def _table(revision: Revision, path: str, unknown: list[str]) -> pl.DataFrame | None:
    try:
        found = revision.table(path)
    except BadInput as error:
        unknown.append(str(error))
        return None
    if found is None:
        unknown.append(f"{revision}: no {path} there")
    return found


def _roster(revision: Revision, unknown: list[str]) -> pl.DataFrame | None:
    """Roster of a version, as text; None if it cannot be read."""
    try:
        text = revision.bytes_of(revision_diff.ROSTER)
        rows = [] if text is None else csv_files.parse(text, f"{revision}: roster").requiring([IDENTITY])
    except BadInput as error:
        unknown.append(str(error))
        return None
    cells = [row.cells for row in rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(cells[0], pl.String)) if cells else None


def _parameter_changes(old: Revision, new: Revision, *keys: str) -> str:
    """Parameters below `keys` of params.yaml that differ, in words; empty if none does."""
    sections = []
    for revision in (old, new):
        text = revision.bytes_of(PATHS_IN_PROJECT.params.as_posix()) or b""
        try:
            content = yaml_files.parse(text.decode("utf-8", "replace"), "params.yaml")
        except BadInput:
            return ""
        given = content if isinstance(content, dict) else {}
        sections.append({name: each for key in keys for name, each in _flat(given.get(key), key).items()})
    before, after = sections
    return ", ".join(
        f"{name} {before.get(name, 'none')} → {after.get(name, 'none')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _flat(section: Any, prefix: str) -> dict[str, str]:
    if not isinstance(section, dict):
        return {prefix: str(section)}
    return {name: text for key, value in section.items() for name, text in _flat(value, f"{prefix}.{key}").items()}


def _permitted(
    workspace: ProjectPaths, params: Params, new: Revision, evidence: pl.DataFrame | None, unknown: list[str]
) -> pl.DataFrame:
    """Pictures that may be shown, with their credits: identity, image_id and the columns of a credit."""
    faces = _table(new, PERMITTED, unknown)
    if faces is None or evidence is None:
        return pl.DataFrame(schema=dict.fromkeys([*IMAGE, *_CREDIT], pl.String))
    takedowns = takedown_file.load(workspace.takedowns)
    reason = policy.judge(evidence, params.licenses, today=datetime.now(UTC).date())
    usable = evidence.filter(reason.is_null()).join(faces.select(IMAGE).unique(), on=IMAGE, how="semi")
    down = [
        (row["identity"], row["image_id"])
        for row in usable.select(*IMAGE, "url", "page_url").iter_rows(named=True)
        if takedowns.of_image(row["image_id"])
        or takedowns.of_address(identity=row["identity"], url=row["url"], page_url=row["page_url"])
    ]
    taken_down = pl.DataFrame(down, schema=dict.fromkeys(IMAGE, pl.String), orient="row")
    return usable.join(taken_down, on=IMAGE, how="anti").select(*IMAGE, *_CREDIT)


def _credits(permitted: pl.DataFrame, shown: pl.DataFrame) -> dict[Face, str]:
    wanted = permitted.join(shown.select(IMAGE).unique(), on=IMAGE, how="semi")
    return {
        (row["identity"], row["image_id"]): ", ".join(
            text for text in (row["title"], row["creator"], row["license"], row["page_url"]) if text
        )
        or "no credit"
        for row in wanted.iter_rows(named=True)
    }


def _places(version: DatasetVersion, shown: pl.DataFrame, column: str) -> dict[Face, tuple[int, int]]:
    """Face → offset and size of its crop in its shard."""
    if version.faces is None or not {"offset", "size_bytes"} <= set(version.faces.columns):
        return {}
    wanted = shown.select("identity", face_id=column).drop_nulls().unique()
    rows = version.faces.join(wanted, on=FACE, how="semi").select(*FACE, "offset", "size_bytes")
    return {(identity, face): (offset, size) for identity, face, offset, size in rows.iter_rows()}
