"""Kinds of erasure: an object becomes a tombstone, or a tar becomes itself without some members.

In both, the new bytes lie under the object's old name, which old versions name. DVC does not hash a read-only file of
its cache again, so they check out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mtf.core.atomic_files import replacing
from mtf.core.errors import BadInput
from mtf.forget import tar_members
from mtf.forget.object_store import ObjectIndex, ObjectStore, StoreNotFound


class NotErasable(StoreNotFound):
    """Error: a store cannot hold what this kind of erasure leaves."""


class ErasureKind(Protocol):
    """Kind of erasure of an object (md5) in a store."""

    def holds(self, store: ObjectStore, oid: str) -> bool:
        """True if the store has the object, and something in it is to be erased."""
        ...

    def is_done(self, store: ObjectStore, oid: str) -> bool:
        """True if the store has, under the object's name, what an erasure leaves."""
        ...

    def erase(self, store: ObjectStore, oid: str, index: ObjectIndex) -> None:
        """Erase the object in the store."""
        ...


class WholeObjects:
    """Erasure of whole objects: a tombstone takes their place."""

    def holds(self, store: ObjectStore, oid: str) -> bool:
        return store.has_original(oid)

    def is_done(self, store: ObjectStore, oid: str) -> bool:
        return store.has_tombstone(oid)

    def erase(self, store: ObjectStore, oid: str, index: ObjectIndex) -> None:  # noqa: ARG002 (as ErasureKind)
        store.write_tombstone(oid)


@dataclass(frozen=True)
class TarMembers:
    """Erasure of the members `names` of tars; their other members stay byte-identical."""

    names: frozenset[str]

    def holds(self, store: ObjectStore, oid: str) -> bool:
        return store.has_original(oid) and bool(self._ranges(store, oid))

    def is_done(self, store: ObjectStore, oid: str) -> bool:
        return store.has_tombstone(oid) or (store.has_original(oid) and not self._ranges(store, oid))

    def erase(self, store: ObjectStore, oid: str, index: ObjectIndex) -> None:
        """Write the tar without its members; a store without the object gets it from another one."""
        if store.is_version_aware:
            raise NotErasable("version_aware: the tar cannot be rewritten there; forget the whole file")
        source = store if store.has_original(oid) else next((s for s in index.stores if _has(s, oid)), None)
        if source is None:
            return
        with tempfile.TemporaryFile(prefix="dvc-forget-") as rewritten:
            with source.open(oid) as file:
                for piece in tar_members.without(file, tar_members.ranges(file, self.names, oid)):
                    rewritten.write(piece)
            rewritten.seek(0)
            store.replace(oid, rewritten)

    def rewrite(self, path: Path) -> None:
        """Rewrite a tar of the repository's folder. A link into DVC's cache is replaced, not written through."""
        with path.open("rb") as file, replacing(path) as beside, beside.open("wb") as rewritten:
            for piece in tar_members.without(file, tar_members.ranges(file, self.names, str(path))):
                rewritten.write(piece)

    def _ranges(self, store: ObjectStore, oid: str) -> Collection[tar_members.MemberRange]:
        with store.open(oid) as file:
            return tar_members.ranges(file, self.names, oid)


def _has(store: ObjectStore, oid: str) -> bool:
    try:
        return store.odb is not None and store.has_original(oid)
    except (OSError, BadInput):
        return False


WHOLE_OBJECTS = WholeObjects()
