"""`mtf takedown`: what people asked to have removed, and its erasure from every version."""

from __future__ import annotations

from typing import Annotated

import typer

from mtf.workspace import Workspace


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Take down a person or a picture, and erase it from every version.", no_args_is_help=True)
    app.add_typer(group, name="takedown")

    @group.command()
    def add(
        value: Annotated[str, typer.Argument(help="An identity, a page or picture address, an image_id, or a file.")],
        reason: Annotated[str, typer.Option(help="Why, in a few words.")],
        requested_by: Annotated[str, typer.Option(help="Who asks.")],
        reference: Annotated[str, typer.Option(help="Where the request is kept: a letter, a ticket.")] = "",
    ) -> None:
        """Record a request; the next `dvc repro` leaves it out everywhere."""
        from mtf import params
        from mtf.erasure import requests

        workspace = Workspace.find()
        request = requests.Request(value, reason, requested_by, reference)
        records = requests.resolve(request, workspace, params.load(workspace.params))
        new = requests.append(workspace.takedowns, records)
        for record in records:
            print(f"{record.kind} {record.value}{'' if record in new else ' (was there already)'}")
        requests.track(workspace)
        print("Next: `dvc repro`, `git add data.dvc dvc.lock metrics && git commit`, then `mtf takedown erase`")

    @group.command("list")
    def list_requests() -> None:
        """Show the requests, and how many pictures of the current version each names."""
        from mtf import takedowns
        from mtf.erasure import requests

        workspace = Workspace.find()
        known = takedowns.load(workspace.takedowns)
        counts = requests.matches(known, workspace)
        for record in known.records:
            left = counts[record.kind, record.value]
            print(f"{record.added_at}  {record.kind:<12}  {left:>4} pictures left  {record.value}  {record.reason}")
        print(f"{len(known.records)} requests")

    @group.command()
    def erase(
        signed_by: Annotated[str, typer.Option(help="Who signs the receipt off.")],
        dry_run: Annotated[bool, typer.Option(help="Show what would be erased, and change nothing.")] = False,
    ) -> None:
        """Erase what the requests name from cache, remotes and history; write a receipt."""
        from mtf.erasure import erase as erasure
        from mtf.erasure import receipt, requests

        workspace = Workspace.find()
        if dry_run:
            print(receipt.as_markdown({**erasure.plan(workspace, signed_by=signed_by), "sha256": "(not written)"}))
            return
        written = erasure.erase(workspace, signed_by=signed_by)
        requests.track(workspace)
        for one in written:
            state = "finished" if one["finished_at"] else f"{receipt.owed(one)} objects owed; run this again"
            print(f"{len(one['objects'])} objects, {state}")
        print(f"Receipts: {workspace.relative(receipt.folder(workspace.data))}; commit data.dvc")
        if any(not one["finished_at"] for one in written):
            raise typer.Exit(1)
