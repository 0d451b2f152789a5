"""`mtf review …`: review of faces in FiftyOne or a terminal, and export and import of decisions."""

from __future__ import annotations

import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.project_paths import ProjectPaths

app = typer.Typer(no_args_is_help=True, help="Open the review app, decide, compare and exchange decisions.")

Reviewer = Annotated[str, typer.Option(help="Your name, as you write it.")]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Port of the first reviewer; others get the next ones. 0: any free port. Default: from 5151 on.",
    ),
]
Address = Annotated[str, typer.Option(help="Address to listen on. Default: this machine only.")]
OpensBrowser = Annotated[
    bool,
    typer.Option(
        "--browser/--no-browser",
        help="Open the page in a browser, if there is one reviewer and a display.",
    ),
]


class ExportFormat(StrEnum):
    """Format of an export or import."""

    CSV = "csv"
    COCO = "coco"
    FIFTYONE = "fiftyone"


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="review")


@app.command("open")
def open_(
    reviewer: Annotated[
        list[str], typer.Option(help="Name of a reviewer; may be repeated for several on this machine.")
    ],
    address: Address = "127.0.0.1",
    port: Port = None,
    browser: OpensBrowser = True,
) -> None:
    """Open the review app in FiftyOne, on the faces that each reviewer has yet to judge.

    The first command of a project owns its review app; others join it, and end with it.
    """
    _open(reviewer, joint=False, address=address, port=port, opens_browser=browser)


@app.command()
def adjudicate(
    reviewer: Annotated[str, typer.Option(help="Name of the reviewer who records the joint decisions.")],
    terminal: Annotated[bool, typer.Option(help="Use the terminal, without FiftyOne.")] = False,
    address: Address = "127.0.0.1",
    port: Port = None,
    browser: OpensBrowser = True,
) -> None:
    """Open the joint session on what the panel is split on; its verdicts are marked as joint."""
    if terminal:
        _decide(reviewer, joint=True)
    else:
        _open([reviewer], joint=True, address=address, port=port, opens_browser=browser)


@app.command()
def decide(reviewer: Reviewer) -> None:
    """Review in a terminal, without a browser and without MongoDB."""
    _decide(reviewer, joint=False)


def _open(
    reviewers: list[str],
    *,
    joint: bool,
    address: str,
    port: int | None,
    opens_browser: bool,
    certifies: bool = False,
    looks_last: bool = False,
) -> None:
    from mtf import config
    from mtf.annotation.ledger import check_spelling, checked_reviewer
    from mtf.review_app.processes import supervisor
    from mtf.review_app.processes.closing import LedgerTracking, dataset_name
    from mtf.review_app.review_lock import certification_of

    workspace = ProjectPaths.find()
    project = config.load(workspace.params).project.name
    names = list(dict.fromkeys(checked_reviewer(name, is_person=True) for name in reviewers))
    for name in names:
        check_spelling(workspace.certificate if certifies else workspace.review, name)

    # On all addresses, other machines use this machine's name.
    host_name = socket.gethostname() if address in ("0.0.0.0", "::") else address  # noqa: S104 (compared, not bound)
    host = f"[{host_name}]" if ":" in host_name else host_name

    def shown(name: str) -> str:
        return certification_of(name) if certifies else name

    def is_ready(ports: dict[str, int]) -> None:
        pages = {
            name: f"http://{host}:{own_port}/datasets/{dataset_name(project, shown(name), joint=joint)}"
            for name, own_port in ports.items()
        }
        for name, page in pages.items():
            print(f"  {name}: {page}")
        print("The review app is open. Close it here with Ctrl-C; every confirmed decision is on disk.", flush=True)
        # With several reviewers on one machine it is unclear for whom to open the browser.
        if opens_browser and len(pages) == 1:
            supervisor.open_browser(next(iter(pages.values())))

    folder = workspace.certificate if certifies else workspace.review
    with supervisor.until_interrupted(), LedgerTracking(workspace, names, folder=folder):
        supervisor.keep_open(
            workspace.root,
            names,
            joint=joint,
            certifies=certifies,
            looks_last=looks_last,
            address=address,
            port=port,
            is_ready=is_ready,
            folder=workspace.stage("room"),
        )


def _decide(reviewer: str, *, joint: bool) -> None:
    from mtf import config
    from mtf.annotation.ledger import JOINT_REVIEWER, checked_reviewer
    from mtf.review_app import terminal
    from mtf.review_app.processes.closing import LedgerTracking
    from mtf.review_app.review_lock import lock_review

    workspace = ProjectPaths.find()
    reviewer = checked_reviewer(reviewer, is_person=True)
    # A review app that shows the same review would still ask for the decisions made here.
    lock = lock_review(workspace.stage("room"), JOINT_REVIEWER if joint else reviewer)
    with LedgerTracking(workspace, [reviewer]), lock:
        terminal.run(workspace, config.load(workspace.params), reviewer, joint=joint)


@app.command()
def certify(
    reviewer: Reviewer,
    max_share: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of wrong people that the bound is to reach, such as 0.02.")
    ] = 0.02,
    allow: Annotated[int, typer.Option(min=0, max=100, help="Wrong faces in the sample at which it still does.")] = 1,
    anew: Annotated[
        bool, typer.Option("--anew", help="Draw a new sample, even if one of this data set is open.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say how many looks are needed; ask nothing.")] = False,
    terminal: Annotated[bool, typer.Option(help="Use the terminal, without FiftyOne.")] = False,
    address: Address = "127.0.0.1",
    port: Port = None,
    browser: OpensBrowser = True,
) -> None:
    """Answer blind questions on a random sample of the curated set, for a bound on the share of wrong people."""
    from mtf import config
    from mtf.annotation.ledger import checked_reviewer
    from mtf.review_app import certification

    workspace = ProjectPaths.find()
    params = config.load(workspace.params)
    reviewer = checked_reviewer(reviewer, is_person=True)
    print(certification.planned(workspace, params, max_share=max_share, allowed=allow, anew=anew, writes=not plan))
    if plan:
        return
    if terminal:
        _certify_in_terminal(workspace, reviewer)
    else:
        _open([reviewer], joint=False, certifies=True, address=address, port=port, opens_browser=browser)
    print(certification.result(workspace, params))


def _certify_in_terminal(workspace: ProjectPaths, reviewer: str) -> None:
    from mtf import config
    from mtf.review_app import terminal
    from mtf.review_app.processes.closing import LedgerTracking
    from mtf.review_app.review_lock import certification_of, lock_review

    lock = lock_review(workspace.stage("room"), certification_of(reviewer))
    with LedgerTracking(workspace, [reviewer], folder=workspace.certificate), lock:
        terminal.certify(workspace, config.load(workspace.params), reviewer)


@app.command("last-look")
def last_look(
    reviewer: Reviewer,
    terminal: Annotated[bool, typer.Option(help="Use the terminal and a contact sheet, without FiftyOne.")] = False,
    address: Address = "127.0.0.1",
    port: Port = None,
    browser: OpensBrowser = True,
) -> None:
    """Look over all accepted faces of each person, and say which of them are duplicates."""
    if terminal:
        _last_look_in_terminal(reviewer)
    else:
        _open([reviewer], joint=False, looks_last=True, address=address, port=port, opens_browser=browser)


def _last_look_in_terminal(reviewer: str) -> None:
    from mtf import config
    from mtf.annotation.ledger import checked_reviewer
    from mtf.review_app import last_look_terminal
    from mtf.review_app.processes.closing import LedgerTracking
    from mtf.review_app.review_lock import lock_review

    workspace = ProjectPaths.find()
    reviewer = checked_reviewer(reviewer, is_person=True)
    lock = lock_review(workspace.stage("room"), reviewer)
    with LedgerTracking(workspace, [reviewer]), lock:
        last_look_terminal.run(workspace, config.load(workspace.params), reviewer)


@app.command()
def status(
    reviewer: Annotated[
        str | None, typer.Option(help="Your name in the ledger: your own pace and time left are shown, nobody else's.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show faces done and open per step and reviewer, agreement and conflicts; to the owner also ratings."""
    from mtf import config
    from mtf.review_app import progress

    workspace = ProjectPaths.find()
    found = progress.measure(workspace, config.load(workspace.params))
    shown = progress.as_json if json else progress.as_text
    print(shown(found, reviewer=reviewer))


@app.command("export")
def export(
    to: Annotated[Path, typer.Argument(help="File to write; for coco and fiftyone a folder.")],
    format: Annotated[ExportFormat, typer.Option(help="Format to write.")] = ExportFormat.CSV,
) -> None:
    """Write faces and decisions to a file for another tool."""
    from mtf import config
    from mtf.review_app.exchange import export as decisions_export

    workspace = ProjectPaths.find()
    print(decisions_export.write(workspace, config.load(workspace.params), to, format=format.value))


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="File to read; for coco and fiftyone a folder.")],
    reviewer: Annotated[str | None, typer.Option(help="Reviewer of decisions for which the file names none.")] = None,
    format: Annotated[ExportFormat, typer.Option(help="Format of the file.")] = ExportFormat.CSV,
) -> None:
    """Add decisions from another tool's file to the ledger."""
    from mtf import config
    from mtf.review_app.exchange import import_merge
    from mtf.review_app.processes.closing import LedgerTracking

    workspace = ProjectPaths.find()
    with LedgerTracking(workspace):
        params = config.load(workspace.params)
        print(import_merge.read(workspace, params, source, format=format.value, reviewer=reviewer))
