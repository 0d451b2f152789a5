"""Removal of members from a tar: all other bytes are copied as they are, so the other members stay byte-identical."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

from mtf.core.errors import BadInput

_PIECE = 2**20


class MemberRange(NamedTuple):
    """Bytes of a member in its tar, headers and padding included: from `start` to before `end`."""

    name: str
    start: int
    end: int


def ranges(file: BinaryIO, names: Collection[str], where: str) -> list[MemberRange]:
    """Bytes of the members with these names, in the order of the tar; empty if it has none of them.

    A folder's name stands for what is in it. Raises BadInput for a file that is no uncompressed tar, and for a member
    that another one is a hard link to.
    """
    wanted = {name.rstrip("/") for name in names}
    found, links = [], []
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            members = list(tar)
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{where}: no uncompressed tar, so no member can be removed from it ({error})") from None
    for member in members:
        if _is_in(member.name, wanted):
            size = member.size if member.isreg() else 0
            end = member.offset_data + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            found.append(MemberRange(member.name, member.offset, end))
        elif member.islnk() and _is_in(member.linkname, wanted):
            links.append(f"{member.name} is a hard link to {member.linkname}")
    if links:
        raise BadInput(f"{where}: {links[0]}; name both")
    return found


def without(file: BinaryIO, removed: list[MemberRange]) -> Iterator[bytes]:
    """Bytes of a tar without some of its members, in pieces."""
    place = 0
    for each in removed:
        yield from _piece_by_piece(file, place, each.start)
        place = each.end
    yield from _piece_by_piece(file, place, None)


def _piece_by_piece(file: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    file.seek(start)
    left = end - start if end is not None else _PIECE
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        yield piece
        left = left - len(piece) if end is not None else _PIECE


def _is_in(name: str, wanted: Collection[str]) -> bool:
    parts = name.removeprefix("./").rstrip("/").split("/")
    return any("/".join(parts[:count]) in wanted for count in range(1, len(parts) + 1))
