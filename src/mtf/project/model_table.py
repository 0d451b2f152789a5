"""Table of model files behind `mtf models`: what each is, where it lies, and whether it is the right one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtf import config
from mtf.core import downloads
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.faces import model_files
from mtf.faces.detectors import DETECTORS
from mtf.faces.embeddings import EMBEDDINGS
from mtf.faces.model_files import MODEL_FILES, ModelFile
from mtf.training import weights_in_use

MISSING, GOOD, WRONG = "missing", "there", "another file"


@dataclass(frozen=True)
class Located:
    """A model file and its state: there, missing, or another file in its place.

    path: of the file; where it is missing, the path that `mtf models fetch` puts it at.
    """

    entry: ModelFile
    state: str
    path: Path


def entries() -> list[ModelFile]:
    """All registered model files by name, with those of other packages.

    A package that cannot be imported is named on standard error.
    """
    for registry in (DETECTORS, EMBEDDINGS):
        for name in registry.names():
            try:
                registry.get(name)
            except BadInput as error:
                print(f"models: left out: {error}", file=sys.stderr)
    return [MODEL_FILES[name] for name in sorted(MODEL_FILES)]


def located(entry: ModelFile, *, root: Path) -> Located:
    """State of one file, by its digest."""
    put = entry.place(root)
    packaged = entry.package.found() if entry.package else None
    present = [path for path in (packaged, put) if path is not None and path.is_file()]
    good = next((path for path in present if entry.is_copy(path)), None)
    if good is not None:
        return Located(entry, GOOD, good)
    return Located(entry, WRONG if present else MISSING, present[0] if present else put)


def fetch(workspace: ProjectPaths, name: str, *, url: str | None, progress: downloads.Progress | None) -> Located:
    """Fetch a file to its place, unless it is there. `url` replaces its address; the digest stays.

    Raises BadInput for an unknown name, a file without an address, and an address that does not give it.
    """
    entries()
    entry = model_files.named(name)
    found = located(entry, root=workspace.root)
    if found.state == GOOD:
        return found
    address = url or entry.url
    put = entry.place(workspace.root)
    if address is None:
        raise BadInput(f"{name}: no address is known for it; put {entry.file} at {put}")
    try:
        downloads.fetch(address, put, sha256=entry.sha256, max_bytes=entry.max_bytes, progress=progress)
    except BadInput as error:
        how = f", or {entry.package.install}" if entry.package else ""
        raise BadInput(f"{name}: {error}; or put {entry.file} at {put} by hand{how}") from None
    return Located(entry, GOOD, put)


def checked(workspace: ProjectPaths) -> Iterator[Located]:
    """States of the files that are there, and of those that params.yaml asks for.

    Files of your own, which are in no table, are named too.
    """
    known = entries()
    wanted = weights_in_use.of_project(config.load(workspace.params), root=workspace.root)
    for entry in dict.fromkeys([*wanted, *known]):
        if entry.name not in MODEL_FILES:
            state = GOOD if entry.sha256 else MISSING
            yield Located(entry, state, workspace.root / entry.file)
            continue
        found = located(entry, root=workspace.root)
        if entry in wanted or found.state != MISSING:
            yield found


def as_row(found: Located, *, relative: Callable[[Path], str]) -> dict[str, Any]:
    """A file and its state as JSON values."""
    entry = found.entry
    return {
        "name": entry.name,
        "used_for": entry.used_for,
        "state": found.state,
        "path": relative(found.path),
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "license": entry.license,
        "trained_on": entry.trained_on,
        "data_license": entry.data_license,
        "people": str(entry.agreed),
        "package": entry.package.requirement if entry.package else None,
        "url": entry.url,
    }
