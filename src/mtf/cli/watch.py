"""`mtf watch`: crawl again what is due, and commit what changed."""

from __future__ import annotations

from typing import Annotated

import typer

from mtf.core.project_paths import ProjectPaths


def add_to(app: typer.Typer) -> None:
    @app.command()
    def watch(
        is_all_due: Annotated[
            bool, typer.Option("--all", help="Ask again for everything, whatever is due by params.yaml.")
        ] = False,
    ) -> None:
        """Crawl again what is due, bring the data set up to date, and commit it with one line of the changelog."""
        from mtf.watch import run
        from mtf.watch.run_changes import CHANGELOG

        done = run.run(ProjectPaths.find(), is_all_due=is_all_due)
        print(done.line)
        print(f"commit {done.commit[:12]}, with a line in {CHANGELOG}; `mtf diff HEAD~1 --html week.html` shows it")
