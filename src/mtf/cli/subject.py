"""`mtf subject`: all that is held about one person, as one ZIP and one page (GDPR, article 15)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtf.core.project_paths import ProjectPaths

SHOWN = 5


def add_to(app: typer.Typer) -> None:
    @app.command()
    def subject(
        value: Annotated[
            str, typer.Argument(metavar="SLUG|PICTURE", help="Identity, image_id, or path of a picture file.")
        ],
        to: Annotated[Path | None, typer.Option(help="Folder for ZIP and page. Default: build/subject.")] = None,
    ) -> None:
        """Write all that is held about a person: pictures, bases, decisions, versions, releases, models."""
        from mtf import config
        from mtf.duties.origin import number
        from mtf.subject import answer, lookup

        workspace = ProjectPaths.find()
        params = config.load(workspace.params)
        identity = lookup.identity_of(value, workspace, params)
        written = answer.write(identity, workspace, params, folder=to or workspace.stage("subject"))
        found = written.holdings
        masked = sum(bool(picture.masked) for picture in found.pictures)
        models = {model for version in written.versions for model in version.models}
        releases = {version.release for version in written.versions} - {None}
        print(f"{identity}: {number(len(found.pictures), 'picture')}, other faces masked in {masked}")
        print(
            f"  {number(len(found.decisions), 'decision')}, {number(len(found.consents), 'consent')}, "
            f"{number(len(found.takedowns), 'takedown')}"
        )
        print(
            f"  in {number(len(written.versions), 'version')}, {number(len(releases), 'release')}, "
            f"{number(len(models), 'trained model')}"
        )
        if written.evidence:
            print(f"  evidence of the sources in the ZIP: {', '.join(written.evidence)}")
        for name, why in written.evidence_left_out.items():
            print(f"  not in the ZIP: {name}: {why}")
        for image_id, why in list(written.left_out.items())[:SHOWN]:
            print(f"  not in the ZIP: {image_id[:12]}: {why}")
        print(f"{workspace.relative(written.archive)} and {written.page.name}")
