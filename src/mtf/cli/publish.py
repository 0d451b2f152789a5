"""`mtf validate`, `mtf report`, `mtf diff`: what surrounds a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.cli.stages import run_stage
from mtf.workspace import Workspace

if TYPE_CHECKING:
    from mtf.release.changes import Changes

SHOWN = 20


def add_to(app: typer.Typer) -> None:
    @app.command()
    def validate(
        suggest: Annotated[bool, typer.Option("--suggest", help="Print thresholds that the data set meets.")] = False,
    ) -> None:
        """Check the data set as a whole against the gates of params.yaml."""
        if not suggest:
            run_stage("validate")
            return
        from mtf import params
        from mtf.stages.validate import suggestion

        workspace = Workspace.find()
        print(suggestion(workspace, params.load(workspace.params)), end="")

    @app.command()
    def report() -> None:
        """Write the page that shows the data set's health."""
        run_stage("report")

    @app.command()
    def diff(
        old: Annotated[str, typer.Argument(help="A git revision: a tag, a branch, a commit.")],
        new: Annotated[str | None, typer.Argument(help="Another; the working tree where left out.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Show what differs between two versions of the data set, without checking them out."""
        from mtf import params
        from mtf.stages import diff as comparison

        workspace = Workspace.find()
        found = comparison.run(workspace, params.load(workspace.params), old, new)
        if as_json:
            print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
            return
        for line in lines_of(found):
            print(line)


def lines_of(found: Changes) -> Iterator[str]:
    """The differences for a terminal, one a line; a title without entries is left out."""
    counted = {
        "identities added": [(name, None) for name in found.identities_added],
        "identities removed": [(name, None) for name in found.identities_removed],
        "images added": found.added,
        "images removed": found.removed,
        "images in another split": found.moved,
        "labels that differ": found.relabelled,
        "decisions": [(what, n) for what, n in zip(("added", "removed"), found.decisions, strict=True) if n],
    }
    if not any(counted.values()):
        yield "no difference"
    for title, entries in counted.items():
        if entries:
            total = len(entries) if entries[0][1] is None else sum(count or 0 for _, count in entries)
            yield f"{title}: {total:,}"
            yield from (f"  {name}" if count is None else f"  {count:,} {name}" for name, count in entries[:SHOWN])
            if len(entries) > SHOWN:
                yield f"  … and {len(entries) - SHOWN} more"
