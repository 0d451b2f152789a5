"""`mtf review …`: people look at faces, and what they decide is kept."""

from __future__ import annotations

import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.project_paths import ProjectPaths

app = typer.Typer(no_args_is_help=True, help="Open the review room, decide, compare and exchange decisions.")

Reviewer = Annotated[str, typer.Option(help="Your name in the ledger: a-z, 0-9, and single - _ . between them.")]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Of the first reviewer; the next have the next. Without it the first free ones from 5151 on; 0: any.",
    ),
]
Address = Annotated[str, typer.Option(help="The address to listen on; loopback unless you say otherwise.")]
OpensBrowser = Annotated[
    bool,
    typer.Option(
        "--browser/--no-browser",
        help="Take one reviewer at a terminal with a display to the page.",
    ),
]


class ExportFormat(StrEnum):
    CSV = "csv"
    COCO = "coco"
    FIFTYONE = "fiftyone"


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="review")


@app.command("open")
def open_(
    reviewer: Annotated[list[str], typer.Option(help="Who reviews; give it once for each who shares this machine.")],
    address: Address = "127.0.0.1",
    port: Port = None,
    browser: OpensBrowser = True,
) -> None:
    """Open the room in FiftyOne, on what each reviewer still has to look at.

    The first command of a project owns its room; others join it, and end with the first.
    """
    _open(reviewer, joint=False, address=address, port=port, shows=browser)


@app.command()
def adjudicate(
    reviewer: Annotated[str, typer.Option(help="Who writes down what the reviewers decide together.")],
    terminal: Annotated[bool, typer.Option(help="In the terminal, without FiftyOne.")] = False,
    address: Address = "127.0.0.1",
    port: Port = None,
    browser: OpensBrowser = True,
) -> None:
    """The joint session: what the panel is split on, and nothing else. Its verdicts are marked as joint."""
    if terminal:
        _decide(reviewer, joint=True)
    else:
        _open([reviewer], joint=True, address=address, port=port, shows=browser)


@app.command()
def decide(reviewer: Reviewer) -> None:
    """Review in a terminal, without a browser and without MongoDB."""
    _decide(reviewer, joint=False)


def _open(reviewers: list[str], *, joint: bool, address: str, port: int | None, shows: bool) -> None:
    from mtf import config
    from mtf.annotation.ledger import checked_reviewer
    from mtf.review_app.processes import supervisor
    from mtf.review_app.processes.closing import Closing, dataset_name

    workspace = ProjectPaths.find()
    project = config.load(workspace.params).project.name
    for name in reviewers:
        checked_reviewer(name, sits=True)
    names = list(dict.fromkeys(reviewers))

    # Where it listens on all addresses, others go to this machine's name.
    shown = socket.gethostname() if address in ("0.0.0.0", "::") else address  # noqa: S104 (compared, not bound)
    host = f"[{shown}]" if ":" in shown else shown

    def is_ready(ports: dict[str, int]) -> None:
        pages = {
            name: f"http://{host}:{own_port}/datasets/{dataset_name(project, name, joint=joint)}"
            for name, own_port in ports.items()
        }
        for name, page in pages.items():
            print(f"  {name}: {page}")
        print("The room is open. Close it here with Ctrl-C; every confirmed decision is on disk.", flush=True)
        # With several people at one machine nobody can tell whose browser this would be.
        if shows and len(pages) == 1:
            supervisor.open_browser(next(iter(pages.values())))

    with supervisor.until_told(), Closing(workspace, names):
        supervisor.keep_open(
            workspace.root,
            names,
            joint=joint,
            address=address,
            port=port,
            is_ready=is_ready,
            folder=workspace.stage("room"),
        )


def _decide(reviewer: str, *, joint: bool) -> None:
    from mtf import config
    from mtf.annotation.ledger import TOGETHER, checked_reviewer
    from mtf.review_app import terminal
    from mtf.review_app.processes.closing import Closing
    from mtf.review_app.review_lock import alone

    workspace = ProjectPaths.find()
    checked_reviewer(reviewer, sits=True)
    # A room that shows the same review would go on asking for what is decided here.
    whose = alone(workspace.stage("room"), TOGETHER if joint else reviewer)
    with Closing(workspace, [reviewer]), whose:
        terminal.run(workspace, config.load(workspace.params), reviewer, joint=joint)


@app.command()
def status(
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Done and open per step and reviewer, agreement, conflicts, pace, and the time that is left."""
    from mtf import config
    from mtf.review_app import progress

    workspace = ProjectPaths.find()
    found = progress.measure(workspace, config.load(workspace.params))
    print(progress.as_json(found) if json else progress.as_text(found))


@app.command("export")
def export(
    to: Annotated[Path, typer.Argument(help="The file to write; for coco and fiftyone, the folder.")],
    format: Annotated[ExportFormat, typer.Option(help="What the other tool reads.")] = ExportFormat.CSV,
) -> None:
    """Write faces and decisions for another tool."""
    from mtf import config
    from mtf.review_app.exchange import export as exchange

    workspace = ProjectPaths.find()
    print(exchange.write(workspace, config.load(workspace.params), to, format=format.value))


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="The file to read; for coco and fiftyone, the folder.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Whose decisions these are, where the file does not say.")
    ] = None,
    format: Annotated[ExportFormat, typer.Option(help="What the other tool wrote.")] = ExportFormat.CSV,
) -> None:
    """Add decisions made in another tool to the ledger, as sittings of their own."""
    from mtf import config
    from mtf.review_app.exchange import export as exchange
    from mtf.review_app.processes.closing import Closing

    workspace = ProjectPaths.find()
    with Closing(workspace):
        print(exchange.read(workspace, config.load(workspace.params), source, format=format.value, reviewer=reviewer))
