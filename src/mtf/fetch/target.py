"""Target of a fetch on an object store, such as `s3://BUCKET/FOLDER`: each shard goes there once it is whole.

A machine's own folder holds the shards in work alone. The stats of a shard go last, so that a shard which has them at
the target is whole there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from mtf.core import object_stores
from mtf.core.errors import BadInput
from mtf.fetch.options import shard_name

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_OPTION = "--to"


@dataclass(frozen=True)
class Target:
    """Folder at `address`. Methods raise MtfError, which names the address."""

    address: str

    @property
    def _place(self) -> tuple[AbstractFileSystem, str]:
        """File system, which fsspec keeps, and the path in it."""
        files, base = object_stores.opened(self.address, option=_OPTION)
        if "file" in files.protocol:
            raise BadInput(f"{_OPTION}: {self.address}: name a folder of this machine by its path")
        return files, base

    def _key(self, path: str) -> str:
        return f"{self._place[1]}/{path}"

    def pull(self, folder: Path, plan: str) -> None:
        """Get what says how far the target is: the file `plan`, and the stats of whole shards."""
        files, base = self._place
        with object_stores.NamedErrors(_OPTION, self.address):
            found = [str(path) for path in files.glob(self._key("*_stats.json"))]
            if files.exists(self._key(plan)):
                found.append(self._key(plan))
            for path in found:
                local = folder / path.removeprefix(f"{base}/")
                local.parent.mkdir(parents=True, exist_ok=True)
            files.get(found, [str(folder / path.removeprefix(f"{base}/")) for path in found])

    def put(self, folder: Path, path: str) -> None:
        """Copy the file `path` of `folder` to the same path here."""
        files, _ = self._place
        with object_stores.NamedErrors(_OPTION, self.address):
            files.put_file(str(folder / path), self._key(path))

    def move_shard(self, folder: Path, number: int) -> None:
        """Move the files of a whole shard here."""
        files, _ = self._place
        name = shard_name(number)
        stats = f"{name}_stats.json"
        members = folder / name  # of the format files
        local = [*folder.glob(f"{name}.*"), *(members.iterdir() if members.is_dir() else ())]
        with object_stores.NamedErrors(_OPTION, self.address):
            if members.is_dir() and files.exists(self._key(name)):
                files.rm(self._key(name), recursive=True)  # of a run that was killed before it put the stats
            files.put([str(path) for path in local], [self._key(str(path.relative_to(folder))) for path in local])
        self.put(folder, stats)
        for path in (*local, folder / stats):
            path.unlink()
        if members.is_dir():
            members.rmdir()

    def table(self, path: str) -> pa.Table:
        """Table in the Arrow IPC file `path`."""
        files, _ = self._place
        with (
            object_stores.NamedErrors(_OPTION, self.address),
            pa.ipc.open_file(files.cat_file(self._key(path))) as file,
        ):
            return file.read_all()

    def remove(self, path: str) -> None:
        """Remove a folder, if it is there."""
        files, _ = self._place
        with object_stores.NamedErrors(_OPTION, self.address):
            if files.exists(self._key(path)):
                files.rm(self._key(path), recursive=True)
