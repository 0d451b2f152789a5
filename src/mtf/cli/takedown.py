"""`mtf takedown`: requests to remove a person or a picture, and their erasure from every version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.core.counts import number
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths

SHOWN = 6

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mtf.takedown.erasure_plan import ErasurePlan
    from mtf.takedown.request_states import RequestState
    from mtf.takedown.requests import Meaning, Resolved


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Take down people and pictures, and erase them from every version.", no_args_is_help=True)
    app.add_typer(group, name="takedown")

    @group.command()
    def add(
        value: Annotated[str, typer.Argument(help="Identity, address of a page or picture, image_id, or file.")],
        reason: Annotated[str, typer.Option(help="Reason in a few words.")],
        requested_by: Annotated[str, typer.Option(help="Person who asks for it.")],
        reference: Annotated[str, typer.Option(help="Reference to the request, such as a letter or a ticket.")] = "",
    ) -> None:
        """Record a request; the next `dvc repro` leaves the matching pictures out everywhere."""
        from mtf import config
        from mtf.takedown import requests, withdrawn_files

        workspace = ProjectPaths.find()
        params = config.load(workspace.params)
        request = requests.Request(value, reason, requested_by, reference)
        resolved = requests.resolve(request, workspace, params, progress=_progress())
        new = requests.append(workspace.takedowns, resolved.records)
        first = resolved.records[0]
        print(f"{first.kind} {first.value}{'' if first in new else ' (recorded already)'}")
        if beside := len(new) - (first in new):
            print(f"with it {number(beside, 'row')}: image_ids and perceptual hashes of its pictures")
        print(*_matched(resolved), sep="\n")
        if count := withdrawn_files.record(resolved.images, workspace, params, resolved.history):
            print(withdrawn_files.next_steps(count, workspace))
        requests.track(workspace)
        print("Next: `dvc repro`, `git add data.dvc dvc.lock metrics && git commit`, then `mtf takedown erase`")

    @group.command("list")
    def list_requests(
        every_row: Annotated[
            bool, typer.Option("--all", help=f"Show the rows of {PATHS_IN_PROJECT.takedowns} behind them.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the requests and their rows as JSON.")] = False,
    ) -> None:
        """List the requests, one line each: date, who asks for what, reference, and state."""
        _list(every_row=every_row, as_json=as_json)

    @group.command()
    def erase(
        signed_by: Annotated[str, typer.Option(help="Person who signs the receipt.")],
        dry_run: Annotated[bool, typer.Option(help="Show what would be erased, without changing anything.")] = False,
    ) -> None:
        """Erase what the requests name from cache, remotes and history; write a receipt."""
        from mtf.takedown import execution, receipt, requests

        workspace = ProjectPaths.find()
        if dry_run:
            _show(execution.plan(workspace, signed_by=signed_by, progress=_progress()))
            return
        written = execution.erase(workspace, signed_by=signed_by, progress=_progress())
        if not written:
            print("Nothing to erase: no version has what the requests name, and no earlier erasure is unfinished")
            return
        requests.track(workspace)
        for one in written:
            objects = len({each["oid"] for each in one["objects"]})
            print(f"{number(objects, 'object')}, {'finished' if one['finished_at'] else 'not finished'}")
            for line in [*receipt.outstanding(one), *one["by_hand"]]:
                print(f"  owed: {line}")
        print(f"Receipts: {workspace.relative(receipt.folder(workspace.data))}; next: {_next(written)}")
        if any(not one["finished_at"] for one in written):
            print("The erasure is not finished: run this again when all storage can be reached")
            raise typer.Exit(1)


def _list(*, every_row: bool, as_json: bool) -> None:
    from mtf.schemas import takedown_file
    from mtf.takedown import request_states, requests

    workspace = ProjectPaths.find()
    takedowns = takedown_file.load(workspace.takedowns)
    counts = requests.match_counts(takedowns, workspace)
    states = request_states.of_requests(takedowns, counts, workspace)
    if as_json:
        print(json.dumps([_as_json(each, counts) for each in states], indent=2, ensure_ascii=False))
        return
    for each in states:
        print(each.line)
        for record in each.records if every_row else ():
            count = counts[record.kind, record.value]
            left = "? pictures" if count is None else number(count, "picture")
            print(f"    {record.kind:<{request_states.KIND_CHARS}}  {left:>13} left  {record.value}")
    print(f"{number(len(states), 'request')}, {number(len(takedowns.records), 'row')}")
    if None in counts.values():
        print("?: the crawl computes the perceptual hashes; run `dvc repro` first")


def _as_json(request: RequestState, counts: dict[Meaning, int | None]) -> dict[str, Any]:
    """One request; `pictures_left` is null while the crawl has not computed all perceptual hashes."""
    first = request.records[0]
    return {
        "added_at": first.added_at,
        "requested_by": first.requested_by,
        "reason": first.reason,
        "reference": first.reference,
        "state": request.state,
        "rows": [
            {"kind": each.kind, "value": each.value, "pictures_left": counts[each.kind, each.value]}
            for each in request.records
        ],
    }


def _progress() -> Callable[[int, int], object]:
    """Progress through the versions, on standard error: each second on a terminal, otherwise once."""
    import sys
    import time

    is_shown, due = sys.stderr.isatty(), [0.0]

    def report(number: int, total: int) -> None:
        if is_shown and (time.monotonic() >= due[0] or number == total):
            due[0] = time.monotonic() + 1
            print(
                f"\rlooking through {number} of {total} versions", end="\n" if number == total else "", file=sys.stderr
            )
        elif not is_shown and number == 1:
            print(f"looking through {total} versions", file=sys.stderr)

    return report


def _matched(resolved: Resolved) -> Iterator[str]:
    """Number of pictures that a request names, so that a typing error is noticed; and versions not searched."""
    from mtf.core.errors import listed

    if resolved.pictures:
        matched = number(resolved.pictures, "picture matches", "pictures match")
        yield f"{matched}, in all versions that are on this machine"
    elif resolved.is_file:
        yield (
            "WARNING: no picture here matches this file: it is not a crawled picture of the current version, nor a "
            "crop of any. It is kept out from now on; name the person or an address to take more down"
        )
    else:
        yield (
            "WARNING: no picture here matches; if one should, check the spelling "
            "(`dvc fetch --all-commits` brings more)"
        )
    if resolved.unreadable_versions:
        unreadable = listed(resolved.unreadable_versions, 2)
        yield f"WARNING: versions that could not be read were not looked through: {unreadable}"


def _show(planned: ErasurePlan) -> None:
    from mtf.core.errors import listed
    from mtf.takedown import receipt

    if planned.current:
        print(f"The current version still holds pictures to erase: {planned.first}")
        print(f"  {listed(planned.current, SHOWN)}\n")
    print(receipt.as_markdown({**planned.receipt, "sha256": "(not written)"}))


def _next(written: list[dict[str, Any]]) -> str:
    """Next commands: if pictures in data/ were removed, the stages that read them run first."""
    if any(one["originals"] for one in written):
        return "`dvc repro`, `git add data.dvc dvc.lock metrics && git commit`, `dvc push`"
    return "`git add data.dvc && git commit`, `dvc push`"
