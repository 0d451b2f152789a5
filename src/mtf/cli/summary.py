"""`mtf summary`: results of a run on one screen, from the figures in `metrics/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from mtf.core.console import console
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation.figure_files import merged_scores

Figures = dict[str, Any]
WIDTH = 80
STAGES = ("crawl", "crop", "curate", "split", "evaluate", "release")


def add_to(app: typer.Typer) -> None:
    @app.command()
    def summary(as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False) -> None:
        """Show the results of the last run: funnel, splits, models, release, and where to find more."""
        from mtf import config

        workspace = ProjectPaths.find()
        title = config.load(workspace.params).project.title
        if as_json:
            content = {"version": 1, "title": title, **figures_of(workspace)}
            print(json.dumps(content, indent=2, ensure_ascii=False))
            return
        out = console()
        out.print(f"\n[bold]{escape(title)}[/bold]: results of the last run", highlight=False)
        for part in parts(workspace):
            out.print()
            out.print(part, highlight=False)


def figures_of(workspace: ProjectPaths) -> dict[str, Figures]:
    """Stage → its figures, and `multitask`: weighting → figures. Raises BadInput if no stage has run yet."""
    figures = {name: _figures(workspace.metrics(name)) for name in STAGES}
    if not any(figures.values()):
        raise BadInput("metrics/: no figures yet; run the pipeline (`dvc repro`)")
    files = sorted(workspace.metrics("multitask").with_suffix("").glob("*"))
    return figures | {"multitask": {path.stem: _figures(path) for path in files}}


def parts(workspace: ProjectPaths) -> Iterator[RenderableType]:
    """Sections of the summary in the order of the pipeline; raises BadInput if no stage has run yet."""
    from mtf.evaluation.undetected_pictures import statement

    figures = figures_of(workspace)
    if figures["crawl"]:
        yield counted("Addresses found, by outcome", figures["crawl"]["outcomes"])
        yield from to_be_retried(figures["crawl"])
    if figures["curate"]:
        yield funnel(figures["curate"])
    if figures["crop"].get("undetected"):
        yield undetected_by_group(figures["crop"]["undetected"])
    if figures["split"]:
        yield splits(figures["split"])
    undetected = statement(workspace)
    for task, rows in merged_scores(figures["evaluate"], figures["multitask"]).items():
        yield models(task, rows, undetected=undetected)
    if figures["release"]:
        yield released(figures["release"])
    yield look_further(workspace)


def _figures(path: Path) -> Figures:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def counted(title: str, figures: Figures) -> Table:
    """Table of any stage's figures, one per line; nested names are joined."""
    table = _table(title, "", "count")
    for name, value in _flat(figures):
        table.add_row(name, _number(value))
    return table


def to_be_retried(figures: Figures) -> Iterator[str]:
    """Line on retriable failures of the crawl, and how to retry them; nothing without any."""
    from mtf.crawl.fetch_results import RETRY_COMMAND, retriable_failures

    if what := retriable_failures(figures):
        yield f"{what}: `{RETRY_COMMAND}`, then `dvc repro`, requests them again"


def funnel(figures: Figures) -> Table:
    """Funnel table: faces left after each step, and reasons for the dropped ones."""
    from mtf.curation.funnel_tables import funnel_table

    return _titled(funnel_table(figures), "The funnel")


def undetected_by_group(figures: Figures) -> Table:
    """Share of images without a detected face, by group, and the difference between groups."""
    from mtf.curation.funnel_tables import undetected_table

    return _titled(undetected_table(figures), "Failure to detect, by group")


def splits(figures: Figures) -> Table:
    """Split table: faces of each label in each split."""
    from mtf.curation.funnel_tables import split_table

    return _titled(split_table(figures), "Splits")


def models(task: str, rows: dict[str, dict[str, float]], *, undetected: str | None) -> Table:
    """Test results of one task in per cent: a row per model, and the baselines; `undetected` stands below them."""
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    table = _table(f"Test results: {task} (%)", "model", *(name.replace("_", " ") for name in names))
    for model, scores in rows.items():
        cells = (f"{100 * scores[name]:.1f}" if name in scores else "" for name in names)
        table.add_row(model.replace("_", " "), *cells)
    table.caption, table.caption_justify = undetected, "left"
    return table


def released(sizes: dict[str, dict[str, int]]) -> Table:
    table = _table("Release", "variant", "identities", "files", "MB")
    for variant, size in sizes.items():
        megabytes = f"{size['bytes'] / 1e6:.1f}"
        table.add_row(variant.replace("_", " "), f"{size['identities']:,}", f"{size['files']:,}", megabytes)
    return table


def look_further(workspace: ProjectPaths) -> Table:
    table = Table.grid(padding=(0, 2))
    for where, what in _places(workspace):
        table.add_row(where, what)
    return table


def _places(workspace: ProjectPaths) -> Iterator[tuple[str, str]]:
    report = workspace.stage("report") / "index.html"
    if report.is_file():
        yield workspace.relative(report), "the report: open it in a browser"
    if (workspace.stage("release") / "README.md").is_file():
        yield workspace.relative(workspace.stage("release")), "the published folders; README.md says what is in them"
    yield "dvc metrics show", "headline figures; `dvc metrics diff` compares versions"
    yield "dvc plots show", "training curves and confusion matrices"
    yield "dvc exp run -S KEY=VALUE", "the same with another parameter"


def _titled(table: Table, title: str) -> Table:
    """Table of another package in the style of this page."""
    table.box, table.pad_edge, table.title = box.SIMPLE_HEAD, False, title
    table.title_style, table.title_justify = "bold", "left"
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    first, *others = columns
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _flat(figures: Figures, before: str = "") -> Iterator[tuple[str, float | None]]:
    for name, value in figures.items():
        words = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{words} · ")
        else:
            yield words, value


def _number(value: float | None) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return "" if value is None else f"{value:,}"
