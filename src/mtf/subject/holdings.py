"""Holdings of one person in the current version: rows of every table, files of people, and pictures.

Tables are scanned for the person's rows alone; of the shards only the person's own are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from mtf.config import Params
from mtf.core import csv_files
from mtf.core.project_paths import ProjectPaths
from mtf.core.urls import address_key
from mtf.release import layout
from mtf.rights import attribution
from mtf.schemas import Reason, Step, funnel_steps, takedown_file
from mtf.schemas.takedown_file import RequestKind
from mtf.subject import decisions

Row = dict[str, Any]
KEYS = ("identity", "image_id")
_WITHOUT_TABLES = {"shards", *layout.VARIANTS}
_BOX = ("x", "y", "width", "height")


@dataclass(frozen=True)
class Face:
    """Detected face in one of the pictures.

    - `row`: its row of the table faces;
    - `is_shown`: true if it may be shown to the person; any other face is masked;
    - `state`: what became of it, in words.
    """

    row: Row
    is_shown: bool
    state: str

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width, height in pixels of the upright picture."""
        x, y, width, height = (int(self.row[name]) for name in _BOX)
        return x, y, width, height


@dataclass(frozen=True)
class Picture:
    """Picture that is held of the person.

    - `row`: its row of the table images;
    - `evidence`: record of its license, None if there is none;
    - `first_fetched`: day (ISO 8601) of its download, None if not known;
    - `faces`: the person's and other people's faces in it;
    - `decisions`: of reviewers, on its faces.
    """

    row: Row
    evidence: Row | None
    first_fetched: str | None
    faces: tuple[Face, ...]
    decisions: tuple[Row, ...]

    @property
    def masked(self) -> list[tuple[int, int, int, int]]:
        """Boxes to mask."""
        return [face.box for face in self.faces if not face.is_shown]


@dataclass(frozen=True)
class Holdings:
    """All that the current version holds about a person.

    - `identity`: their slug;
    - `roster`, `consents`, `takedowns`, `attributions`: rows of the files that people write;
    - `pictures`: their pictures;
    - `decisions`: all decisions about them, those on pictures that are no longer held included;
    - `tables`: path of a table → its rows about them.
    """

    identity: str
    roster: list[Row]
    consents: list[Row]
    takedowns: list[Row]
    attributions: list[Row]
    pictures: list[Picture]
    decisions: list[Row]
    tables: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def since(self) -> str | None:
        """Day (ISO 8601) of the first picture."""
        return min((each.first_fetched for each in self.pictures if each.first_fetched), default=None)


def gather(identity: str, workspace: ProjectPaths, params: Params) -> Holdings:
    """Holdings of `identity`. A table that is missing or unreadable adds nothing."""
    tables = dict(_tables(identity, workspace))
    decided = decisions.about(identity, workspace.review)
    pictures = [*_pictures(identity, tables, decided, workspace, params)]
    return Holdings(
        identity=identity,
        roster=[*_rows(workspace.roster, "identity", identity)],
        consents=[*_rows(workspace.consent, "subject", identity)],
        takedowns=[*_takedowns(identity, pictures, workspace)],
        attributions=[*_attributions(pictures, workspace)],
        pictures=pictures,
        decisions=decided,
        tables=tables,
    )


def _tables(identity: str, workspace: ProjectPaths) -> Iterator[tuple[str, list[Row]]]:
    """Rows about the person of every table under build/ with a column identity, by path."""
    for folder, folders, names in os.walk(workspace.build):
        # Folders of pictures, which may hold hundreds of thousands of files and no table.
        folders[:] = sorted(name for name in folders if name not in _WITHOUT_TABLES)
        for path in (Path(folder, name) for name in sorted(names) if name.endswith(".parquet")):
            if rows := _rows_of(path, identity):
                yield workspace.relative(path), rows


def _rows_of(path: Path, identity: str) -> list[Row]:
    try:
        lazy = pl.scan_parquet(path)
        schema = lazy.collect_schema()
        if schema.get("identity") != pl.String:
            return []
        # Bytes and pictures within tables are in the shards, too.
        columns = [name for name, dtype in schema.items() if dtype not in (pl.Binary, pl.Struct)]
        return lazy.filter(pl.col("identity") == identity).select(columns).collect().to_dicts()
    except (pl.exceptions.PolarsError, OSError):
        return []


def _rows(path: Path, column: str, value: str) -> Iterator[Row]:
    """Rows of a file of people's with `value` in a column; a broken row must not stop the answer."""
    if path.is_file():
        for row in csv_files.read_leniently(path.read_bytes()):
            if row.text(column) == value:
                yield dict(row.cells)


def _pictures(
    identity: str, tables: dict[str, list[Row]], decided: list[Row], workspace: ProjectPaths, params: Params
) -> Iterator[Picture]:
    def of(stage: str, name: str) -> list[Row]:
        return tables.get(workspace.relative(workspace.table(stage, name)), [])

    evidence = {row["image_id"]: row for row in of("crawl", "evidence")}
    fetched = _first_fetched(of("crawl", "fetches"))
    states = _states(
        of("split", "splits") or of("curate", "curated"),
        of("curate", "exclusions"),
        is_reviewed=params.curate.mode == "curated",
    )
    faces = _grouped([*of("crop", "faces"), *_of_others(identity, of("crawl", "images"), workspace)])
    judged = _grouped(decided)
    for row in of("crawl", "images"):
        image_id = row["image_id"]
        yield Picture(
            row=row,
            evidence=evidence.get(image_id),
            first_fetched=fetched.get(image_id),
            faces=tuple(_judged(faces.get(image_id, []), states, identity)),
            decisions=tuple(judged.get(image_id, ())),
        )


def _of_others(identity: str, images: list[Row], workspace: ProjectPaths) -> list[Row]:
    """Faces in the same pictures that are listed under other people."""
    path = workspace.table("crop", "faces")
    if not images or not path.is_file():
        return []
    is_shared = pl.col("image_id").is_in([row["image_id"] for row in images]) & (pl.col("identity") != identity)
    columns = [*KEYS, "face_id", *_BOX]
    return pl.scan_parquet(path).filter(is_shared).select(columns).collect().to_dicts()


def _judged(faces: list[Row], states: dict[str, tuple[bool | None, str]], identity: str) -> Iterator[Face]:
    """Faces of one picture: the person's are shown, others are not.

    A face is the person's if it passed the step identity. If none did, a face that is alone in the picture is shown,
    unless reviewers said that it is somebody else; of several, nobody knows which one is the person's.
    """
    own_boxes = {_box(face) for face in faces if face["identity"] == identity}
    # One face may be listed under several people: under another name it is the same face.
    listed = [face for face in faces if face["identity"] == identity or _box(face) not in own_boxes]
    verdicts = {face["face_id"]: states.get(face["face_id"], (None, "not judged")) for face in listed}
    is_known = any(verdicts[face["face_id"]][0] for face in listed if face["identity"] == identity)
    for face in listed:
        is_own, state = verdicts[face["face_id"]]
        if face["identity"] != identity:
            is_own, state = False, "listed as another person"
        is_alone = not is_known and is_own is None and len(listed) == 1
        yield Face(face, bool(is_own) or is_alone, state)


def _box(face: Row) -> tuple[Any, ...]:
    return tuple(face[name] for name in _BOX)


def _states(kept: list[Row], excluded: list[Row], *, is_reviewed: bool) -> dict[str, tuple[bool | None, str]]:
    """face_id → True if it is the person's, False if it is not, None if nobody knows; and its state in words.

    Without a review nobody has said whose face it is, whatever a program has kept.
    """
    in_data_set = "in the data set"
    states: dict[str, tuple[bool | None, str]] = {
        row["face_id"]: (is_reviewed or None, f"{in_data_set}, {row['split']} split" if "split" in row else in_data_set)
        for row in kept
    }
    order = list(funnel_steps.names())
    for row in excluded:
        is_judged = is_reviewed and row["step"] in order and order.index(row["step"]) > order.index(Step.IDENTITY)
        is_own = True if is_judged else False if row["reason"] == Reason.WRONG_PERSON else None
        words = (str(row[name]).replace("_", " ") for name in ("step", "reason"))
        states[row["face_id"]] = (is_own, "left out at the step {}: {}".format(*words))
    return states


def _first_fetched(fetches: list[Row]) -> dict[str, str]:
    """image_id → day of its first download."""
    days: dict[str, str] = {}
    for row in fetches:
        if row.get("image_id") and row.get("fetched_at"):
            day = row["fetched_at"].date().isoformat()
            days[row["image_id"]] = min(day, days.get(row["image_id"], day))
    return days


def _grouped(rows: list[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(str(row.get("image_id")), []).append(row)
    return grouped


def _takedowns(identity: str, pictures: list[Picture], workspace: ProjectPaths) -> Iterator[Row]:
    """Takedown requests that name the person or one of the pictures."""
    images = {picture.row["image_id"] for picture in pictures}
    addresses = _addresses(pictures)
    named = {RequestKind.IDENTITY: {identity}, RequestKind.IMAGE_ID: images}
    for record in takedown_file.load(workspace.takedowns).records:
        is_address = record.kind in (RequestKind.PICTURE, RequestKind.PAGE)
        if record.value in named.get(record.kind, ()) or (is_address and address_key(record.value) in addresses):
            yield {
                "added_at": record.added_at,
                "kind": str(record.kind),
                "value": record.value,
                "reason": record.reason,
            }


def _attributions(pictures: list[Picture], workspace: ProjectPaths) -> Iterator[Row]:
    """Rows of data/attribution.csv on the pictures, without who found them."""
    images, addresses = {picture.row["image_id"] for picture in pictures}, _addresses(pictures)
    for found in attribution.load(workspace.attribution):
        if found.value in images or found.key in addresses:
            filled = {name: getattr(found, name) for name in attribution.FILLED if getattr(found, name)}
            yield {"added_at": found.added_at, "kind": str(found.kind), "value": found.value, **filled}


def _addresses(pictures: list[Picture]) -> set[str]:
    urls = (picture.row.get(name) for picture in pictures for name in ("url", "page_url"))
    return {address_key(url) for url in urls if url}


def basis(picture: Picture, holdings: Holdings, params: Params) -> str:
    """Basis on which a picture is used, in words: the license that its source states, the consent, or both."""
    parts = []
    policy = params.licenses.basis
    if policy != "consent":
        stated = picture.evidence or {}
        license = stated.get("license") or "no license stated"
        method = f" (found by {stated['method']})" if stated.get("method") else ""
        parts.append(f"license: {license}{method}")
    if policy != "license":
        forms = [f"{row['form']} {row['form_version']} of {row['given_on']}" for row in holdings.consents]
        parts.append(f"consent: {', '.join(forms) or 'none on record'}")
    return "; ".join(parts)
