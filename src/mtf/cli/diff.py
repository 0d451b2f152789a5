"""`mtf diff`: differences between two versions, as lines, JSON, an HTML page or a data set of FiftyOne.

The lines and the JSON are counts (`release.revision_diff`); page and data set show each face (`report.version_diff`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtf.core.counts import number
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.release.changes import Changes

SHOWN = 20
"""Lines below each title."""


def add_to(app: typer.Typer) -> None:
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
        from mtf.release import revision_diff

        workspace = ProjectPaths.find()
        if html is not None or fiftyone is not None:
            if as_json:
                raise BadInput("--json: not with --html or --fiftyone, which write files")
            _write_differences(workspace, old, new, html=html, fiftyone=fiftyone)
            return
        found = revision_diff.run(workspace, config.load(workspace.params), old, new)
        if as_json:
            print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
            return
        for line in lines(found):
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
        many, size_mb = number(found.changes.height, "change"), html.stat().st_size / 1e6
        print(f"diff: {html}, {many}, {size_mb:.1f} MB; open it in a browser")
    if fiftyone is not None:
        count = version_diff.write_fiftyone(found, fiftyone)
        kind = "fiftyone.types.LegacyFiftyOneDataset"
        print(
            f"diff: {fiftyone}, {count:,} pictures; `fiftyone app view --dataset-dir {fiftyone} --type {kind}` shows it"
        )


def lines(found: Changes) -> Iterator[str]:
    """Differences as lines for the terminal; a title without entries is left out."""
    sections = [section for section in _sections(found) if section[1]]
    yield from (f"not known: {each}" for each in found.unknown)
    if not sections:
        yield "no difference" if not found.unknown else "no difference in the parts that could be read"
    for title, total, entries in sections:
        yield f"{title}: {total:,}"
        yield from (f"  {entry}" for entry in entries[:SHOWN])
        if len(entries) > SHOWN:
            yield f"  … and {len(entries) - SHOWN} more"


def _sections(found: Changes) -> Iterator[tuple[str, int, list[str]]]:
    """Title, total and entries of each kind of difference."""
    people = {"identities added": found.identities_added, "identities removed": found.identities_removed}
    for title, reasons in people.items():
        yield title, len(reasons), [f"{name}: {why}" for name, why in reasons.items()]
    yield "identities taken down", found.taken_down, []
    decisions = zip(("added", "removed"), found.decisions or (0, 0), strict=True)
    counted = {
        "faces added": found.added,
        "faces removed": found.removed,
        "faces in another split": found.moved,
        "labels that differ": found.relabelled,
        "decisions": [(what, count) for what, count in decisions if count],
    }
    for title, counts in counted.items():
        yield title, sum(count for _, count in counts), [f"{count:,} {name}" for name, count in counts]
