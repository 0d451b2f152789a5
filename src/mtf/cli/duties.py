"""`mtf duties`: files that laws, standards and ethics boards ask for, written from the project's tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.project_paths import ProjectPaths

UNANSWERED = 1


def add_to(app: typer.Typer) -> None:
    @app.command()
    def duties(
        documents: Annotated[
            list[str] | None, typer.Argument(help="Documents to write, by name. Default: all.", show_default=False)
        ] = None,
        to: Annotated[Path | None, typer.Option(help="Folder for the files. Default: build/duties.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the unanswered items as JSON.")] = False,
        strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 if an item is unanswered.")] = False,
    ) -> None:
        """Write the AI Act's file, the summary of training content, the provenance fields, the notice to the people
        shown, and the crowdwork sheet.
        """
        from mtf import config
        from mtf.duties import registry, writing

        workspace = ProjectPaths.find()
        folder = to or workspace.stage("duties")
        written = writing.write(workspace, config.load(workspace.params), documents or list(registry.TEMPLATES), folder)
        open_items = {each.template.name: [item.key for item in each.unanswered] for each in written}
        if as_json:
            print(json.dumps({"folder": str(folder), "unanswered": open_items}, indent=2))
        else:
            for each in written:
                answered, total = sum(not item.is_open for item in each.items), sum(1 for _ in each.items)
                names = ", ".join(open_items[each.template.name])
                left = f"; nobody has answered {names}" if names else ""
                print(f"{each.template.name}: {answered} of {total} items answered{left}")
            print(f"{workspace.relative(folder)}: .md and .html; answers belong in data/card.yaml, under duties")
        if strict and any(open_items.values()):
            raise typer.Exit(UNANSWERED)
