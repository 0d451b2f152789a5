"""`mtf new` and `mtf doctor`: a new project, and a check of the machine and the project."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths

MARKS = {"good": "ok", "lacking": "--", "wrong": "NO"}

Remote = Annotated[
    str | None,
    typer.Option(
        help="Where DVC stores the data: a folder, s3://, ssh://, gs:// or azure://. Default: asked for at a terminal, "
        "else the folder DIR-storage beside the project."
    ),
]
Permit = Annotated[bool, typer.Option("--permit", help="Add the license of the pictures to licenses.permitted.")]
ReleaseLicense = Annotated[str | None, typer.Option(help="License of your releases. Default: CC-BY-SA-4.0.")]


def add_to(app: typer.Typer) -> None:
    @app.command()
    def new(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the project.")],
        sample: Annotated[
            bool, typer.Option("--sample", help="Begin with the sample of drawn people, to see every step.")
        ] = False,
        contact: Annotated[
            str | None, typer.Option(help="mailto: or https: address, sent with every request of the crawl.")
        ] = None,
        name: Annotated[
            str | None, typer.Option(help="Short name of the data set: a-z, 0-9, - and _. Default: that of DIR.")
        ] = None,
        title: Annotated[str | None, typer.Option(help="Title for cards and reports.")] = None,
        roster: Annotated[Path | None, typer.Option(help="CSV file with at least the column name.")] = None,
        pictures: Annotated[
            Path | None, typer.Option(help="Folder or tar of pictures, named in the roster's column files.")
        ] = None,
        copy: Annotated[
            bool,
            typer.Option("--copy/--no-copy", help="Copy --pictures into data/, or use them where they are."),
        ] = True,
        license: Annotated[
            str | None, typer.Option(help="License that the owner states for all of --pictures.")
        ] = None,
        creator: Annotated[str | None, typer.Option(help="Creator of --pictures, for the credits.")] = None,
        permit: Permit = False,
        release_license: ReleaseLicense = None,
        remote: Remote = None,
        like_the_paper: Annotated[
            bool,
            typer.Option(help="Choose as MTF does: Haar cascade, its five networks at 224 pixels, its recipe."),
        ] = False,
    ) -> None:
        """Make a project of your own: parameters, pipeline, roster, git and DVC."""
        from mtf.project import new, own_roster
        from mtf.project.own_pictures import OwnPictures

        if sample:
            given = (contact, name, title, roster, pictures, license, creator, release_license)
            if any(value is not None for value in given) or permit or like_the_paper:
                raise BadInput("--sample: takes no other option than --remote; its people and parameters are fixed")
            from mtf.cli.sample import build_data

            print(f"{folder}: draws the sample's people and their web, which takes a minute or two", flush=True)
            steps = new.create_sample(folder, build_data, remote=asked_remote(remote, folder))
            show_next(folder, steps)
            return
        people = own_roster.EMPTY if roster is None else own_roster.read(roster)
        own = None
        if pictures is not None:
            if license is None:
                raise BadInput("--license: missing; name the license that the owner states for all of --pictures")
            if not pictures.exists():
                raise BadInput(f"--pictures: {pictures}: no such folder or tar")
            own = OwnPictures(pictures, license, creator, copied=copy)
        elif license is not None or creator is not None:
            raise BadInput("--license, --creator: are those of --pictures, which is missing")
        project = new.NewProject(
            name=name or default_name(folder),
            contact=required_contact(contact),
            title=title,
            roster=people,
            pictures=own,
            like_the_paper=like_the_paper,
            permit=permit,
            release_license=release_license,
        )
        unread = own_roster.unread_columns(people.header, (task["column"] for task in people.tasks().values()))
        if unread:
            print(f"{people.file}: {unread}")
        show_next(folder, new.create(folder, project, remote=asked_remote(remote, folder)))

    @app.command()
    def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
        """Check this machine and this project, and advise what to fix."""
        from mtf.project.doctor import examine

        findings = examine(ProjectPaths.find())
        if as_json:
            print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
        else:
            for finding in findings:
                print(f"{MARKS[finding.state]}  {finding.what:<24} {finding.detail}")
        if any(finding.state == "wrong" for finding in findings):
            raise typer.Exit(1)


def default_name(folder: Path) -> str:
    """Short name of a data set from its folder: `My faces` becomes `my-faces`."""
    words = re.sub(r"[^a-z0-9_]+", "-", folder.resolve().name.lower()).strip("-_")
    if not words:
        raise BadInput("--name: missing; it has a-z, 0-9, - and _, and DIR has none of them")
    return words[:60].strip("-_")


def required_contact(contact: str | None) -> str:
    """Contact of the crawl. Raises BadInput if it is missing."""
    if contact is None:
        raise BadInput(
            "--contact: missing; name a mailto: or https: address of yours, which is sent with every request of the "
            "crawl (--sample needs none)"
        )
    return contact


def asked_remote(remote: str | None, folder: Path) -> str | None:
    """Address of the remote: that of the option, else asked for at a terminal; None for the folder beside."""
    if remote is not None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return remote
    beside = f"{folder}-storage"
    answer = typer.prompt("Where does DVC store the data (a folder, s3://…, ssh://…)", default=beside)
    return None if answer == beside else answer


def show_next(folder: Path, steps: list[str]) -> None:
    """Print that the project is there, and the next steps."""
    print(f"{folder}: your project, with its first commit. Next:")
    for number, step in enumerate(steps, 1):
        print(f"  {number}. {step}")
