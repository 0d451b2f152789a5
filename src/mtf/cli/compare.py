"""`mtf compare`: comparison of trainings on this data set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from mtf.core.console import console
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths

app = typer.Typer(
    help="Train networks in several ways on this data set, and compare the results.", no_args_is_help=True
)

Task = Annotated[
    list[str] | None, typer.Option("--task", help="Task of params.yaml; may be repeated. Default: train.tasks.")
]
Model = Annotated[str | None, typer.Option(help="NAME or NAME-pretrained. Default: the first of train.models.")]
MAX_SEEDS = 100
"""Each seed is one more training of each network: a typo in the number would begin weeks of work."""
Seeds = Annotated[int, typer.Option(min=1, max=MAX_SEEDS, help="Number of seeds, counted from params.yaml's seed.")]
Recipe = Annotated[str | None, typer.Option(help="Recipe of params.yaml. Default: train.recipe.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="compare")


@app.command()
def recipes(
    model: Model = None,
    task: Task = None,
    recipes: Annotated[str, typer.Option(help="Recipes of params.yaml, separated by commas.")] = "mtf,modern",
    seeds: Seeds = 3,
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
    recipe: Recipe = None,
    seeds: Seeds = 1,
    markdown: Markdown = False,
    as_json: AsJson = False,
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


@app.command()
def svm(
    model: Annotated[str, typer.Option(help="Network whose embedding is taken: NAME or NAME-pretrained.")] = "facenet",
    task: Task = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe of the fine-tuning. Default: train.recipe.")] = None,
    seeds: Seeds = 1,
) -> None:
    """Fit support vector machines on a network's embedding, as it is and fine-tuned: Das et al.'s Facenet and FFNet.

    Three quarters of the training part fine-tune, the rest fits the machines. Figures are kept in
    metrics/compare/svm.json, from which `mtf multitask --paper-tables` prints them; existing runs are not repeated.
    """
    from mtf import config
    from mtf.comparison import embedding_svm

    workspace = ProjectPaths.find()
    typed = config.load(workspace.params)
    found = embedding_svm.run(
        workspace,
        typed,
        model=model,
        tasks=task or [name for name in typed.train.tasks if typed.tasks[name].column != config.IDENTITY],
        recipe=recipe or typed.train.recipe,
        seeds=seeds,
    )
    images = found["images"]
    print(
        f"compare svm: {images['train']:,} pictures fine-tune, {images['classifier']:,} fit the machines, "
        f"{images['test']:,} test"
    )
    for name, row in found["rows"].items():
        accuracies = "  ".join(f"{each} {figures['accuracy']:.3f}" for each, figures in row["over_all"].items())
        print(f"  {name:24} {accuracies}")
    print("  tables: `mtf multitask --paper-tables`")


@app.command()
def weights(
    parts: Annotated[
        int, typer.Option(min=2, help="Grid: each task's weight is a multiple of 1 / PARTS, at least one part.")
    ] = 6,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of each training. Default: those of multitask.recipe.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the best weights to multitask.first_weights in params.yaml.")
    ] = False,
) -> None:
    """Search the weights of the tasks' losses by brute force, on the validation part (Das et al., section 3.1).

    Each cell of the grid is one training of the network of params.yaml's multitask. Figures are kept in
    metrics/compare/weights.json; existing trainings are not repeated.
    """
    from mtf import config
    from mtf.comparison import loss_weight_search

    workspace = ProjectPaths.find()
    found = loss_weight_search.run(workspace, config.load(workspace.params), parts=parts, epochs=epochs)
    table = Table(
        *(Column(f"weight of {task}", justify="right") for task in found["tasks"]),
        *(Column(name, justify="right") for name in (*found["tasks"], "mean")),
        title="accuracy on the validation part",
    )
    for row in sorted(found["grid"], key=lambda each: -each["mean"]):
        cells = [f"{weight:.3g}" for weight in row["weights"].values()]
        table.add_row(*cells, *(f"{100 * share:.1f} %" for share in (*row["accuracy"].values(), row["mean"])))
    console().print(table)
    best = {task: round(weight, 6) for task, weight in found["best"].items()}
    if write:
        from mtf.core import atomic_files
        from mtf.project import yaml_text

        text = workspace.params.read_text(encoding="utf-8")
        changed = yaml_text.rewritten(text, {("multitask", "first_weights"): best})
        if changed == text and "first_weights" not in text:
            raise BadInput("params.yaml: multitask.first_weights: missing; add `first_weights: null`, and run it again")
        atomic_files.write_text(workspace.params, changed)
        print(f"params.yaml: multitask.first_weights: {json.dumps(best)}")
    else:
        print(f"the best, for params.yaml: multitask.first_weights: {json.dumps(best)}; `--write` puts them there")


@app.command()
def groups(
    model: Model = None,
    task: Task = None,
    recipe: Recipe = None,
    seeds: Seeds = 3,
    as_json: AsJson = False,
) -> None:
    """Train from several seeds, and show the figures of each group with their spread over the seeds.

    Figures are kept in metrics/compare/groups.json; existing trainings are not repeated.
    """
    from mtf import config
    from mtf.cli import compare_groups
    from mtf.comparison import groups as groups_over_seeds

    workspace = ProjectPaths.find()
    typed = config.load(workspace.params)
    found = groups_over_seeds.run(
        workspace,
        typed,
        model=model or typed.train.models[0],
        tasks=task or [name for name in typed.train.tasks if typed.tasks[name].column != config.IDENTITY],
        recipe=recipe or typed.train.recipe,
        seeds=seeds,
    )
    _show(found, compare_groups.group_tables(found), as_json=as_json)


@app.command()
def mitigation(
    task: Annotated[str, typer.Option(help="Task of params.yaml.")],
    by: Annotated[str, typer.Option(help="Attribute whose groups are to be treated alike.")],
    model: Model = None,
    recipe: Recipe = None,
    seeds: Seeds = 3,
    method: Annotated[
        list[str] | None,
        typer.Option(help="reweighting, group_dro or thresholds; may be repeated. Default: all, beside none."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare ways to mitigate differences between groups, and what each costs the others.

    Figures are kept in metrics/compare/mitigation.json; existing trainings are not repeated.
    """
    from mtf import config
    from mtf.cli import compare_groups
    from mtf.comparison import mitigation as compare_mitigation

    workspace = ProjectPaths.find()
    typed = config.load(workspace.params)
    found = compare_mitigation.run(
        workspace,
        typed,
        model=model or typed.train.models[0],
        task=task,
        by=by,
        recipe=recipe or typed.train.recipe,
        seeds=seeds,
        methods=method or compare_mitigation.METHODS,
    )
    _show(found, compare_groups.mitigation_tables(found), as_json=as_json)


def _show(found: Mapping[str, Any], tables: Iterable[Table], *, as_json: bool) -> None:
    """Print the figures as JSON, or as tables with a line for each that is left out."""
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for table in tables:
        console().print(table)
    for name, reason in found.get("left_out", {}).items():
        print(f"  {name}: left out: {reason}")


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
