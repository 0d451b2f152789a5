"""`mtf validate` and `mtf report`: the gates, and the report."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.cli.stages import run_stage
from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.gates.outcome import GateOutcome


def add_to(app: typer.Typer) -> None:
    @app.command()
    def validate(
        suggest: Annotated[bool, typer.Option("--suggest", help="Print thresholds that the data set meets.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print every expectation as JSON.")] = False,
    ) -> None:
        """Check the data set as a whole against the gates of params.yaml."""
        if as_json and suggest:
            raise BadInput("--json and --suggest exclude each other; choose one")
        if as_json:
            _validate_as_json()
            return
        if not suggest:
            run_stage("validate")
            return
        from mtf import config
        from mtf.pipeline.validate import suggestion

        workspace = ProjectPaths.find()
        print(suggestion(workspace, config.load(workspace.params)), end="")

    @app.command()
    def report() -> None:
        """Write the report on the data set as an HTML page."""
        run_stage("report")


def _validate_as_json() -> None:
    """Check the gates, and print their outcome as JSON, also if one of them fails."""
    from mtf.gates import outcome

    try:
        with redirect_stdout(io.StringIO()):
            run_stage("validate")
    except GateFailed:
        _print_outcome(outcome.read(ProjectPaths.find()))
        raise
    _print_outcome(outcome.read(ProjectPaths.find()))


def _print_outcome(found: GateOutcome | None) -> None:
    if found is not None:
        content = {"version": 1, "may_be_published": not found.critical, **asdict(found)}
        print(json.dumps(content, indent=2, ensure_ascii=False))
