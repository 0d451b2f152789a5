"""`mtf new` and `mtf doctor`: a new project, and a check of the machine and the project."""

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
        roster: Annotated[Path | None, typer.Option(help="CSV file with at least the column name.")] = None,
        pictures: Annotated[
            str | None, typer.Option(help="Folder or tar of pictures, named in the roster's column files.")
        ] = None,
        license: Annotated[
            str | None, typer.Option(help="License that the owner states for all of --pictures.")
        ] = None,
        like_the_paper: Annotated[
            bool,
            typer.Option(help="Choose as MTF does: Haar cascade, its five networks at 224 pixels, its recipe."),
        ] = False,
        force: Annotated[bool, typer.Option(help="Replace the project even if it is not the sample any more.")] = False,
    ) -> None:
        """Replace the sample with your own roster and sources."""
        from mtf.project.new import NewProject, begin

        project = NewProject(name, contact, title, roster, pictures, license, like_the_paper)
        steps = begin(ProjectPaths.find(), project, force=force)
        print(f"{name}: params.yaml, dvc.yaml and data/ are yours now. Next:")
        for number, step in enumerate(steps, 1):
            print(f"  {number}. {step}")

    @app.command()
    def doctor() -> None:
        """Check this machine and this project, and advise what to fix."""
        from mtf.project.doctor import examine

        findings = examine(ProjectPaths.find())
        for finding in findings:
            print(f"{MARKS[finding.state]}  {finding.what:<24} {finding.detail}")
        if any(finding.state == "wrong" for finding in findings):
            raise typer.Exit(1)
