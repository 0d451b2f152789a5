"""`mtf audit licenses | attribution | optouts | release | models`: whether pictures and weights may be used, on what
evidence, with what duties.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths

NOT_COMPLIANT = 1

Json = Annotated[bool, typer.Option("--json", help="The whole report as JSON (docs/audit-schema.json).")]
Plain = Annotated[bool, typer.Option("--plain", help="One line per finding, for grep.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing; the exit code tells the result.")]

app = typer.Typer(
    help="Show which pictures and weights may not be used, and why. Exit code 0: compliant, 1: not, 2: could not run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="audit")


@app.command()
def licenses(
    json: Json = False,
    plain: Plain = False,
    quiet: Quiet = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Request every page again, and report changes.")] = False,
) -> None:
    """Audit the license of every crawled picture: the statement of its source, and whether the policy permits it."""
    _audit("licenses", json=json, plain=plain, quiet=quiet, refresh=refresh)


@app.command()
def attribution(json: Json = False, plain: Plain = False, quiet: Quiet = False) -> None:
    """Audit the credits of the pictures that a release would publish."""
    _audit("attribution", json=json, plain=plain, quiet=quiet)


@app.command()
def optouts(
    json: Json = False,
    plain: Plain = False,
    quiet: Quiet = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Request every page and picture again, and report changed signals.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            "--record", metavar="FILE", help="Write all signals that were heard, per picture, to a .csv or .json file."
        ),
    ] = None,
) -> None:
    """List stored pictures whose source reserves this use, and addresses that were skipped for that reason."""
    _audit("optouts", json=json, plain=plain, quiet=quiet, refresh=refresh, record=record)


@app.command()
def release(
    json: Json = False,
    plain: Plain = False,
    quiet: Quiet = False,
    planned: Annotated[
        bool,
        typer.Option(
            "--planned", help="Audit the pictures that `mtf release` would publish, even if a release is built."
        ),
    ] = False,
) -> None:
    """Audit the published files, or if none are built the planned ones: licenses, credits, takedowns, the release's
    license.
    """
    style = _style(json=json, plain=plain, quiet=quiet)
    if not planned:
        _audit("release", json=json, plain=plain, quiet=quiet)
        return
    from mtf.project import audit

    _conclude(audit.run_planned_audit(ProjectPaths.find(), style=style, out=sys.stdout))


@app.command()
def models(json: Json = False, plain: Plain = False, quiet: Quiet = False) -> None:
    """Audit the weights of the detector, the embedding and the trainings: their licenses, and what they learnt from."""
    style = _style(json=json, plain=plain, quiet=quiet)
    from mtf.project import model_audit

    _conclude(model_audit.run(ProjectPaths.find(), style=style, out=sys.stdout))


def _audit(
    scope: str, *, json: bool, plain: bool, quiet: bool, refresh: bool = False, record: Path | None = None
) -> None:
    style = _style(json=json, plain=plain, quiet=quiet)
    from mtf.project import audit

    _conclude(
        audit.run_audit(ProjectPaths.find(), scope, style=style, out=sys.stdout, refresh=refresh, record_to=record)
    )


def _style(*, json: bool, plain: bool, quiet: bool) -> str:
    if json + plain + quiet > 1:
        raise MtfError("--json, --plain and --quiet exclude each other")
    return "json" if json else "plain" if plain else "quiet" if quiet else "table"


def _conclude(is_compliant: bool) -> None:
    if not is_compliant:
        raise typer.Exit(NOT_COMPLIANT)
