"""`mtf new` and `mtf doctor`: the project as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtf.core.project_paths import ProjectPaths

MARKS = {"good": "ok", "lacking": "--", "wrong": "NO"}


def add_to(app: typer.Typer) -> None:
    @app.command()
    def new(
        name: Annotated[str, typer.Option(help="Short name of the data set: a-z, 0-9, - and _.")],
        contact: Annotated[str, typer.Option(help="mailto: or https: address, sent with every request of the crawl.")],
        title: Annotated[str | None, typer.Option(help="Title for cards and reports.")] = None,
        roster: Annotated[Path | None, typer.Option(help="A CSV with at least the column name.")] = None,
        pictures: Annotated[
            str | None, typer.Option(help="A folder or tar of pictures, named by the roster's column files.")
        ] = None,
        license: Annotated[
            str | None, typer.Option(help="The license that the owner of --pictures states for all of them.")
        ] = None,
        force: Annotated[bool, typer.Option(help="Begin anew though this project is no longer the sample.")] = False,
    ) -> None:
        """Replace the sample by your own roster and sources."""
        from mtf.project.new import Beginning, begin

        beginning = Beginning(name, contact, title, roster, pictures, license)
        steps = begin(ProjectPaths.find(), beginning, force=force)
        print(f"{name}: params.yaml, dvc.yaml and data/ are yours now. Next:")
        for number, step in enumerate(steps, 1):
            print(f"  {number}. {step}")

    @app.command()
    def doctor() -> None:
        """Say what this machine and this project have and lack."""
        from mtf.project.doctor import examine

        findings = examine(ProjectPaths.find())
        for finding in findings:
            print(f"{MARKS[finding.state]}  {finding.what:<24} {finding.detail}")
        if any(finding.state == "wrong" for finding in findings):
            raise typer.Exit(1)
