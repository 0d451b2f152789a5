"""`mtf evidence export | verify | erase`: what the pictures' sources said, as files that others can read and verify."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.core.counts import number
from mtf.core.errors import BadInput, bad_value
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.rights.web_archive.verification import Verified

FAULTY = 1
SHOWN_FAULTS = 1000

app = typer.Typer(
    help="Export the evidence as WARC and WACZ, verify it, and erase single records from it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="evidence")


@app.command()
def export(
    identities: Annotated[list[str] | None, typer.Argument(help="Identities. Default: all that were crawled.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder. Default: build/evidence.")] = None,
    format_: Annotated[list[str] | None, typer.Option("--format", help="wacz or warc; may be repeated.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with an ECDSA key (P-384) that signs.")] = None,
    pictures: Annotated[bool | None, typer.Option("--pictures/--no-pictures", help="With the pictures' bytes.")] = None,
) -> None:
    """Write one file per identity with what its pictures' sources said. Options replace those of params.yaml."""
    from mtf import config
    from mtf.crawl import evidence_export

    workspace = ProjectPaths.find()
    params = config.load(workspace.params)
    if unknown := [name for name in format_ or () if name not in evidence_export.SUFFIXES]:
        raise bad_value("--format", unknown[0], ", ".join(evidence_export.SUFFIXES))
    given = {
        "formats": format_ or None,
        "key": None if key is None else str(key.resolve()),
        "pictures": pictures,
    }
    wanted = params.evidence.model_copy(update={name: value for name, value in given.items() if value is not None})
    if wanted.key is not None:
        _refuse_key_in_git(workspace.root / wanted.key)
    results, removed = evidence_export.export(
        workspace, params.model_copy(update={"evidence": wanted}), folder=to, identities=identities or ()
    )
    counts = {state: sum(result.state == state for result in results) for state in ("written", "unchanged", "failed")}
    where = to or workspace.relative(workspace.evidence)
    print(f"{where}: {', '.join(f'{count} {state}' for state, count in counts.items() if count) or 'nothing'}")
    for name in removed:
        print(f"  {name} removed: its person is no longer crawled")
    failed = [result for result in results if result.state == "failed"]
    for result in failed:
        print(f"  {result.identity}: {result.detail}")
    if failed:
        raise BadInput(f"evidence: {len(failed)} of {len(results)} files were not written; the others are complete")


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="File *.wacz or *.warc.gz, or a folder of them.")],
    public_key: Annotated[Path | None, typer.Option(help="PEM file with the key that must have signed.")] = None,
    certificates: Annotated[
        Path | None, typer.Option(help="PEM file with the root certificate of the timestamp authority.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing; the exit code tells the result.")] = False,
) -> None:
    """Verify every byte of exported evidence: one line per fault. Exit code 0: it holds, 1: it does not, 2: could not
    run.
    """
    from mtf.rights.web_archive import signature, timestamp, verification

    trust = verification.Trust(
        None if public_key is None else signature.load_public_key(public_key),
        () if certificates is None else timestamp.load_certificates(certificates),
    )
    results = verification.verify(path, trust)
    faults = [fault for result in results for fault in result.faults]
    if not quiet:
        for result in results:
            print(*_shown(result.faults or [_line(result)]), sep="\n")
        records, erased = (sum(getattr(result, name) for result in results) for name in ("records", "erased"))
        said = number(len(faults), "fault") if faults else "all hold"
        print(f"{number(len(results), 'file')}, {number(records, 'record')}, {erased:,} erased: {said}")
    if faults:
        raise typer.Exit(FAULTY)


@app.command()
def erase(
    path: Annotated[Path, typer.Argument(help="File *.wacz or *.warc.gz.")],
    pictures: Annotated[list[str], typer.Argument(help="image_ids, or addresses of pictures or pages.")],
) -> None:
    """Erase the records on pictures from one file, for example a copy that was handed on. The rest still verifies.

    Files in build/evidence need no such call: `mtf takedown erase` includes them.
    """
    from mtf.rights.web_archive import erasure

    named = erasure.Named(
        image_ids=frozenset(each for each in pictures if "/" not in each and ":" not in each),
        addresses=tuple(each for each in pictures if "/" in each or ":" in each),
    )
    erased = erasure.erase(path, named, day=dt.datetime.now(dt.UTC).date().isoformat())
    print(f"{path.name}: {number(len(erased), 'record')} erased" + ("" if erased else ": none is about these pictures"))


def _line(result: Verified) -> str:
    parts = [f"{result.records:,} records hold"]
    if result.erased:
        parts.append(f"{result.erased:,} erased")
    parts.append("not signed" if result.signed_by is None else f"signed by key {result.signed_by}")
    if result.timestamp is not None:
        whose = "" if result.is_timestamp_trusted else " (authority not checked: --certificates)"
        parts.append(f"timestamp {result.timestamp}{whose}")
    return f"{result.name}: {', '.join(parts)}"


def _shown(lines: list[str]) -> list[str]:
    """Lines for the terminal, without control characters, at most SHOWN_FAULTS of one file."""
    plain = ["".join(c if c.isprintable() else " " for c in line) for line in lines[:SHOWN_FAULTS]]
    return plain + ([f"… and {len(lines) - SHOWN_FAULTS} more"] if len(lines) > SHOWN_FAULTS else [])


def _refuse_key_in_git(key: Path) -> None:
    """Raise BadInput if git tracks the key: whoever has the repository could sign."""
    import subprocess

    command = ["git", "-C", str(key.parent), "ls-files", "--error-unmatch", "--", key.name]
    try:
        is_tracked = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return
    if is_tracked:
        raise BadInput(f"{key.name}: git tracks this private key; make a new one outside the repository")
