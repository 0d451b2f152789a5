"""Project files for a published data set: its tasks and its roster for a new project, or the parameters of a project
that begins with its crops, also with the settings of the papers' protocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mtf.config import IDENTITY
from mtf.core.errors import BadInput
from mtf.datasets.labelled import DataSet
from mtf.sources.folder import cell_of

RECOGNITION = {"recognition": {"column": IDENTITY}}
# Das et al., section 3.1 and Figure 1: FaceNet's input, the paper's weighting, and its training as the recipe `das`.
DAS: dict[str, Any] = {
    **{"input_px": 160, "backbone": "facenet", "weightings": ["dynamic"], "recipe": "das"},
    **{"branches": "normalised", "first_weights": None},
}
DAS_DETECTOR = "mtcnn"
# From so many pictures on, `modern` beats `small` at telling people apart: it did with LFW's 1,508 pictures of 195
# people, and not with ORL's 400 of 40 (benchmarks/learn_recipes.py).
MODERN_FROM_PICTURES = 1000
# EFRS, section 3: `random_state=42` is not in the text, but gives its numbers of pictures as every seed does.
EFRS_SEED = 42


def roster_tasks(data_set: DataSet) -> dict[str, Any]:
    """Tasks of params.yaml for the data set's roster: name → task.

    People with one picture each cannot be recognised; there is no recognition task then.
    """
    return ({} if data_set.has_one_picture_each else RECOGNITION) | _tasks(data_set, per_identity=True)


def roster_changes(data_set: DataSet) -> dict[tuple[str, str], Any]:
    """(Section, key) → value of params.yaml that suits the data set.

    People with one picture each are not too few. Many pictures of people are learnt by the recipe `modern`.
    """
    if data_set.has_one_picture_each:
        return {("curate", "min_images_per_identity"): 1}
    return {("train", "recipe"): "modern"} if data_set.pictures.height >= MODERN_FROM_PICTURES else {}


def project_settings(raw: Mapping[str, Any], data_set: DataSet, source: Path, *, root: Path) -> dict[str, Any]:
    """Parameters of a new project with the data set's tasks, source and terms, based on `raw` of the project in `root`.

    Sections on the own data set of `raw` are left out: gates, the report's target, the previous release. Paths of files
    become absolute. All else stays, including the recipes.
    """
    names = list(data_set.attributes)
    kept = {name: section for name, section in _with_whole_paths(raw, root).items() if name != "gates"}
    multitask = {"backbone": "small_cnn", "weightings": ["equal"], "recipe": raw["train"]["recipe"]}
    found = kept | {
        "project": raw["project"] | {"name": data_set.name, "title": data_set.name},
        "tasks": _tasks(data_set, per_identity=False),
        "crawl": raw["crawl"] | {"sources": [_source(data_set, source.resolve())], "web": None},
        "curate": raw["curate"] | {"min_images_per_identity": 1},
        "train": kept["train"] | {"tasks": names},
        "multitask": multitask | (kept.get("multitask") or {}) | {"tasks": names},
        "release": raw["release"] | {"previous": None},
    }
    if "report" in raw:
        found["report"] = raw["report"] | {"target": {}}
    return found


def _with_whole_paths(raw: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Parameters with absolute paths of weight files; relative ones are relative to `root`."""
    found = dict(raw)
    if weights := raw["train"].get("weights"):
        found["train"] = raw["train"] | {"weights": {model: str(root / file) for model, file in weights.items()}}
    for section, key in (("multitask", "weights"), ("screen", "embedding_weights")):
        if file := (raw.get(section) or {}).get(key):
            found[section] = raw[section] | {key: str(root / file)}
    return found


def das_settings(raw: Mapping[str, Any], *, weights: Path | None, detector: str) -> dict[str, Any]:
    """Parameters of a UTKFace project with Das et al.'s network and training, and FaceNet for each task.

    `detector`: name of the one that finds the faces; MTCNN in the paper.
    """
    wanted = {name: DAS[name] for name in DAS if name != "input_px"}
    own = {"weights": str(weights.resolve()) if weights else None}
    single = {"models": [DAS["backbone"]], "weights": {DAS["backbone"]: own["weights"]} if weights else {}}
    return {
        **raw,
        "crop": raw["crop"] | {"detector": detector},
        "train": raw["train"] | {"input_px": DAS["input_px"], "recipe": DAS["recipe"]} | single,
        "multitask": raw["multitask"] | wanted | own,
    }


def _tasks(data_set: DataSet, *, per_identity: bool) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    for column, labels in data_set.attributes.items():
        tasks[column] = {"column": column, "labels": list(labels), "per_identity": per_identity}
        if years := data_set.years.get(column):
            tasks[column]["years"] = {label: list(ends) for label, ends in years.items()}
    return tasks


def _source(data_set: DataSet, source: Path) -> dict[str, Any]:
    return {"kind": "folder", "path": str(source), "license": data_set.license, "creator": data_set.creator}


def roster_table(data_set: DataSet) -> list[list[str]]:
    """Header and rows of the roster for the folder source, one row per identity with its files.

    Raises BadInput if an identity has two labels for an attribute: such a data set can be imported as crops only.
    """
    attributes = list(data_set.attributes)
    labels_of = [pl.col(name).unique(maintain_order=True) for name in attributes]
    people = data_set.pictures.group_by("identity", maintain_order=True).agg(
        pl.col("name").first(), pl.col("file").sort(), *labels_of
    )
    for name in attributes:
        two = people.filter(pl.col(name).list.len() > 1)
        if not two.is_empty():
            labels = two[name][0].to_list()
            raise BadInput(
                f"{data_set.name}: {two['identity'][0]} has the labels {labels} of {name}; import it with --crops"
            )
    flat = people.with_columns(pl.col(name).list.first() for name in attributes)
    flat = flat.with_columns(files=pl.Series([cell_of(names) for names in flat["file"].to_list()], dtype=pl.String))
    table = flat.select("identity", "name", *attributes, "files")
    return [table.columns, *map(list, table.rows())]
