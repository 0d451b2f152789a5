"""Faces as FiftyOne samples: one data set per reviewer, written in batches, only where something changed.

FiftyOne's `add_samples` builds an object per sample; here documents are written to MongoDB directly. Each stores a
digest of its inputs, so that opening again writes only the samples that differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf.core.hashing import fingerprint
from mtf.review_app.engine import face_pictures
from mtf.review_app.processes.mongodb import repair_count
from mtf.schemas import FACE, QUALITY_COMPONENTS, funnel_steps
from mtf.schemas.funnel_steps import AGE_GROUP

if TYPE_CHECKING:
    import fiftyone as fo


BATCH = 4000
HASH_SEED = 4

TEXTS = (
    "identity",
    "name",
    "also_under",
    "resembles",
    "face_id",
    "image_id",
    "step",
    "run",
    "verdict",
    "reason",
    "panel",
    "panel_said",
    "duplicate_group",
    "source_page",
    "source_url",
    "title",
    "license",
    "creator",
    "picture",
    "person",
    "contradicts",
)
NUMBERS = ("rank", "size_px", "eyes")
SHARES = (
    *("sharpness", "brightness", "clipped_share", "not_photograph", "identity_distance", "face_share"),
    *QUALITY_COMPONENTS,
)
FLAGS = ("ready", "proposed_keeper")
# Faces that are not on a page are shown after those that are, in the order of the tables.
UNRANKED = 1_000_000
# Place in the queue: changes from page to page, and is no part of a sample's digest.
PASSING = {"rank": UNRANKED, "run": None}

# FiftyOne sets the time of its own writes; the review app does not, after it has created a sample.
FOREIGN = {"$expr": {"$ne": ["$created_at", "$last_modified_at"]}}


def own(column: str) -> str:
    """Name of the field with this reviewer's correction of a label."""
    return f"own_{column}"


def sample_id(identity: str, face_id: str) -> str:
    """Sample id, 24 hexadecimal characters; the same for a face in every reviewer's data set."""
    return hashlib.sha256(f"{identity}/{face_id}".encode()).hexdigest()[:24]


def rows(faces: pl.DataFrame, labels: Sequence[str], *, dataset: str) -> pl.DataFrame:
    """Samples as rows, with columns as stored, from faces with step, ready, verdict, reason, panel and corrections."""
    ids = [sample_id(*names) for names in faces.select(FACE).iter_rows()]
    data = faces.with_columns(
        pl.Series("sample_id", ids, dtype=pl.String),
        *face_pictures.paths(dataset),
        source_page=pl.col("page_url"),
        source_url=pl.col("url"),
    )
    names = [name for name in _names(labels) if name in data.columns and name not in PASSING]
    data = data.select("sample_id", "filepath", "crop_width", "crop_height", *names)
    digest = data.hash_rows(HASH_SEED).cast(pl.String)
    return data.with_columns(digest=digest)


def synchronise(
    dataset: fo.Dataset, data: pl.DataFrame, *, progress: Callable[[Iterable[int], int], Iterable[int]]
) -> tuple[int, int, int]:
    """Make the data set's samples equal to `data` (as `rows` returns it); returns the numbers added, changed and
    removed.
    """
    collection = dataset._sample_collection
    foreign = {found["_id"] for found in collection.find(FOREIGN, {"_id": 1})}
    stored = collection.find({}, {"digest": 1})
    stored_digests = {str(one["_id"]): None if one["_id"] in foreign else one.get("digest") for one in stored}
    digests = pl.Series([stored_digests.get(name) for name in data["sample_id"]], dtype=pl.String)
    is_stored = data["sample_id"].is_in(list(stored_digests))
    added = data.filter(~is_stored)
    changed = data.filter(is_stored & digests.ne_missing(data["digest"]))
    removed = set(stored_digests) - set(data["sample_id"])
    _write(collection, dataset, added, changed, progress)
    _remove(collection, sorted(removed))
    without_pages(dataset)
    return added.height, changed.height, len(removed)


def is_untouched(dataset: fo.Dataset, faces: int) -> bool:
    """True if the data set has `faces` samples, all as the review app left them."""
    collection = dataset._sample_collection
    return collection.count_documents({}) == faces and collection.find_one(FOREIGN, {"_id": 1}) is None


def without_pages(dataset: fo.Dataset) -> None:
    """Reset the rank of faces that were on a page."""
    dataset._sample_collection.update_many({"rank": {"$lt": UNRANKED}}, {"$set": PASSING})


def _write(
    collection: Any,
    dataset: fo.Dataset,
    added: pl.DataFrame,
    changed: pl.DataFrame,
    progress: Callable[[Iterable[int], int], Iterable[int]],
) -> None:
    from pymongo import UpdateOne

    total = added.height + changed.height
    starts = [(added, start) for start in range(0, added.height, BATCH)]
    starts += [(changed, start) for start in range(0, changed.height, BATCH)]
    for index in progress(range(len(starts)), total):
        source, start = starts[index]
        batch = list(_documents(source.slice(start, BATCH), dataset))
        if source is added:
            collection.insert_many([_without_nulls(one) | {"tags": []} for one in batch], ordered=False)
        else:
            collection.bulk_write([UpdateOne({"_id": one["_id"]}, {"$set": one}) for one in batch], ordered=False)


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _remove(collection: Any, ids: list[str]) -> None:
    from bson import ObjectId

    for start in range(0, len(ids), BATCH):
        collection.delete_many({"_id": {"$in": [ObjectId(name) for name in ids[start : start + BATCH]]}})


def _documents(data: pl.DataFrame, dataset: fo.Dataset) -> Iterator[dict[str, Any]]:
    """MongoDB documents of samples, without tags, which belong to the reviewer.

    `_rand` is derived from the id, since the order of insertion has no meaning.
    """
    from bson import ObjectId

    now = datetime.now(UTC)
    for row in data.iter_rows(named=True):
        name = row.pop("sample_id")
        size = {"_cls": "ImageMetadata", "width": row.pop("crop_width"), "height": row.pop("crop_height")}
        yield {
            "_id": ObjectId(name),
            "_media_type": "image",
            "_rand": int(name[:8], 16) / 2**32,
            "_dataset_id": dataset._doc.id,
            "metadata": size,
            "created_at": now,
            "last_modified_at": now,
            **PASSING,
            **row,
        }


def open_dataset(name: str, labels: Sequence[str], *, age_column: str | None, code: str) -> fo.Dataset:
    """Data set of that name with its fields, saved views and sidebar; created if it does not exist.

    code: digest of this module's code. If it or the labels changed, the data set is created anew.

    The fields are read-only in FiftyOne's interface, since its edits would not be in the ledger.
    """
    import fiftyone as fo

    if fo.dataset_exists(name):
        dataset = fo.load_dataset(name)
        if dataset.info.get("layout") == _layout(labels, age_column, code):
            repair_count(dataset._sample_collection)
            return dataset
        dataset.delete()
    dataset = fo.Dataset(name, persistent=True)
    dataset.media_type = "image"
    # All at once: `add_sample_field` reads and writes the whole data set's document for each field.
    dataset._merge_sample_field_schema({field: kind(read_only=True) for field, kind in _fields(labels)})
    _close(dataset.get_field("filepath"))
    for field in ("rank", "step", "identity", "duplicate_group", "verdict"):
        dataset.create_index(field)
    if age_column:
        dataset.create_index([("rank", 1), (age_column, 1)])
    _arrange(dataset, labels)
    _save_views(dataset, age_column)
    dataset.info["layout"] = _layout(labels, age_column, code)
    dataset.save()
    return dataset


def _close(field: fo.Field) -> None:
    field.read_only = True
    field.save()


def _fields(labels: Sequence[str]) -> list[tuple[str, Any]]:
    import fiftyone as fo

    texts = (*TEXTS, *labels, *map(own, labels))
    kinds = ((texts, fo.StringField), (NUMBERS, fo.IntField), (SHARES, fo.FloatField))
    named = [(name, kind) for names, kind in kinds for name in names]
    return [*named, *((name, fo.BooleanField) for name in FLAGS), ("digest", fo.StringField)]


def _layout(labels: Sequence[str], age_column: str | None, code: str) -> str:
    """Digest of the fields, sidebar and saved views."""
    steps = [(str(step), funnel_steps.heading_of(step)) for step in funnel_steps.reviewed()]
    return fingerprint(list(labels), age_column, steps, code)


def _names(labels: Sequence[str]) -> tuple[str, ...]:
    return (*TEXTS, *labels, *map(own, labels), *NUMBERS, *SHARES, *FLAGS)


def _arrange(dataset: fo.Dataset, labels: Sequence[str]) -> None:
    import fiftyone as fo

    config = dataset.app_config
    config.media_fields = ["filepath", "picture", "person"]
    config.grid_media_field = "filepath"
    config.modal_media_field = "person"
    groups = (
        ("WHO", ["name", "also_under", "resembles", *labels, "identity"]),
        (
            "WHERE IT STANDS",
            ["step", "verdict", "reason", *map(own, labels), "proposed_keeper"],
        ),
        ("THE PANEL", ["panel", "panel_said"]),
        ("MEASURED", ["contradicts", "eyes", "size_px", *SHARES]),
        ("SOURCE", ["license", "creator", "source_page", "source_url", "title"]),
        ("KEYS", ["duplicate_group", "face_id", "image_id", "id", "filepath", "picture", "person"]),
        ("PROGRAM", ["rank", "ready", "run", "digest"]),
        ("OTHER", ["tags", "metadata", "created_at", "last_modified_at"]),
    )
    config.sidebar_groups = [
        fo.SidebarGroupDocument(name=name, paths=paths, expanded=name not in ("KEYS", "PROGRAM", "OTHER"))
        for name, paths in groups
    ]
    config.active_fields = fo.ActiveFields(paths=["name"])
    dataset.save()


def _save_views(dataset: fo.Dataset, age_column: str | None) -> None:
    """Save one view per step of the funnel, in its order, then the views for checking earlier verdicts."""
    from fiftyone import ViewField as F

    for number, step in enumerate(funnel_steps.reviewed(), 1):
        title, shared = funnel_steps.heading_of(step), funnel_steps.named(step).pages_by
        # Faces off the page share one rank; sort them by age group if the step forms its pages by it.
        order = [("rank", 1), (age_column, 1)] if shared == AGE_GROUP and age_column else "rank"
        view = dataset.match((F("step") == str(step)) & F("ready")).sort_by(order)
        if shared == "duplicate_group":
            view = view.group_by("duplicate_group", order_by="proposed_keeper", reverse=True)
            # Grouping drops the order: sort again, the page's group first, then in the order of the queue.
            view = view.sort_by([("rank", 1), ("identity", 1), ("duplicate_group", 1)])
        dataset.save_view(f"{number} {title}", view, description=f"open at the step {step}, in the order of the queue")
    filters = {
        "conflicts": (F("panel").is_in(["conflict", "split"]), "the panel is not of one mind, you have had your say"),
        "held back": (
            F("panel").is_in(["conflict", "undecided"]),
            "judged by you, no majority of the panel",
        ),
        "rejected": (F("verdict") == "reject", "rejected by you, with your reason"),
        "accepted": (F("verdict").is_in(["accept", "keep"]), "accepted by you so far"),
    }
    for title, (expression, description) in filters.items():
        dataset.save_view(title, dataset.match(expression).sort_by("reason"), description=description)
