"""`mtf models list | fetch | check | convert`: files of trained weights, for detectors, embeddings and trainings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths

app = typer.Typer(
    help="List, fetch and check the files of trained weights.", no_args_is_help=True, rich_markup_mode=None
)
KIB, MIB = 2**10, 2**20


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="models")


@app.command("list")
def list_files(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with whole digests and addresses.")] = False,
) -> None:
    """List every known model file: size, digest, license, training data, and whether it is there."""
    from mtf.project import model_table

    workspace = ProjectPaths.find()
    rows = [
        model_table.as_row(model_table.located(entry, root=workspace.root), relative=workspace.relative)
        for entry in model_table.entries()
    ]
    if as_json:
        import json

        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['name']}: {row['used_for']}, {_size(row['size_bytes'])}, {row['state']}")
        print(f"  license {row['license']}, sha256 {row['sha256'][:8]}")
        print(f"  learnt from: {row['trained_on']}; terms: {row['data_license'] or 'not published'}")
        print(f"  did the people in it agree: {row['people']}")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f} MiB" if size_bytes >= MIB else f"{size_bytes / KIB:.0f} KiB"


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Name in `mtf models list`.")],
    url: Annotated[
        str | None,
        typer.Option("--from", help="Another address, such as a mirror; the digest is checked as well."),
    ] = None,
) -> None:
    """Fetch a model file to its place, unless it is there. An interrupted fetch goes on where it ended."""
    from mtf.project import model_table

    workspace = ProjectPaths.find()
    is_terminal = sys.stderr.isatty()

    def show(size: int) -> None:
        print(f"\r{name}: {size / MIB:.1f} MiB", end="", file=sys.stderr, flush=True)

    found = model_table.fetch(workspace, name, url=url, progress=show if is_terminal else None)
    if is_terminal:
        print(file=sys.stderr)
    print(f"{name}: {workspace.relative(found.path)}, sha256 as published")


@app.command()
def check() -> None:
    """Check the digests of the files that are there, and that none is missing that params.yaml asks for.

    Ends with 2 if a file is missing or another one.
    """
    from mtf.project import model_table

    workspace = ProjectPaths.find()
    bad = []
    for found in model_table.checked(workspace):
        print(f"{found.state:<12}  {found.entry.name:<28}  {workspace.relative(found.path)}")
        if found.state != model_table.GOOD:
            bad.append(found.entry)
    if bad:
        raise BadInput(
            f"models: not as published: {', '.join(entry.name for entry in bad)}; "
            f"`mtf models fetch {bad[0].name}` fetches it"
        )


@app.command()
def convert(
    checkpoint: Annotated[
        Path, typer.Argument(help="Index of a checkpoint of TensorFlow's FaceNet: model-….ckpt-….index.")
    ],
    to: Annotated[Path, typer.Option(help="File of weights to write: facenet-128.pt.")],
    per_picture: Annotated[
        bool | None,
        typer.Option(
            "--per-picture/--fixed",
            help="Standardisation of the input that the weights were trained with: of each picture by its own mean and "
            "deviation, or (x - 127.5) / 128. Default: per picture for 128 numbers, as the models of 2017.",
        ),
    ] = None,
) -> None:
    """Convert FaceNet's weights from a TensorFlow checkpoint, such as the 128-d models of 2017. Needs no TensorFlow."""
    from mtf.core import torch_files
    from mtf.faces.networks import tensorflow_facenet
    from mtf.faces.networks.inception_resnet import PER_PICTURE

    weights = tensorflow_facenet.convert(checkpoint, per_picture=per_picture)
    torch_files.write(to, weights)
    standardised = "each picture by itself" if PER_PICTURE in weights else "(x - 127.5) / 128"
    print(f"{to}: {len(weights)} tensors, an embedding of {weights['last_linear.weight'].shape[0]} numbers")
    print(f"input: {standardised}")
