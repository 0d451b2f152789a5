"""`mtf embed`: a table of embeddings of the faces of a stage or of a folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from mtf.cli import option_names
from mtf.core.project_paths import ProjectPaths

Model = Annotated[
    str, typer.Option(help="A registered embedding (dlib, facenet, …), or the model.pt of a trained network.")
]
Weights = Annotated[str | None, typer.Option(help="File of the embedding's weights; default: as published.")]
_KEYS_OF_WEIGHTS = {
    "params.yaml: screen.embedding_weights": "--weights",
    "permitted: null, ": "permitted: no --weights, ",
    "; null ": "; no --weights ",
}
_KEY_OF_MODEL = {"params.yaml: screen.embedding:": "--model:"}


def naming_options(*, weights: str | None) -> AbstractContextManager[None]:
    """Errors of the body name --model and --weights in place of keys of params.yaml.

    weights: of the option; without it, the weights may be those of params.yaml, and are named as its key.
    """
    return option_names.replacing_keys(_KEY_OF_MODEL | ({} if weights is None else _KEYS_OF_WEIGHTS))


def add_to(app: typer.Typer) -> None:
    @app.command()
    def embed(
        source: Annotated[str, typer.Argument(help="A stage with faces (crop, curate or split), or a folder.")],
        model: Model = "dlib",
        weights: Weights = None,
        to: Annotated[Path | None, typer.Option(help="The table (Parquet); default: build/embed/.")] = None,
    ) -> None:
        """Write a table with a vector for each face. An interrupted run goes on where it ended."""
        from mtf.project import embed as embedding

        workspace = ProjectPaths.find()
        with naming_options(weights=weights):
            done = embedding.run(workspace, source, model=model, weights=weights, to=to)
        kept = f", {done.kept_parts} parts from an interrupted run" if done.kept_parts else ""
        print(f"embed: {done.vectors} vectors, {done.problems} without one{kept}: {workspace.relative(done.path)}")
