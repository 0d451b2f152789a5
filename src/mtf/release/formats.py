"""Export formats of a release: Parquet, WebDataset, FiftyOne.

The folders of a release are the format of torchvision's `ImageFolder` and Hugging Face's `imagefolder`. The form
Parquet has the non-curated set, too; the others have the data set alone.
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
from typing import Any, NamedTuple

import polars as pl

from mtf.core import atomic_folders
from mtf.core.atomic_files import replacing, write_json
from mtf.core.errors import BadInput, listed, shortened
from mtf.release import documents, folder_cards, huggingface, layout
from mtf.release.folder_cards import TABLE, TABLE_NON_CURATED
from mtf.release.huggingface import FILE_NAME, LEFT_OUT, ONLY_SPLIT, Configuration
from mtf.release.layout import MULTI_TASK, NON_CURATED
from mtf.release.metadata import CREDIT
from mtf.schemas import SPLITS

FACES_PER_FILE = 1_000  # of a crop of 1024 × 1024, about 200 MB
Names = dict[str, list[str]]


class ReleaseFormat(StrEnum):
    """Export format."""

    PARQUET = "parquet"
    WEBDATASET = "webdataset"
    FIFTYONE = "fiftyone"


class Exported(NamedTuple):
    """Number of faces that were written.

    - `faces`: of the data set;
    - `non_curated`: of the non-curated set.
    """

    faces: int
    non_curated: int = 0


def export(release: Path, to: Path, form: ReleaseFormat, *, labels: Names) -> Exported:
    """Write the data set in the folder `release` to the new or empty folder `to`.

    `labels`: column → permitted labels; an empty list stands for the labels that occur (identities). Labels have the
    same numbers in every form (`label_names.json`). The same release gives the same bytes.

    Raises BadInput if there is no release, the folder is not empty, or the labels are not those of the release.
    """
    has_non_curated = form is ReleaseFormat.PARQUET and (release / TABLE_NON_CURATED).is_file()
    if not (release / TABLE).is_file() and not has_non_curated:
        raise BadInput(f"{release / TABLE}: no such file; build a release first (`dvc repro`)")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise BadInput(f"{to}: is not empty; name a new folder")
    documents.check_enclosed_documents(release)
    table = _read(release / TABLE, labels)
    non_curated = _read(release / TABLE_NON_CURATED, labels) if has_non_curated else None
    # The folder appears when it is whole: a run that was stopped can be repeated, and nobody publishes a part.
    with atomic_folders.replacing(to) as beside:
        written = _WRITERS[form](release, beside, table, non_curated)
        if table is not None:
            shutil.copyfile(release / layout.LABEL_NAMES, beside / layout.LABEL_NAMES)
        documents.write_enclosed_documents(
            release,
            beside,
            template=f"FORM_{form}.md.jinja",
            context={
                "columns": list(labels),
                "splits": [] if table is None else [split for split in SPLITS if split in set(table["split"])],
                "non_curated": 0 if non_curated is None else non_curated.height,
                "says": written.says,
            },
            configs=written.configs,
        )
    return Exported(0 if table is None else table.height, 0 if non_curated is None else non_curated.height)


def _read(path: Path, labels: Names) -> pl.DataFrame | None:
    if not path.is_file():
        return None
    table = pl.read_parquet(path)
    _check_labels(table, labels, where=str(path))
    return table


class Written(NamedTuple):
    """Configurations of a written form for Hugging Face, and what each of them holds, in words."""

    configs: list[Configuration]
    says: dict[str, str]


def _check_labels(table: pl.DataFrame, labels: dict[str, list[str]], *, where: str) -> None:
    """Check columns and labels. Raises BadInput if the table has other ones than params.yaml."""
    remedy = "build the release again (`dvc repro`)"
    for column in (FILE_NAME, *labels, *CREDIT):
        if column not in table.columns:
            raise BadInput(f"{where}: it has no column {column}; {remedy}")
    for column, permitted in labels.items():
        unknown = sorted(set(table[column]) - set(permitted)) if permitted else []
        if unknown:
            raise BadInput(
                f"{where}: {column} {shortened(unknown[0])} is not a label of params.yaml "
                f"({listed(permitted, 20)}); {remedy}"
            )


def _parts(rows: pl.DataFrame) -> Iterator[tuple[int, int, pl.DataFrame]]:
    """Parts of a table with at most FACES_PER_FILE rows: number of the part, number of parts, rows."""
    rows = rows.sort(FILE_NAME)
    count = -(-rows.height // FACES_PER_FILE)
    for number in range(count):
        yield number, count, rows.slice(number * FACES_PER_FILE, FACES_PER_FILE)


def _by_split(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for split in SPLITS:
        if (rows := table.filter(pl.col("split") == split)).height:
            yield split, rows


def _write_parquet(release: Path, to: Path, table: pl.DataFrame | None, non_curated: pl.DataFrame | None) -> Written:
    """Write `data/SPLIT-00000-of-00001.parquet` with pictures and class labels, for Hugging Face's `load_dataset`."""
    configs: list[Configuration] = []
    says: dict[str, str] = {}
    if table is not None:
        names = folder_cards.read_label_names(release)
        splits = dict(_by_split(table))
        for split, rows in splits.items():
            _write_tables(release, to / "data", split, rows, names)
        data_files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
        for name, columns, what in (
            (huggingface.DEFAULT, None, "every face with all its labels and its credit"),
            (MULTI_TASK, ["image", *names], "pictures with all labels"),
            *((layout.task_folder(column), ["image", column], f"pictures with the label {column}") for column in names),
        ):
            configs.append({"config_name": name, "data_files": data_files, **({"columns": columns} if columns else {})})
            says[name] = what
    if non_curated is not None:
        _write_tables(
            release, to / NON_CURATED, ONLY_SPLIT, non_curated, folder_cards.read_label_names(release, NON_CURATED)
        )
        place = {"split": ONLY_SPLIT, "path": f"{NON_CURATED}/{ONLY_SPLIT}-*.parquet"}
        configs.append({"config_name": NON_CURATED, "data_files": [place]})
        says[NON_CURATED] = "every automatic crop, all as train"
    configs[0]["default"] = True
    return Written(configs, says)


def _write_tables(release: Path, folder: Path, split: str, rows: pl.DataFrame, labels: Names) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    columns = [name for name in rows.columns if name not in LEFT_OUT]
    features = {name: _feature(labels.get(name)) for name in columns}
    fields = [pa.field(name, pa.int64() if name in labels else pa.string()) for name in columns]
    image = pa.field("image", pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    info = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    schema = pa.schema([image, *fields], metadata={"huggingface": json.dumps(info)})
    for number, count, part in _parts(rows):
        records = [_record(release, row, columns, labels) for row in part.iter_rows(named=True)]
        with replacing(folder / f"{split}-{number:05d}-of-{count:05d}.parquet") as beside:
            pyarrow.parquet.write_table(pa.Table.from_pylist(records, schema), beside)


def _feature(labels: list[str] | None) -> dict[str, Any]:
    return {"names": labels, "_type": "ClassLabel"} if labels is not None else {"dtype": "string", "_type": "Value"}


def _record(
    release: Path, row: dict[str, str], columns: list[str], labels: dict[str, list[str]]
) -> dict[str, dict[str, Any] | str | int]:
    picture = {"bytes": (release / row[FILE_NAME]).read_bytes(), "path": f"{row['face_id']}.jpg"}
    values = {name: labels[name].index(row[name]) if name in labels else row[name] for name in columns}
    return {"image": picture, **values}


def _write_webdataset(release: Path, to: Path, table: pl.DataFrame | None, _: pl.DataFrame | None) -> Written:
    """Write `SPLIT-000000.tar` with a `.jpg` and a `.json`, the row of the metadata, for each face."""
    data_files = []
    for split, of_split in _by_split(_required(table)):
        for number, _count, rows in _parts(of_split):
            with replacing(to / f"{split}-{number:06d}.tar") as beside, tarfile.open(beside, "w") as tar:
                for row in rows.iter_rows(named=True):
                    key = f"{row['identity'].replace('.', '_')}-{row['face_id']}"
                    # A null would have another type for each file's first rows in Hugging Face's builder.
                    values = {name: value or "" for name, value in row.items() if name not in LEFT_OUT}
                    values["split"] = split
                    _add(tar, f"{key}.jpg", (release / row[FILE_NAME]).read_bytes())
                    _add(tar, f"{key}.json", json.dumps(values, ensure_ascii=False, sort_keys=True).encode("utf-8"))
        data_files.append({"split": split, "path": f"{split}-*.tar"})
    config = {"config_name": huggingface.DEFAULT, "data_files": data_files, "default": True}
    return Written([config], {huggingface.DEFAULT: "every face with all its labels"})


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _write_fiftyone(release: Path, to: Path, table: pl.DataFrame | None, _: pl.DataFrame | None) -> Written:
    """Write FiftyOne's `LegacyFiftyOneDataset`: one classification per task, splits as tags."""
    names = folder_cards.read_label_names(release)
    samples = []
    for row in _required(table).sort(FILE_NAME).iter_rows(named=True):
        path = f"data/{row['identity']}-{row['face_id']}.jpg"
        _link(release / row[FILE_NAME], to / path)
        classes = {name: {"_cls": "Classification", "label": row[name]} for name in names}
        texts = {name: row[name] for name in ("face_id", *CREDIT)}
        samples.append({"filepath": path, "tags": [row["split"]], **classes, **texts})
    write_json(to / "samples.json", {"samples": samples})
    write_json(to / "metadata.json", {"info": {}, "classes": names})
    return Written([], {})


def _required(table: pl.DataFrame | None) -> pl.DataFrame:
    if table is None:
        raise AssertionError("checked by `export`")
    return table


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


_WRITERS: dict[ReleaseFormat, Callable[[Path, Path, pl.DataFrame | None, pl.DataFrame | None], Written]] = {
    ReleaseFormat.PARQUET: _write_parquet,
    ReleaseFormat.WEBDATASET: _write_webdataset,
    ReleaseFormat.FIFTYONE: _write_fiftyone,
}
