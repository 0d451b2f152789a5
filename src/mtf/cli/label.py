"""`mtf label`: a classifier of attributes for pictures that nobody has labelled; `mtf balance`: how even they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.errors import BadInput, bad_value
from mtf.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mtf.params import Params

app = typer.Typer(help="A classifier of attributes for pictures that nobody has labelled.", no_args_is_help=True)
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".pgm")
MAX_BYTES = 30_000_000

Seed = Annotated[int | None, typer.Option(help="In place of params.yaml's seed.")]


def add_to(main: typer.Typer) -> None:
    main.add_typer(app, name="label")
    main.command()(balance)


@app.command()
def fit(
    model: Annotated[str, typer.Option(help="logistic, cnn1, cnn2 or cnn3.")] = "cnn2",
    attribute: Annotated[list[str] | None, typer.Option(help="Only these attributes; all where none is named.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the exploring run.")] = 10,
    seed: Seed = None,
) -> None:
    """Fit one classifier per attribute on the project's split, measure them, and keep them in build/label."""
    from mtf import atomic
    from mtf.learn import label

    workspace, params, splits, pictures = _project()
    labellers, measured = [], {}
    for name, labels in _attributes(params, attribute).items():
        targets, split = _targets(splits, name, labels), splits["split"].to_numpy()
        labeller = label.fit(
            name, labels, pictures, targets, split, name=model, seed=_seed(params, seed), epochs=epochs
        )
        labellers.append(labeller)
        measured[name] = _measure(labeller, params, splits, pictures, targets)
        shown = "  ".join(f"{figure} {value}" for figure, value in measured[name]["test"].items())
        print(f"label {name} ({model}): {shown}")
        _write_plots(workspace, labeller, pictures[split == "test"], targets[split == "test"])
    label.save(workspace.stage("label") / "classifier.pt", labellers)
    atomic.write_json(workspace.metrics("label"), measured)


@app.command()
def compare(
    attribute: Annotated[str, typer.Argument(help="The attribute to compare on; EFRS: gender.")] = "gender",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the exploring run.")] = 10,
    seed: Seed = None,
) -> None:
    """Fit and measure all four models of EFRS on one attribute (its Tables 1 and 2, Figure 6)."""
    from mtf import atomic
    from mtf.learn import efrs, label

    workspace, params, splits, pictures = _project()
    labels = _attributes(params, [attribute])[attribute]
    targets, split = _targets(splits, attribute, labels), splits["split"].to_numpy()
    rows = {}
    for model in efrs.NAMES:
        labeller = label.fit(
            attribute, labels, pictures, targets, split, name=model, seed=_seed(params, seed), epochs=epochs
        )
        rows[model] = _measure(labeller, params, splits, pictures, targets)["test"]
        print(f"{model:9} " + "  ".join(f"{figure} {value}" for figure, value in rows[model].items()), flush=True)
    atomic.write_json(workspace.metrics(f"label-compare-{attribute}"), rows)


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(help="Pictures of one face each.")],
    to: Annotated[Path, typer.Option(help="The table to write: .csv or .parquet.")] = Path("labels.csv"),
) -> None:
    """Label the pictures of a folder, with calibrated confidence."""
    import polars as pl

    from mtf.atomic import replacing
    from mtf.learn import label

    if to.suffix not in (".csv", ".parquet"):
        raise bad_value("--to", str(to), "a name that ends in .csv or .parquet")
    labellers = label.load(Workspace.find().stage("label") / "classifier.pt")
    names, pictures, unreadable = _read_folder(folder)
    table = pl.DataFrame({"file": [_harmless(name) for name in names]}, schema={"file": pl.String})
    table = table.hstack(label.predict(labellers, pictures))
    with replacing(to) as beside:
        table.write_csv(beside) if to.suffix == ".csv" else table.write_parquet(beside)
    print(f"{to}: {len(names)} pictures labelled" + "".join(f"\nnot readable: {name}" for name in unreadable[:20]))


@app.command()
def hints(
    sure: Annotated[float, typer.Option(min=0, max=1, help="The least confidence that counts.")] = 0.95,
) -> None:
    """Faces whose labels the classifier contradicts, for reviewers: build/label/hints.parquet."""
    from mtf.atomic import replacing
    from mtf.learn import label

    workspace, params, splits, pictures = _project()
    labellers = label.load(workspace.stage("label") / "classifier.pt")
    attributes = [each.attribute for each in labellers if each.attribute in params.attributes]
    found = label.contradictions(label.predict(labellers, pictures), splits, attributes, sure=sure)
    path = workspace.stage("label") / "hints.parquet"
    with replacing(path) as beside:
        found.write_parquet(beside)
    print(f"{workspace.relative(path)}: {found.height} of {splits.height} faces; the classifier is a hint, no verdict")


def balance(
    ratio: Annotated[float, typer.Option(min=0.01, max=1, help="Least cell over greatest, the target.")] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, for programs.")] = False,
) -> None:
    """How even the data set is over its attributes and pairs of them, and what to collect or drop."""
    import json

    from mtf import params as typed
    from mtf import tables
    from mtf.learn import balance as room

    workspace = Workspace.find()
    params = typed.load(workspace.params)
    splits = tables.read(tables.splits(params), workspace.table("split", "splits"))
    attributes = {column: task.labels for column, task in params.attributes.items()}
    found = room.report(splits, attributes, ratio=ratio)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for names, part in found.items():
        print(f"{names}: ratio {part['summary']['ratio']}, evenness {part['summary']['evenness']}")
        for cell in part["cells"]:
            who = " ".join(str(cell[name]) for name in names.split(" × "))
            interval = f"{cell['share']:.1%} ({cell['low']:.1%} to {cell['high']:.1%})"
            print(f"  {who:30} {cell['n']:6}  {interval:26} collect {cell['collect']:5} or drop {cell['drop']:5}")


def _project() -> tuple[Workspace, Params, pl.DataFrame, np.ndarray]:
    """The project, its splits, and their crops as 48×48 grey."""
    from mtf import params as typed
    from mtf import tables
    from mtf.learn import efrs, inputs

    workspace = Workspace.find()
    params = typed.load(workspace.params)
    splits = tables.read(tables.splits(params), workspace.table("split", "splits"))
    pictures = inputs.prepare(splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=efrs.SIDE_PX)
    return workspace, params, splits, efrs.grey(pictures)


def _attributes(params: Params, named: list[str] | None) -> dict[str, list[str]]:
    known = {column: task.labels for column, task in params.attributes.items()}
    for name in named or []:
        if name not in known:
            raise bad_value("attribute", name, ", ".join(known))
    return {name: known[name] for name in named or known}


def _targets(splits: pl.DataFrame, attribute: str, labels: list[str]) -> np.ndarray:
    import polars as pl

    numbers = {label: number for number, label in enumerate(labels)}
    return splits[attribute].replace_strict(numbers, return_dtype=pl.Int64).to_numpy(writable=True)


def _measure(
    labeller: Any, params: Params, splits: pl.DataFrame, pictures: np.ndarray, targets: np.ndarray
) -> dict[str, Any]:
    from mtf.learn import calibration, label

    parts = {name: (splits["split"] == name).to_numpy() for name in ("train", "val", "test")}
    chances = {name: labeller.probabilities(pictures[rows]) for name, rows in parts.items()}
    found: dict[str, Any] = {name: label.figures(targets[rows], chances[name]) for name, rows in parts.items()}
    test = parts["test"]
    error = calibration.expected_error(chances["test"], targets[test])
    found["calibration_error"] = round(error, 4)
    found["temperature"] = round(labeller.temperature, 4)
    found["by_own_label"] = label.by_own_label(targets[test], chances["test"], labeller.labels)
    found["by_subgroup"] = {
        other: label.by_subgroup(targets[test], chances["test"], splits[other].to_numpy()[test].tolist(), task.labels)
        for other, task in params.attributes.items()
        if other != labeller.attribute
    }
    return found


def _write_plots(workspace: Workspace, labeller: Any, pictures: np.ndarray, targets: np.ndarray) -> None:
    import polars as pl

    from mtf import atomic
    from mtf.learn import label

    folder = workspace.plots("label")
    if labeller.classifier.history:
        epochs = pl.DataFrame(labeller.classifier.history).with_row_index("epoch", offset=1)
        atomic.write_text(folder / f"history-{labeller.attribute}.csv", epochs.write_csv())
    if len(labeller.labels) == 2 and len(set(targets.tolist())) == 2:
        curve = label.roc(targets, labeller.probabilities(pictures))
        atomic.write_text(folder / f"roc-{labeller.attribute}.csv", pl.DataFrame(curve).write_csv())


def _read_folder(folder: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """The names and 48×48 grey pictures of a folder, and the names of those that cannot be read."""
    import numpy as np

    from mtf.learn import efrs, inputs

    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in PICTURES and file.is_file()]
    found = {
        str(file.relative_to(folder)): inputs.decoded(file.read_bytes(), size_px=efrs.SIDE_PX)
        if file.stat().st_size <= MAX_BYTES
        else None
        for file in files
    }
    readable = {name: picture for name, picture in found.items() if picture is not None}
    if not readable:
        raise BadInput(f"{folder}: no readable picture in it ({', '.join(PICTURES)})")
    grey = efrs.grey(np.stack(list(readable.values())))
    return list(readable), grey, [name for name in found if name not in readable]


def _harmless(name: str) -> str:
    """A file name that a spreadsheet does not take for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def _seed(params: Params, seed: int | None) -> int:
    return params.seed if seed is None else seed
