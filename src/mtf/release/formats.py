"""Export formats of a release: Parquet, WebDataset, FiftyOne.

The folders of a release are the format of torchvision's `ImageFolder` and Hugging Face's `imagefolder`.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl

from mtf.core.atomic_files import replacing, write_json
from mtf.core.errors import BadInput, listed, shortened
from mtf.release import documents, layout
from mtf.release.metadata import CREDIT
from mtf.schemas import SPLITS

TABLE = "metadata.parquet"
FACES_PER_FILE = 1_000  # of a crop of 1024 × 1024, about 200 MB
LEFT_OUT = ("file", "sha256", "duplicate_group")


class ReleaseFormat(StrEnum):
    """Export format."""

    PARQUET = "parquet"
    WEBDATASET = "webdataset"
    FIFTYONE = "fiftyone"


def export(release: Path, to: Path, form: ReleaseFormat, *, labels: dict[str, list[str]]) -> int:
    """Write the data set in the folder `release` to the new or empty folder `to`; return the number of faces.

    `labels`: column → permitted labels; an empty list stands for the labels that occur (identities). Labels have the
    same numbers in every form (`label_names.json`). The same release gives the same bytes.

    Raises BadInput if there is no release, the folder is not empty, or the labels are not those of the release.
    """
    if not (release / TABLE).is_file():
        raise BadInput(f"{release / TABLE}: no such file; build a release first (`dvc repro`)")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise BadInput(f"{to}: is not empty; name a new folder")
    documents.check_enclosed_documents(release)
    table = pl.read_parquet(release / TABLE)
    _check_labels(table, labels, where=str(release / TABLE))
    named = layout.label_names(table, labels)
    writers: dict[ReleaseFormat, Callable[[Path, Path, pl.DataFrame, dict[str, list[str]]], None]] = {
        ReleaseFormat.PARQUET: _write_parquet,
        ReleaseFormat.WEBDATASET: _write_webdataset,
        ReleaseFormat.FIFTYONE: _write_fiftyone,
    }
    to.mkdir(parents=True, exist_ok=True)
    writers[form](release, to, table, named)
    write_json(to / layout.LABEL_NAMES, named)
    documents.write_enclosed_documents(release, to, form)
    return table.height


def _check_labels(table: pl.DataFrame, labels: dict[str, list[str]], *, where: str) -> None:
    """Check columns and labels. Raises BadInput if the table has other ones than params.yaml."""
    remedy = "build the release again (`dvc repro`)"
    for column in (*labels, *CREDIT):
        if column not in table.columns:
            raise BadInput(f"{where}: it has no column {column}; {remedy}")
    for column, permitted in labels.items():
        unknown = sorted(set(table[column]) - set(permitted)) if permitted else []
        if unknown:
            raise BadInput(
                f"{where}: {column} {shortened(unknown[0])} is not a label of params.yaml "
                f"({listed(permitted, 20)}); {remedy}"
            )


def _parts(table: pl.DataFrame) -> Iterator[tuple[str, int, int, pl.DataFrame]]:
    """Parts of each split with at most FACES_PER_FILE rows: split, number of the part, number of parts, rows."""
    for split in SPLITS:
        rows = table.filter(pl.col("split") == split).sort("file")
        count = -(-rows.height // FACES_PER_FILE)
        for number in range(count):
            yield split, number, count, rows.slice(number * FACES_PER_FILE, FACES_PER_FILE)


def _write_parquet(release: Path, to: Path, table: pl.DataFrame, labels: dict[str, list[str]]) -> None:
    """Write `data/SPLIT-00000-of-00001.parquet` with pictures and class labels, for Hugging Face's `load_dataset`."""
    import pyarrow as pa
    import pyarrow.parquet

    columns = [name for name in table.columns if name not in (*LEFT_OUT, "split")]
    features = {name: _feature(labels.get(name)) for name in columns}
    fields = [pa.field(name, pa.int64() if name in labels else pa.string()) for name in columns]
    image = pa.field("image", pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    info = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    schema = pa.schema([image, *fields], metadata={"huggingface": json.dumps(info)})
    for split, number, count, rows in _parts(table):
        records = [_record(release, row, columns, labels) for row in rows.iter_rows(named=True)]
        with replacing(to / "data" / f"{split}-{number:05d}-of-{count:05d}.parquet") as beside:
            pyarrow.parquet.write_table(pa.Table.from_pylist(records, schema), beside)


def _feature(labels: list[str] | None) -> dict[str, Any]:
    return {"names": labels, "_type": "ClassLabel"} if labels is not None else {"dtype": "string", "_type": "Value"}


def _record(
    release: Path, row: dict[str, str], columns: list[str], labels: dict[str, list[str]]
) -> dict[str, dict[str, Any] | str | int]:
    picture = {"bytes": (release / row["file"]).read_bytes(), "path": f"{row['face_id']}.jpg"}
    values = {name: labels[name].index(row[name]) if name in labels else row[name] for name in columns}
    return {"image": picture, **values}


def _write_webdataset(release: Path, to: Path, table: pl.DataFrame, _labels: dict[str, list[str]]) -> None:
    """Write `SPLIT-000000.tar` with a `.jpg` and a `.json`, the row of the metadata, for each face."""
    for split, number, _, rows in _parts(table):
        with replacing(to / f"{split}-{number:06d}.tar") as beside, tarfile.open(beside, "w") as tar:
            for row in rows.iter_rows(named=True):
                key = f"{row['identity'].replace('.', '_')}-{row['face_id']}"
                values = {name: value for name, value in row.items() if name not in LEFT_OUT}
                _add(tar, f"{key}.jpg", (release / row["file"]).read_bytes())
                _add(tar, f"{key}.json", json.dumps(values, ensure_ascii=False, sort_keys=True).encode("utf-8"))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _write_fiftyone(release: Path, to: Path, table: pl.DataFrame, labels: dict[str, list[str]]) -> None:
    """Write FiftyOne's `LegacyFiftyOneDataset`: one classification per task, splits as tags."""
    samples = []
    for row in table.sort("file").iter_rows(named=True):
        path = f"data/{row['identity']}-{row['face_id']}.jpg"
        _link(release / row["file"], to / path)
        classes = {name: {"_cls": "Classification", "label": row[name]} for name in labels}
        texts = {name: row[name] for name in ("face_id", *CREDIT)}
        samples.append({"filepath": path, "tags": [row["split"]], **classes, **texts})
    write_json(to / "samples.json", {"samples": samples})
    write_json(to / "metadata.json", {"info": {}, "classes": labels})


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
