"""`mtf label`: classifier of attributes for unlabelled pictures."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.cli import balance, renamed_options
from mtf.cli.compare import MAX_SEEDS
from mtf.core.counts import number
from mtf.core.errors import BadInput, bad_value
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    import numpy as np

    from mtf.config import Params
    from mtf.label_classifier.networks import InputPictures

app = typer.Typer(help="Train and use a classifier of attributes for unlabelled pictures.", no_args_is_help=True)
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".pgm")
MAX_BYTES = 30_000_000

Attributes = Annotated[list[str] | None, typer.Option(help="Attribute; may be repeated. Default: all.")]
Epochs = Annotated[int, typer.Option(min=1, help="Epochs of the first run, which finds the best number.")]
Seed = Annotated[int | None, typer.Option(help="Default: params.yaml's seed.")]
Json = Annotated[bool, typer.Option("--json", help="Print the tables as JSON instead of Markdown.")]


def add_to(main: typer.Typer) -> None:
    main.add_typer(app, name="label")
    main.command()(balance.balance)


@app.command()
def fit(
    model: Annotated[str, typer.Option(help="Model: logistic, cnn1, cnn2 or cnn3.")] = "cnn2",
    attribute: Attributes = None,
    epochs: Epochs = 10,
    seed: Seed = None,
) -> None:
    """Train one classifier per attribute on the project's split, measure them, and save them in build/label."""
    from mtf.label_classifier import runs

    workspace, params = _project()
    chosen = runs.attributes_of(params, attribute)
    measured = runs.fit(workspace, params, model=model, attributes=chosen, epochs=epochs, seed=_seed(params, seed))
    for name, figures in measured.items():
        counts_text = "  ".join(f"{figure} {value}" for figure, value in figures["test"].items())
        print(f"label {name} ({model}): {counts_text}")


@app.command()
def compare(
    attribute: Annotated[str, typer.Argument(help="Attribute to compare on; gender in EFRS.")] = "gender",
    model: Annotated[str | None, typer.Option(help="Model of Tables 3 to 6. Default: the best in validation.")] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(help="Network beside EFRS's models, NAME or NAME-pretrained; may be repeated."),
    ] = None,
    epochs: Epochs = 10,
    seed: Seed = None,
    seeds: Annotated[int, typer.Option(min=1, max=MAX_SEEDS, help="Number of seeds, counted up from --seed.")] = 1,
    as_json: Json = False,
) -> None:
    """Train and measure all four models of EFRS on one attribute: its Tables 1 to 6 and Figures 2 to 7.

    With several seeds, each with a division of its own, figures are means with 95 % intervals. Finished models are
    kept in build/label/compare-ATTRIBUTE: a comparison that was stopped continues.
    """
    from mtf.label_classifier import model_comparison, runs

    workspace, params = _project()
    runs.attributes_of(params, [attribute])
    found = model_comparison.compare(
        workspace,
        params,
        attribute=attribute,
        model=model,
        networks_beside=network or (),
        epochs=epochs,
        seed=_seed(params, seed),
        seeds=seeds,
    )
    _show(found, as_json=as_json)


@app.command()
def tables(
    attribute: Annotated[str, typer.Argument(help="Attribute of an earlier `mtf label compare`.")] = "gender",
    as_json: Json = False,
) -> None:
    """Show EFRS's Tables 1 to 6 again, from the figures of the last `mtf label compare`."""
    from mtf.label_classifier import classifier_files as label_files
    from mtf.label_classifier import runs

    workspace, params = _project()
    runs.attributes_of(params, [attribute])
    _show(label_files.read_tables(workspace, attribute), as_json=as_json)


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures with one face each.")],
    to: Annotated[Path, typer.Option(help="Table to write, .csv or .parquet.")] = Path("labels.csv"),
    classifier: Annotated[
        Path | None, typer.Option(help="Classifier of `mtf label fit`. Default: build/label/classifier.pt.")
    ] = None,
) -> None:
    """Label the pictures of a folder, with calibrated confidence."""
    import polars as pl

    from mtf.core import csv_files
    from mtf.core.atomic_files import replacing
    from mtf.label_classifier import labeller

    if to.suffix not in (".csv", ".parquet"):
        raise bad_value("--to", str(to), "a name that ends in .csv or .parquet")
    labellers = labeller.load(classifier or ProjectPaths.find().stage("label") / "classifier.pt")
    forms = {each.classifier.takes for each in labellers}
    names, pictures, unreadable = _read_folder(folder, forms)
    table = pl.DataFrame({"file": names}, schema={"file": pl.String}).hstack(labeller.predict(labellers, pictures))
    if to.suffix == ".csv":
        csv_files.write(to, table)
    else:
        with replacing(to) as beside:
            table.write_parquet(beside)
    print(
        f"{to}: {number(len(names), 'picture')} labelled"
        + "".join(f"\nnot readable: {name}" for name in unreadable[:20])
    )


@app.command()
def hints(
    context: typer.Context,
    confidence: Annotated[float, typer.Option(min=0, max=1, help="Minimum confidence of a hint.")] = 0.95,
    sure: Annotated[float | None, typer.Option(min=0, max=1, hidden=True)] = None,
    attribute: Attributes = None,
    classifier: Annotated[
        str | None, typer.Option(help="Classifier of `mtf label fit`, such as another project's.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Model to train without a classifier: logistic, cnn1, cnn2 or cnn3.")
    ] = "cnn2",
    folds: Annotated[
        int, typer.Option(min=3, help="Number of folds for people that the classifier was trained on.")
    ] = 5,
    epochs: Epochs = 10,
    seed: Seed = None,
) -> None:
    """Write hints for reviewers: cropped faces whose roster labels the classifier contradicts
    (build/label/hints.parquet).

    All faces of build/crop are predicted, before any review. Faces of people that the classifier was trained on are
    predicted by classifiers that saw no face of that person.
    """
    from mtf.label_classifier import runs

    confidence = renamed_options.value_of(context, "confidence", confidence, old="sure", old_value=sure)
    workspace, params = _project()
    chosen = runs.attributes_of(params, attribute)
    found, face_count = runs.hint(
        workspace,
        params,
        confidence=confidence,
        attributes=chosen,
        classifier=classifier,
        model=model,
        folds=folds,
        epochs=epochs,
        seed=_seed(params, seed),
    )
    counts = dict(found["attribute"].value_counts().iter_rows())
    counts_text = ", ".join(f"{name} {counts.get(name, 0)}" for name in chosen)
    faces = found["face_id"].n_unique()
    path = workspace.relative(workspace.table(runs.STAGE, "hints"))
    print(
        f"{path}: {faces} of {face_count} faces contradicted with a confidence of {confidence} or more ({counts_text})"
    )
    print("The hints are no verdicts; `mtf review open` shows them to the reviewers")


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    from mtf.papers import efrs_tables

    print(json.dumps(found, indent=2, ensure_ascii=False) if as_json else efrs_tables.markdown(found).rstrip())


def _project() -> tuple[ProjectPaths, Params]:
    from mtf import config

    workspace = ProjectPaths.find()
    return workspace, config.load(workspace.params)


def _read_folder(
    folder: Path, forms: Collection[InputPictures]
) -> tuple[list[str], dict[InputPictures, np.ndarray], list[str]]:
    """Names and pictures of a folder, in each of the `forms`, and the names of unreadable files."""
    import numpy as np

    from mtf.label_classifier import networks
    from mtf.training import input_cache

    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in PICTURES and file.is_file()]
    sizes = {form.size_px for form in forms}
    found: dict[str, dict[int, np.ndarray]] = {}
    for file in files:
        data = file.read_bytes() if file.stat().st_size <= MAX_BYTES else b""
        decoded = ((size_px, input_cache.decoded(data, size_px=size_px)) for size_px in sizes)
        found[str(file.relative_to(folder))] = {size: picture for size, picture in decoded if picture is not None}
    readable = {name: pictures for name, pictures in found.items() if len(pictures) == len(sizes)}
    if not readable:
        raise BadInput(f"{folder}: no readable picture in it ({', '.join(PICTURES)})")
    stacked = {size_px: np.stack([each[size_px] for each in readable.values()]) for size_px in sizes}
    as_taken = {form: stacked[form.size_px] if form.colour else networks.grey(stacked[form.size_px]) for form in forms}
    return list(readable), as_taken, [name for name in found if name not in readable]


def _seed(params: Params, seed: int | None) -> int:
    return params.seed if seed is None else seed
