"""Verification test behind `mtf verify`: who is who by an embedding, for the faces of a stage or of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mtf import config, schemas
from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import verification_figures
from mtf.evaluation.figure_files import declare_figures
from mtf.evaluation.verification import Vectors
from mtf.evaluation.verification_figures import Settings, Subjects
from mtf.project import embed
from mtf.schemas import DetectionOutcome, roster_file
from mtf.schemas.embedding_table import EMBEDDINGS

FOLDER = "verify"
TEMPLATE = "det"
"""Template of the DET curves, in `.dvc/plots`."""
CURVES = "curves"
MAX_PICTURES = 20_000
"""More pictures take minutes: each is compared with every other."""


def run(
    workspace: ProjectPaths,
    source: str,
    *,
    model: str,
    weights: str | None = None,
    fmrs: tuple[float, ...] = verification_figures.FMRS,
    max_pictures: int = MAX_PICTURES,
) -> dict[str, Any]:
    """Measure an embedding and write metrics/verify/NAME.json, its headline and its DET curves.

    source: a stage of `embed.STAGES`, whose table of embeddings is made if it is missing or of other faces or weights;
        or a table that `mtf embed` wrote. In the table of a folder, the first folder of a picture's path is the person.
    model, weights: of the embedding, as in `embed.run`; a table has its own.
    fmrs: FMR, 0 to 1, to set thresholds for.
    max_pictures: above it, people are left out, chosen by a digest of their identity.

    Raises BadInput for a bad table, for weights that did not make it, and for too few people with a vector.
    """
    params = config.load(workspace.params)
    for fmr in fmrs:
        if not 0 < fmr < 1:
            raise bad_value("--fmr", fmr, "above 0 and below 1")
    if source not in embed.STAGES and not Path(source).is_file():
        raise bad_value("SOURCE", source, f"a stage ({listed(embed.STAGES)}), or the file of a table of `mtf embed`")
    path = _of_stage(workspace, params, source, model, weights) if source in embed.STAGES else Path(source)
    rows = _read(path)
    if source in embed.STAGES:
        rows = pl.concat([rows, _undetected(workspace)], how="diagonal")
    elif weights is not None:
        _check_weights(path, rows, weights, embed.weights_sha256(workspace, params, model=model, weights=weights))
    faces, subjects, everybody, left_out = _subjects(rows, _roster(workspace, params), max_pictures=max_pictures)
    settings = Settings(
        fmrs=fmrs,
        min_people=params.fairness.min_people,
        seed=params.seed,
    )
    measured, curves = verification_figures.measure(faces, subjects, everybody, settings)
    known = rows.drop_nulls("model").row(0, named=True)
    name = path.stem
    about = {"source": source if source in embed.STAGES else path.name, "left_out_people": left_out}
    about |= {key: known[key] for key in ("model", "weights_sha256")}
    figures = about | measured
    atomic_files.write_json(figures_path(workspace, name), figures)
    csv_files.write(workspace.metrics_folder / FOLDER / CURVES / f"{name}.csv", curves)
    headline = {f"fnmr_at_fmr_{fmr}": row["fnmr"] for fmr, row in measured["overall"].items()}
    plots = sorted((workspace.metrics_folder / FOLDER / CURVES).glob("*.csv"))
    declare_figures(workspace, f"{FOLDER}/{name}", headline, [_plot(path.name) for path in plots])
    return figures | {"name": name}


def figures_path(workspace: ProjectPaths, name: str) -> Path:
    """File of the figures of a test."""
    return workspace.metrics(f"{FOLDER}/{name}")


def _plot(file: str) -> dict[str, Any]:
    shown = {"x": "fmr", "y": "fnmr", "template": TEMPLATE, "title": f"DET: {Path(file).stem}"}
    return {f"{CURVES}/{file}": shown | {"x_label": "FMR", "y_label": "FNMR"}}


def _of_stage(workspace: ProjectPaths, params: Params, stage: str, model: str, weights: str | None) -> Path:
    """Table of embeddings of the stage's faces; made if it is missing, of other faces, or of other weights."""
    path = embed.default_path(workspace, stage, model)
    if path.is_file():
        wanted, found = embed.faces_of(workspace, params, stage), _read(path)
        has_same_faces = wanted.height == found.height and wanted.join(found, on=schemas.FACE, how="anti").is_empty()
        if _weights_of(found) == embed.weights_sha256(workspace, params, model=model, weights=weights):
            if has_same_faces:
                return path
        else:
            # To stderr, as --json prints the figures to stdout.
            print(f"verify: {workspace.relative(path)} is of other weights, and is made again", file=sys.stderr)
    return embed.run(workspace, stage, model=model, weights=weights, to=None).path


def _check_weights(path: Path, rows: pl.DataFrame, weights: str, sha256: str | None) -> None:
    """Raise BadInput if the table was not made with these weights."""
    if (own := _weights_of(rows)) != sha256:
        raise BadInput(
            f"--weights: {weights} (SHA-256 {sha256}) did not make {path}, whose weights have {own or 'no digest'}; "
            "leave --weights out, or make the table again with `mtf embed`"
        )


def _weights_of(rows: pl.DataFrame) -> str | None:
    """Digests of the weights that made a table."""
    return rows.drop_nulls("model").row(0, named=True)["weights_sha256"]


def _read(path: Path) -> pl.DataFrame:
    """A table of `mtf embed`; raises BadInput for any other file."""
    try:
        rows = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadInput(
            f"{path}: not readable as a table of `mtf embed` ({' '.join(str(error).split())[:120]})"
        ) from None
    if missing := set(EMBEDDINGS) - set(rows.columns):
        raise BadInput(f"{path}: no table of `mtf embed`: the column {min(missing)} is missing")
    person = pl.col("path").str.split("/").list
    from_path = pl.when(person.len() > 1).then(person.first())
    rows = rows.select(*EMBEDDINGS).with_columns(identity=pl.coalesce("identity", from_path))
    if rows["identity"].null_count() == rows.height:
        raise BadInput(f"{path}: no person is known: pictures of a folder lie in one folder for each person")
    lengths = rows["vector"].drop_nulls().list.len().unique()
    if len(lengths) != 1 or not lengths[0]:
        raise BadInput(f"{path}: vectors of {sorted(lengths)} numbers; a table has vectors of one length")
    return rows.drop_nulls("identity")


def _undetected(workspace: ProjectPaths) -> pl.DataFrame:
    """Rows without a vector for the pictures in which the crop stage found no face."""
    path = workspace.table("crop", "detections")
    if not path.is_file():
        return pl.DataFrame(schema=EMBEDDINGS)
    missed = schemas.read(schemas.DETECTIONS, path).filter(outcome=DetectionOutcome.NO_FACE)
    return missed.select("identity", path="image_id", problem=pl.lit("no face found"))


def _roster(workspace: ProjectPaths, params: Params) -> pl.DataFrame:
    attributes = [name for name, task in params.attributes.items() if task.per_identity]
    if not workspace.roster.is_file():
        return pl.DataFrame(schema=dict.fromkeys(["identity", *attributes], pl.String))
    return roster_file.load(workspace.roster, params).select("identity", *attributes)


def _subjects(
    rows: pl.DataFrame, roster: pl.DataFrame, *, max_pictures: int
) -> tuple[Vectors, Subjects, Subjects, int]:
    """Vectors, the people in them, everybody in the table, and the number of people left out.

    The largest face of each picture of a folder counts; a face of a stage is a picture of its own.
    """
    area = pl.col("width").cast(pl.Int64) * pl.col("height")
    order = ["identity", "picture", "area"]
    one = (
        rows.with_columns(picture=pl.coalesce("path", "face_id"), area=area)
        .sort(order, descending=[False, False, True], nulls_last=True)
        .unique(["identity", "picture"], keep="first", maintain_order=True)
    )
    counts = one.group_by("identity").agg(pictures=pl.len(), failures=pl.col("vector").is_null().sum()).sort("identity")
    with_vector = counts.filter(pl.col("failures") < pl.col("pictures"))
    drawn = with_vector.with_columns(
        digest=pl.Series([verification_figures.order_of(name) for name in with_vector["identity"]], dtype=pl.Binary)
    ).sort("digest")
    kept = drawn.filter((pl.col("pictures") - pl.col("failures")).cum_sum() <= max_pictures).sort("identity")
    if kept.height < 2:
        fit = f", of whom {kept.height} fit into --max-pictures {max_pictures:,}" if with_vector.height > 1 else ""
        raise BadInput(f"verify: {with_vector.height} people with a vector{fit}; a pair takes two")
    chosen = one.filter(pl.col("identity").is_in(kept["identity"].implode())).drop_nulls("vector")
    numbers = {name: number for number, name in enumerate(kept["identity"])}
    people = chosen["identity"].replace_strict(numbers, return_dtype=pl.Int64).to_numpy()
    faces = Vectors(np.array(chosen["vector"].to_list(), np.float32), people)
    return faces, _people(kept, roster), _people(counts, roster), with_vector.height - kept.height


def _people(counts: pl.DataFrame, roster: pl.DataFrame) -> Subjects:
    labelled = counts.join(roster, on="identity", how="left", maintain_order="left")
    return Subjects(
        names=counts["identity"].to_list(),
        labels={name: labelled[name].to_list() for name in roster.columns if name != "identity"},
        failures=counts["failures"].to_numpy(),
        pictures=counts["pictures"].to_numpy(),
    )
