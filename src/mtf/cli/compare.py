"""`mtf compare`: comparison of trainings on this data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Column, Table

from mtf.core.console import console
from mtf.core.project_paths import ProjectPaths

app = typer.Typer(
    help="Train networks in several ways on this data set, and compare the results.", no_args_is_help=True
)

Task = Annotated[
    list[str] | None, typer.Option("--task", help="Task of params.yaml; may be repeated. Default: train.tasks.")
]
Model = Annotated[str | None, typer.Option(help="NAME or NAME-pretrained. Default: the first of train.models.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="compare")


@app.command()
def recipes(
    model: Model = None,
    task: Task = None,
    recipes: Annotated[str, typer.Option(help="Recipes of params.yaml, separated by commas.")] = "mtf,modern",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, counted from params.yaml's seed.")] = 3,
    markdown: Markdown = False,
) -> None:
    """Train with each recipe on the same split from several seeds, and compare the test results.

    Prints means and standard deviations. Figures are kept in metrics/compare/recipes.json; existing trainings are not
    repeated.
    """
    from mtf import config
    from mtf.comparison import recipes as compare_recipes

    workspace = ProjectPaths.find()
    typed = config.load(workspace.params)
    found = compare_recipes.run(
        workspace,
        typed,
        model=model or typed.train.models[0],
        tasks=task or typed.train.tasks,
        recipes=[name.strip() for name in recipes.split(",")],
        seeds=seeds,
    )
    from mtf.papers import mtf_tables

    _print(
        mtf_tables.RECIPE_COLUMNS,
        mtf_tables.recipes(found),
        title=f"{found['model']}, {seeds} seed{'s' * (seeds > 1)} each",
        markdown=markdown,
    )


@app.command()
def curation(
    model: Model = None,
    task: Task = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe of params.yaml. Default: train.recipe.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, counted from params.yaml's seed.")] = 1,
    markdown: Markdown = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare training on all crops, on crops within the screening limits, and on curated faces: MTF's Table 9.

    Each is tested on a part of itself, as in the paper, and on the curated test part, which no training sees. Figures
    are kept in metrics/compare/curation.json; existing trainings are not repeated.
    """
    from mtf import config
    from mtf.comparison import curation as compare_curation

    workspace = ProjectPaths.find()
    typed = config.load(workspace.params)
    found = compare_curation.run(
        workspace,
        typed,
        model=model or typed.train.models[0],
        tasks=task or typed.train.tasks,
        recipe=recipe or typed.train.recipe,
        seeds=seeds,
    )
    from mtf.papers import mtf_tables

    table = mtf_tables.curation(found)
    if as_json:
        print(json.dumps(table, indent=2, ensure_ascii=False))
        return
    _print(
        mtf_tables.CURATION_COLUMNS,
        mtf_tables.curation_rows(table),
        title=mtf_tables.curation_title(table),
        markdown=markdown,
    )


def _print(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str, markdown: bool) -> None:
    if markdown:
        from mtf.core import markdown_tables

        print(f"**{title}**\n\n{markdown_tables.table(header, rows)}", end="")
        return
    left, figures = header[:2], header[2:]
    table = Table(*left, *(Column(name, justify="right") for name in figures), title=title)
    for row in rows:
        table.add_row(*row)
    console().print(table)
