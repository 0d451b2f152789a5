"""`mtf verify`: error rates of an embedding in telling people apart, by group."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from mtf.cli.embed import Model, Weights, naming_options
from mtf.core.console import console
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from rich.console import Console

    from mtf.report.report_page import PageTable

Figures = Mapping[str, Any]
WIDER_THAN_ANY_TABLE = 100_000
"""Width in characters."""


def add_to(app: typer.Typer) -> None:
    @app.command()
    def verify(
        source: Annotated[
            str, typer.Argument(help="A stage (crop, curate, split), or a table that `mtf embed` wrote.")
        ] = "curate",
        model: Model = "dlib",
        weights: Weights = None,
        fmr: Annotated[
            list[float] | None, typer.Option(help="False match rate to set a threshold for; may be repeated.")
        ] = None,
        max_pictures: Annotated[
            int, typer.Option(min=2, help="Above it, people are left out: each picture is compared with every other.")
        ] = 20_000,
        as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    ) -> None:
        """Test an embedding: false matches and false non-matches at fixed thresholds, by group and across groups.

        Half of the people set the thresholds, the other half is measured. The figures are kept with the others.
        """
        from mtf.project import verify as verification

        workspace = ProjectPaths.find()
        fmrs = {"fmrs": tuple(fmr)} if fmr else {}
        with naming_options(weights=weights):
            found = verification.run(workspace, source, model=model, weights=weights, max_pictures=max_pictures, **fmrs)
        if as_json:
            print(json.dumps(found, indent=2, ensure_ascii=False))
            return
        terminal = console()
        people, pictures = found["people"], found["pictures"]
        print(
            f"verify {found['source']} by {found['model']}: thresholds from {people['calibration']:,} people, "
            f"measured on {people['test']:,} others with {pictures['test']:,} pictures"
        )
        if found["left_out_people"]:
            print(f"  {found['left_out_people']:,} people left out; --max-pictures takes more")
        if few := found.get("too_few_people_for"):
            print(f"  too few people for a threshold at an FMR of {', '.join(f'{fmr:g}' for fmr in few)}")
        if acquire := found["failure_to_acquire"]:
            print(f"  pictures without a vector (failure to acquire): {_share(acquire, 'share', ('low', 'high'))}")
        for table in _tables(found, terminal):
            terminal.print(table)
        print(f"  figures: {workspace.relative(verification.figures_path(workspace, found['name']))}")
        print("  curves: `dvc plots show`")


def _tables(found: Figures, terminal: Console) -> Iterator[Table]:
    from mtf.report import verification_tables

    table = Table("FMR wanted", _right("threshold"), _right("FMR"), _right("FNMR"))
    for fmr, row in found["overall"].items():
        table.add_row(fmr, f"{row['threshold']:.3f}", _rate(row, "fmr"), _rate(row, "fnmr"))
    yield table
    for grouping, part in found["groupings"].items():
        said = {name: row for name, row in part["groups"].items() if "at" in row}
        if said:
            yield _grouping(grouping, said)
        if few := [(name, row) for name, row in part["groups"].items() if "at" not in row]:
            lines = Table(grouping, _right("people"), "cannot be said")
            for name, row in few:
                lines.add_row(name, f"{row['people']:,}", f"it takes {row['more_people']:,} more people")
            yield lines
        yield from _across(grouping, part, terminal)
        yield from (_of_page(*named) for named in verification_tables.differences(grouping, part))


def _across(grouping: str, part: Figures, terminal: Console) -> list[Table]:
    """Tables of `verification_tables.across`: a list of pairs where a matrix is wider than the terminal."""
    from mtf.report import verification_tables

    tables = [_of_page(*named) for named in verification_tables.across(grouping, part)]
    unbounded = terminal.options.update_width(WIDER_THAN_ANY_TABLE)
    if all(terminal.measure(table, options=unbounded).maximum <= terminal.width for table in tables):
        return tables
    return [_of_page(*named) for named in verification_tables.across(grouping, part, matrix_groups=0)]


def _grouping(grouping: str, said: Figures) -> Table:
    from mtf.report.report_page import PageTable

    rows = []
    for name, row in said.items():
        acquire = row["failure_to_acquire"]
        shown = [name, f"{row['people']:,}", f"{100 * acquire['share']:.2f} %" if acquire else ""]
        for fmr, rates in row["at"].items():
            rows.append([*shown, fmr, _rate(rates, "fmr"), _rate(rates, "fnmr")])
            shown = ["", "", ""]
    return _of_page(None, PageTable([grouping, "people", "no vector", "FMR wanted", "FMR", "FNMR"], rows, numeric=5))


def _right(name: str) -> Column:
    return Column(name, justify="right")


def _of_page(title: str | None, table: PageTable) -> Table:
    left = len(table.header) - table.numeric
    # An interval stands below its rate: a matrix of seven groups is then some 100 characters wide.
    rows = [[*row[:left], *(cell.replace(" (", "\n(") for cell in row[left:])] for row in table.rows]
    shown = Table(title=title, title_justify="left")
    for number, heading in enumerate(table.header):
        lines = [line for row in rows for line in row[number].splitlines()]
        shown.add_column(_wrapped(heading, lines), justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    return shown


def _wrapped(heading: str, lines: Sequence[str]) -> str:
    """Heading in lines no longer than its longest word or the longest line below it, so that it widens no column."""
    width = max(map(len, (*heading.split(), *lines)))
    return textwrap.fill(heading, width, break_on_hyphens=False)


def _rate(row: Figures, kind: str) -> str:
    return _share(row, kind, (f"{kind}_low", f"{kind}_high"))


def _share(row: Figures, name: str, ends: tuple[str, str]) -> str:
    if row.get(name) is None:
        return "–"
    shown = f"{100 * row[name]:.3g} %"
    if ends[0] not in row:
        return shown
    low, high = (100 * row[end] for end in ends)
    return f"{shown} ({low:.2g} to {high:.2g})"
