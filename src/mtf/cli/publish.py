"""`mtf validate`, `mtf report`, `mtf diff`: gates, report and comparison of versions."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.cli.stages import run_stage
from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.gates.outcome import GateOutcome
    from mtf.release.changes import Changes

SHOWN = 20


def add_to(app: typer.Typer) -> None:
    @app.command()
    def validate(
        suggest: Annotated[bool, typer.Option("--suggest", help="Print thresholds that the data set meets.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print every expectation as JSON.")] = False,
    ) -> None:
        """Check the data set as a whole against the gates of params.yaml."""
        if as_json and suggest:
            raise BadInput("--json and --suggest exclude each other; choose one")
        if as_json:
            _validate_as_json()
            return
        if not suggest:
            run_stage("validate")
            return
        from mtf import config
        from mtf.pipeline.validate import suggestion

        workspace = ProjectPaths.find()
        print(suggestion(workspace, config.load(workspace.params)), end="")

    @app.command()
    def report() -> None:
        """Write the report on the data set as an HTML page."""
        run_stage("report")

    @app.command()
    def diff(
        old: Annotated[str, typer.Argument(help="Git revision: a tag, a branch or a commit.")],
        new: Annotated[str | None, typer.Argument(help="Another revision. Default: the working tree.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
        html: Annotated[
            Path | None, typer.Option("--html", help="Write each change to this page, with the pictures permitted.")
        ] = None,
        fiftyone: Annotated[
            Path | None, typer.Option("--fiftyone", help="Write them to this new folder, as a data set of FiftyOne.")
        ] = None,
    ) -> None:
        """Show the differences between two versions of the data set, without checking them out."""
        from mtf import config
        from mtf.release import revision_diff as comparison

        workspace = ProjectPaths.find()
        if html is not None or fiftyone is not None:
            if as_json:
                raise BadInput("--json: not with --html or --fiftyone, which write files")
            _write_differences(workspace, old, new, html=html, fiftyone=fiftyone)
            return
        found = comparison.run(workspace, config.load(workspace.params), old, new)
        if as_json:
            print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
            return
        for line in lines_of(found):
            print(line)


def _write_differences(
    workspace: ProjectPaths, old: str, new: str | None, *, html: Path | None, fiftyone: Path | None
) -> None:
    from mtf import config
    from mtf.core import atomic_files
    from mtf.report import version_diff

    params = config.load(workspace.params)
    found = version_diff.compare(workspace, params, old, new)
    if html is not None:
        atomic_files.write_text(html, version_diff.html(found, title=params.project.title))
        print(
            f"diff: {html}, {found.changes.height:,} changes, {html.stat().st_size / 1e6:.1f} MB; open it in a browser"
        )
    if fiftyone is not None:
        count = version_diff.write_fiftyone(found, fiftyone)
        kind = "fiftyone.types.LegacyFiftyOneDataset"
        print(
            f"diff: {fiftyone}, {count:,} pictures; `fiftyone app view --dataset-dir {fiftyone} --type {kind}` shows it"
        )


def _validate_as_json() -> None:
    """Check the gates, and print their outcome as JSON, also if one of them fails."""
    from mtf.gates import outcome

    try:
        with redirect_stdout(io.StringIO()):
            run_stage("validate")
    except GateFailed:
        _print_outcome(outcome.read(ProjectPaths.find()))
        raise
    _print_outcome(outcome.read(ProjectPaths.find()))


def _print_outcome(found: GateOutcome | None) -> None:
    if found is not None:
        content = {"version": 1, "may_be_published": not found.critical, **asdict(found)}
        print(json.dumps(content, indent=2, ensure_ascii=False))


def lines_of(found: Changes) -> Iterator[str]:
    """Differences as lines for the terminal; a title without entries is left out."""
    decisions = zip(("added", "removed"), found.decisions or (0, 0), strict=True)
    people = {"identities added": found.identities_added, "identities removed": found.identities_removed}
    counted = {
        "faces added": found.added,
        "faces removed": found.removed,
        "faces in another split": found.moved,
        "labels that differ": found.relabelled,
        "decisions": [(what, count) for what, count in decisions if count],
    }
    sections = {
        **{
            title: (len(reasons), [f"{name}: {why}" for name, why in reasons.items()])
            for title, reasons in people.items()
        },
        "identities taken down": (found.taken_down, []),
        **{title: (sum(n for _, n in each), [f"{n:,} {name}" for name, n in each]) for title, each in counted.items()},
    }
    yield from (f"not known: {each}" for each in found.unknown)
    if not any(total for total, _ in sections.values()):
        yield "no difference" if not found.unknown else "no difference in the parts that could be read"
    for title, (total, lines) in sections.items():
        if total:
            yield f"{title}: {total:,}"
            yield from (f"  {line}" for line in lines[:SHOWN])
            if len(lines) > SHOWN:
                yield f"  … and {len(lines) - SHOWN} more"
