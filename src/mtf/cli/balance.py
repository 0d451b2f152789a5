"""`mtf balance`: balance of a data set over its attributes, and how to improve it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.cli import renamed_options
from mtf.core.errors import BadInput, MtfError, bad_value, listed
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    import polars as pl

    from mtf.config import Params
    from mtf.core.csv_files import Row

CONFIDENCE = "_confidence"
FIGURES = ("ratio", "evenness")


def balance(
    context: typer.Context,
    table: Annotated[
        Path | None,
        typer.Argument(help="Table written by `mtf label predict`, .csv or .parquet. Default: the project's data set."),
    ] = None,
    ratio: Annotated[
        float, typer.Option(min=0.01, max=1, help="Target ratio of the smallest to the largest cell.")
    ] = 0.5,
    together: Annotated[int, typer.Option(min=1, max=3, help="Largest number of attributes to combine.")] = 3,
    confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Minimum confidence of the rows of TABLE that count.")
    ] = 0.0,
    sure: Annotated[float | None, typer.Option(min=0, max=1, hidden=True)] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Write split.balance to params.yaml: the balanced subset is then trained on and released."
        ),
    ] = False,
    over: Annotated[
        str | None, typer.Option(help="With --write: attributes to balance, separated by commas. Default: all.")
    ] = None,
    seed: Annotated[  # noqa: ARG001 (the intervals were resampled once; commands with it still run)
        int, typer.Option(min=0, max=2**32 - 1, hidden=True)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Show the balance over attributes, pairs and triples of them, and how many pictures to collect or drop.

    Intervals are of 95 %. With --write, the balanced subset becomes the split.
    """
    from mtf.evaluation import balance as figures_of_balance

    confidence = renamed_options.value_of(context, "confidence", confidence, old="sure", old_value=sure)
    if over is not None and not write:
        raise BadInput("--over: only with --write")
    if write:
        if table is not None or as_json:
            raise BadInput("--write: not with TABLE or --json; it balances the project's own data set")
        _write(ratio=ratio, over=over)
        return
    data, attributes = _labelled(table, confidence=confidence) if table else _data_set()
    found = figures_of_balance.report(data, attributes, ratio=ratio, together=together)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for names, part in found.items():
        print("\n".join(_lines(names, part)))


def _write(*, ratio: float, over: str | None) -> None:
    """Write `split.balance` to params.yaml, and print what the subset leaves out of the curated faces.

    Raises BadInput for an unknown attribute, and GateFailed if the split's minimums cannot be met by the subset.
    """
    from mtf import config, schemas
    from mtf.core import atomic_files
    from mtf.curation import balanced_subset
    from mtf.curation.split import assigned
    from mtf.project import yaml_text

    workspace = ProjectPaths.find()
    params = config.load(workspace.params)
    several = [name for name, task in params.attributes.items() if len(task.labels) > 1]
    chosen = [name.strip() for name in over.split(",")] if over else several
    for name in chosen:
        if name not in several:
            raise bad_value("--over", name, f"attributes with several labels: {listed(several)}")
        if chosen.count(name) > 1:
            raise BadInput(f"--over: {name!r} stands there twice; name each attribute once")
    wanted = config.Balance(over=chosen, ratio=ratio)
    split = params.split.model_copy(update={"balance": wanted})
    faces = schemas.read(schemas.curated(params), workspace.table("curate", "curated"))
    kept = balanced_subset.of_split(faces, split, seed=params.seed)
    # Before anything is written: a subset that cannot be divided is of no use.
    assigned(kept, columns=list(params.columns), split=split, seed=params.seed)
    text = workspace.params.read_text(encoding="utf-8")
    atomic_files.write_text(
        workspace.params, yaml_text.with_value(text, "split", "balance", {"over": chosen, "ratio": ratio})
    )
    for cell, count in balanced_subset.left_out(faces, kept, chosen).items():
        print(f"  {cell:30} leaves out {count:6,}")
    people = faces["identity"].n_unique() - kept["identity"].n_unique()
    lost = f", without {people:,} people" if people else ""
    print(
        f"params.yaml: split.balance: {kept.height:,} of {faces.height:,} curated faces stay ({', '.join(chosen)}; "
        f"ratio {ratio}){lost}"
    )
    print("`dvc repro` divides, trains on and releases them; `balance: null` takes all faces again")


def _lines(names: str, part: dict[str, Any]) -> list[str]:
    figures = part["summary"]
    intervals = [f"{name} {figures[name]} ({figures[name + '_low']} to {figures[name + '_high']})" for name in FIGURES]
    if len(part["cells"]) == 1:
        return [f"{names}: one label only, nothing to balance", f"  {_counted(names, part['cells'][0])}"]
    lines = [f"{names}: {', '.join(intervals)}, empty cells {figures['empty']}"]
    total = sum(cell["n"] for cell in part["cells"])
    for cell in part["cells"]:
        # Of the counts: the report's share is rounded already, and would be rounded twice.
        interval = f"{cell['n'] / total:.1%} ({cell['low']:.1%} to {cell['high']:.1%})"
        plan = f"collect {cell['collect']:5} or drop {cell['drop']:5}"
        lines.append(f"  {_counted(names, cell)}  {interval:26} {plan}")
    return lines


def _counted(names: str, cell: dict[str, Any]) -> str:
    labels = " ".join(str(cell[name]) for name in names.split(" × "))
    return f"{labels:30} {cell['n']:6}"


def _data_set() -> tuple[pl.DataFrame, dict[str, list[str]]]:
    from mtf import config, schemas

    workspace = ProjectPaths.find()
    typed = config.load(workspace.params)
    splits = schemas.read(schemas.splits(typed), workspace.table("split", "splits"))
    return splits, {column: task.labels for column, task in typed.attributes.items()}


def _labelled(path: Path, *, confidence: float) -> tuple[pl.DataFrame, dict[str, list[str]]]:
    """Table of label columns X that have X_confidence, and their labels: params.yaml's for a known attribute, else
    those present.
    """
    data = _read(path)
    names = [name.removesuffix(CONFIDENCE) for name in data.columns if name.endswith(CONFIDENCE)]
    attributes = [name for name in names if name in data.columns]
    if not attributes:
        raise BadInput(
            f"{path}: no column with a matching column *{CONFIDENCE}; `mtf label predict` writes such a table"
        )
    if data.is_empty():
        raise BadInput(f"{path}: no rows")
    labels = {name: _labels_of(path, data, name) for name in attributes}
    return _only_confident(path, data, attributes, confidence=confidence), labels


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    if path.suffix not in (".csv", ".parquet"):
        raise bad_value("table", str(path), "a name that ends in .csv or .parquet")
    if path.suffix == ".csv":
        return _read_csv(path)
    try:
        return pl.read_parquet(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or 'no such file'}") from None
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{path}: not readable as a table: {' '.join(str(error).split())[:160]}") from None


def _read_csv(path: Path) -> pl.DataFrame:
    """CSV table with labels as text, an empty cell as null, and confidences as numbers from 0 to 1."""
    import polars as pl

    from mtf.core import csv_files

    table = csv_files.read(path)
    columns: dict[str, list[str | float | None]] = {name: [] for name in table.header if name}
    for row in table:
        for name, values in columns.items():
            values.append(_confidence(row, name) if name.endswith(CONFIDENCE) else row.text(name) or None)
    return pl.DataFrame(
        {
            name: pl.Series(values, dtype=pl.Float64 if name.endswith(CONFIDENCE) else pl.String)
            for name, values in columns.items()
        }
    )


def _confidence(row: Row, name: str) -> float:
    try:
        value = float(row.text(name))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise bad_value(row.column(name), row.text(name), "a confidence from 0 to 1")
    return value


def _labels_of(path: Path, data: pl.DataFrame, name: str) -> list[str]:
    present = data[name].cast(str).unique().drop_nulls().sort().to_list()
    if data[name].null_count():
        raise BadInput(f"{path} column {name}: {data[name].null_count()} rows without a label")
    params = _params()
    if params is None or name not in params.attributes:
        return present
    permitted = params.attributes[name].labels
    if unknown := [label for label in present if label not in permitted]:
        row = data[name].cast(str).to_list().index(unknown[0]) + 2
        raise bad_value(f"{path} row {row} column {name}", unknown[0], f"params.yaml's labels {listed(permitted, 20)}")
    return list(permitted)


def _only_confident(path: Path, data: pl.DataFrame, attributes: list[str], *, confidence: float) -> pl.DataFrame:
    import polars as pl

    least = pl.min_horizontal(pl.col(f"{name}{CONFIDENCE}") for name in attributes)
    kept = data.filter(least >= confidence).with_columns(pl.col(name).cast(pl.String) for name in attributes)
    if kept.is_empty():
        raise BadInput(f"{path}: no row whose labels all have a confidence of {confidence} or more")
    return kept


def _params() -> Params | None:
    """Parameters of the project; None outside a project, where a table of predictions can be balanced too."""
    from mtf import config

    try:
        workspace = ProjectPaths.find()
    except MtfError:
        return None
    return config.load(workspace.params)
