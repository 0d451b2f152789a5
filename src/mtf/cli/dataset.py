"""`mtf dataset`: published data sets as a roster for the crawl, or straight as tables for training."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.errors import BadInput
from mtf.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from mtf.datasets.labelled import DataSet

app = typer.Typer(help="Published data sets as sources.", no_args_is_help=True)


class Kind(StrEnum):
    FAIRFACE = "fairface"
    UTKFACE = "utkface"
    AGE_CSV = "age-csv"
    LFW = "lfw"
    FOLDER = "folder"


Source = Annotated[Path, typer.Argument(help="The folder or tar of pictures; the CSV file for age-csv.")]
Labels = Annotated[Path | None, typer.Option(help="The label file, for fairface.")]


def add_to(main: typer.Typer) -> None:
    main.add_typer(app, name="dataset")


@app.command()
def roster(
    kind: Kind,
    source: Source,
    labels: Labels = None,
    license_id: Annotated[str | None, typer.Option("--license", help="What the owner of a folder states.")] = None,
    creator: Annotated[str, typer.Option(help="Whose pictures a folder's are.")] = "unknown",
    to: Annotated[Path, typer.Option(help="Where the roster is written.")] = Path("data/roster.csv"),
) -> None:
    """Write a roster for the source `folder`, and print the sections of params.yaml that go with it."""
    from mtf.datasets import labelled

    if kind is Kind.AGE_CSV:
        raise BadInput("age-csv: its pictures lie in the CSV file; use `mtf dataset tables`")
    data_set, _ = _load(kind, source, labels, license_id, creator)
    count = labelled.write_roster(data_set, to)
    print("\n".join([*data_set.told(), f"{to}: {count} identities"]))
    print(labelled.params_of(data_set, per_identity=True).replace("PATH", str(source)))


@app.command()
def tables(
    kind: Kind,
    source: Source,
    to: Annotated[Path, typer.Option(help="A new folder, which becomes a project.")],
    labels: Labels = None,
) -> None:
    """Lay the pictures out as crops and splits in a project of their own, ready for `mtf train`.

    UTKFace is divided by its parts (Das et al.), the others 72/8/20, stratified by gender (EFRS).
    """
    import yaml

    from mtf import atomic, params
    from mtf.datasets import labelled, layout

    here = Workspace.find()
    if to.exists() and any(to.iterdir()):
        raise BadInput(f"{to}: not empty; name a new folder")
    data_set, read = _load(kind, source, labels, None, "unknown")
    if "gender" not in data_set.attributes:
        raise BadInput(f"{kind}: it has no labels to train on but identities; use `mtf dataset roster`")
    raw = yaml.safe_load(here.params.read_text(encoding="utf-8"))
    raw["tasks"] = yaml.safe_load(labelled.params_of(data_set, per_identity=False))["tasks"]
    raw["train"]["tasks"] = list(data_set.attributes)
    raw["multitask"] = (raw.get("multitask") or {"backbone": "small_cnn", "weightings": ["equal"]}) | {
        "tasks": list(data_set.attributes),
        "recipe": raw["train"]["recipe"],
    }
    typed = params.parse(raw)
    split = _split(kind, data_set, seed=typed.seed)
    told = layout.write(data_set, read, split, Workspace(to), typed)
    atomic.write_text(to / "params.yaml", yaml.safe_dump(raw, sort_keys=False, allow_unicode=True))
    print("\n".join([*data_set.told(), *told, f"{to}: a project of its own; run `mtf train` in it"]))


def _split(kind: Kind, data_set: DataSet, *, seed: int) -> pl.Series:
    from mtf.datasets import layout

    has_parts = kind is Kind.UTKFACE and data_set.pictures["part"].null_count() == 0
    return layout.by_part(data_set.pictures) if has_parts else layout.stratified(data_set.pictures, "gender", seed=seed)


def _load(
    kind: Kind, source: Path, labels: Path | None, license_id: str | None, creator: str
) -> tuple[DataSet, Callable[[str], bytes]]:
    from mtf.datasets import age_csv, fairface, layout, lfw, utkface

    if kind is Kind.AGE_CSV:
        data_set, pictures = age_csv.load(source)
        return data_set, pictures.__getitem__
    files = layout.Files(source)
    if kind is Kind.FAIRFACE:
        if labels is None:
            raise BadInput("fairface: name its label file with --labels")
        return fairface.load(labels), files.read
    if kind is Kind.UTKFACE:
        return utkface.load(files.names()), files.read
    if kind is Kind.LFW:
        return lfw.load(files.names()), files.read
    return lfw.load_folder(files.names(), license_id=license_id, creator=creator), files.read
