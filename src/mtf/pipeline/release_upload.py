"""Upload of the built release: no stage, as what other services hold is no output of the pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.gates import outcome
from mtf.pipeline import release
from mtf.release import documents, formats, release_tables
from mtf.release.upload import destination, hub, package, zenodo

# The release as it stands, beside the formats of `release.export`.
FOLDERS = "folders"
# So many files of an upload are named.
_MAX_LISTED = 20


def publish(
    workspace: ProjectPaths,
    params: Params,
    *,
    to: str,
    form: str | None = None,
    token_file: Path | None = None,
    private: bool = False,
    is_dry_run: bool = False,
) -> None:
    """Upload the built release to `hf://OWNER/NAME` or `zenodo://HOST[/RECORD]`, or print what would be sent.

    `form` is a format of `export` or `folders`; Parquet by default, which has each picture once. Raises GateFailed if
    the gates or the audit forbid a release now, and BadInput if the release is not complete.
    """
    place = destination.parsed(to)
    token = destination.token(place.service, token_file)
    outcome.refuse(workspace, params)
    release.audited(workspace, params, release_tables.read_sources(workspace, params))
    root = workspace.stage("release")
    sent = package.read(_form_to_send(workspace, params, root, form or formats.ReleaseFormat.PARQUET))
    if sent.citation["version"] != params.release.version:
        raise BadInput(
            f"{workspace.relative(root)}: is version {sent.citation['version']}, params.yaml says "
            f"{params.release.version}; build the release again (`dvc repro`)"
        )
    for line in _upload_lines(sent, place, has_token=token is not None):
        print(line)
    if is_dry_run:
        print("release: a dry run; nothing was sent")
    elif place.service is destination.Service.HUB:
        print(f"release: uploaded; {hub.upload(sent, place.name, token=token, private=private)}")
    elif token is None:
        variable = destination.TOKEN_VARIABLES[place.service]
        raise BadInput(f"{place.address}: no token; set {variable}, or name a --token-file")
    else:
        says = package.description(root)
        scratch = workspace.stage("upload")
        draft = zenodo.upload(sent, place.name, place.record, token=token, says=says, scratch=scratch)
        print(f"release: uploaded as a draft; look at it and publish it there: {draft}")


def _form_to_send(workspace: ProjectPaths, params: Params, root: Path, form: str) -> Path:
    """Folder of a form of the built release; written again unless it was made from this release."""
    if form == FOLDERS:
        return root
    folder = workspace.stage("upload") / form
    package.read(root)
    made_of, mark = (root / documents.CHECKSUMS).read_bytes(), folder.with_suffix(".made-of")
    if not (mark.is_file() and mark.read_bytes() == made_of):
        shutil.rmtree(folder, ignore_errors=True)
        release.export(workspace, params, form=form, to=folder)
        atomic_files.write_bytes(mark, made_of)
    return folder


def _upload_lines(sent: package.Package, place: destination.Destination, *, has_token: bool) -> Iterator[str]:
    """Lines on what is sent where."""
    yield f"release: {sent.title} → {place.address}: {len(sent.sizes):,} files, {sent.total_bytes / 1e6:,.1f} MB"
    for path, size in list(sent.sizes.items())[:_MAX_LISTED]:
        yield f"  {size:>13,} {path}"
    if len(sent.sizes) > _MAX_LISTED:
        yield f"  … and {len(sent.sizes) - _MAX_LISTED:,} more"
    variable = destination.TOKEN_VARIABLES[place.service]
    yield f"release: token: {'given' if has_token else f'none in {variable}'}"
