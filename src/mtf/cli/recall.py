"""`mtf recall`: find withdrawn pictures in any copy of a release, publish the list of them, notify recipients."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths

PUBLISHED_TO = PATHS_IN_PROJECT.stage("recall")


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Call withdrawn pictures back from copies of a release.", no_args_is_help=True)
    app.add_typer(group, name="recall")

    @group.command()
    def check(
        path: Annotated[Path, typer.Argument(help="Copy to look through: a folder or a file, in any form.")],
        withdrawals: Annotated[
            str | None, typer.Option("--list", help="Withdrawal list, a file or an address. Default: the newest.")
        ] = None,
        key: Annotated[
            Path | None, typer.Option(help="Public key of the list. Default: the one of the release.")
        ] = None,
        apply: Annotated[bool, typer.Option("--apply", help="Remove what is found.")] = False,
        receipt: Annotated[
            Path | None, typer.Option(help="File for the receipt. Default, with --apply: recall-TIME.json here.")
        ] = None,
        workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = os.cpu_count() or 1,
    ) -> None:
        """Name the withdrawn pictures in a copy; exit code 0 without any, 1 with some, 2 if parts are not looked at."""
        from mtf.recall.command import check as check_copy
        from mtf.release.withdrawals import FOLDER

        code = check_copy(
            path,
            named=withdrawals,
            key=key,
            folder=path / FOLDER if path.is_dir() else path.parent / FOLDER,
            apply=apply,
            receipt=receipt,
            workers=workers,
        )
        raise typer.Exit(code)

    @group.command()
    def publish(
        to: Annotated[Path, typer.Option(help="Folder for the list, its signature and recall.py.")] = PUBLISHED_TO,
    ) -> None:
        """Write the newest withdrawal list, signed, for publication; no new release is needed."""
        from mtf import config
        from mtf.release import withdrawals

        workspace = ProjectPaths.find()
        params = config.load(workspace.params)
        folder = to if to.is_absolute() else workspace.root / to
        count = withdrawals.write_folder(folder, workspace, params)
        signed = "signed" if params.release.withdrawals_key else "not signed: release.withdrawals_key names no key"
        print(f"{count} withdrawn files, {signed}: {workspace.relative(folder)}")
        where = params.release.withdrawals_url or "where the holders of copies find it (release.withdrawals_url)"
        print(f"Next: put the files of this folder at {where}")

    @group.command()
    def notify(
        to: Annotated[Path, typer.Option(help="Folder for the messages.")] = PUBLISHED_TO / "messages",
        acknowledge: Annotated[
            str | None, typer.Option(help="Record the answer of this recipient instead.", metavar="RECIPIENT")
        ] = None,
        receipt: Annotated[Path | None, typer.Option(help="Receipt that came with the answer.")] = None,
    ) -> None:
        """Write a message to each recipient of data/recipients.csv who has not removed all withdrawn pictures."""
        from mtf import config
        from mtf.core.errors import BadInput
        from mtf.takedown import recipients, requests

        workspace = ProjectPaths.find()
        params = config.load(workspace.params)
        if receipt is not None and acknowledge is None:
            raise BadInput("--receipt: name the recipient who sent it: --acknowledge RECIPIENT")
        if acknowledge is not None:
            count = recipients.acknowledge(acknowledge, receipt, workspace, params)
            requests.track(workspace)
            print(f"{acknowledge}: {count} withdrawals acknowledged")
            return
        written = recipients.write_messages(to if to.is_absolute() else workspace.root / to, workspace, params)
        for recipient, left, path in written:
            versions = ", ".join(version for version, _ in recipient.versions)
            state = f"{left} to remove: {workspace.relative(path)}" if path else "all removed"
            print(f"{recipient.name}  {versions}  {state}")
        if not written:
            print(f"No recipients: {workspace.relative(workspace.recipients)} names none")
