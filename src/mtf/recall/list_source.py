"""Source of a withdrawal list: a file or an address, checked by its signature and against the list that came along."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from mtf.recall.picture_bytes import one_line
from mtf.recall.signatures import BadSignature, verify
from mtf.recall.withdrawal_list import (
    ADDRESS_NAME,
    KEY_NAME,
    LIST_NAME,
    MAX_LIST_BYTES,
    SIGNATURE_NAME,
    BadList,
    WithdrawalList,
    parse,
)

TIMEOUT_S = 30
MAX_SIGNATURE_BYTES = 1 << 16


class LoadedList(NamedTuple):
    """Withdrawal list with its origin.

    source: path or address.
    data: its text.
    withdrawals: its content.
    is_signed: true if its signature fits the key.
    notes: what the reader of the result should know.
    """

    source: str
    data: bytes
    withdrawals: WithdrawalList
    is_signed: bool
    notes: tuple[str, ...]


def load_list(named: str | None, key: Path | None, folder: Path) -> LoadedList:
    """Load a withdrawal list. Raises BadList, or BadSignature if a key is known and the list is not signed by it.

    named: path or http(s) address; None takes the address in `folder` (ADDRESS_NAME), else the list there.
    key: public key; None takes the one in `folder`, and without one the list is taken as it is.
    folder: folder with the list that came with a release, with its key and the address of the newest list.
    """
    beside = folder / LIST_NAME
    earlier = _read(str(beside), MAX_LIST_BYTES) if beside.is_file() else None
    if named is None:
        if earlier is None:
            raise BadList(f"{beside}: no such file; name a list by --list, a file or an address")
        named = _published_at(folder) or str(beside)
    data = _read(named, MAX_LIST_BYTES)
    withdrawals = parse(data, named)
    notes: list[str] = []
    key_file = key or folder / KEY_NAME
    is_signed = key is not None or key_file.is_file()
    if is_signed:
        verify(data, _read(f"{named}.sig", MAX_SIGNATURE_BYTES), _read(str(key_file), MAX_SIGNATURE_BYTES))
    else:
        notes.append(f"no key is known ({KEY_NAME} beside the list, or --key), so anybody may have written this list")
    if earlier is not None and parse(earlier, str(beside)).salt == withdrawals.salt and not data.startswith(earlier):
        if not earlier.startswith(data):
            raise BadList(f"{named}: not a continuation of {beside}: lines are only ever added to a list")
        raise BadList(f"{named}: older than {beside}; take that one by --list {beside}")
    return LoadedList(named, data, withdrawals, is_signed, tuple(notes))


def _published_at(folder: Path) -> str | None:
    """Address of the newest list, as the release states it."""
    path = folder / ADDRESS_NAME
    if not path.is_file():
        return None
    address = _read(str(path), MAX_SIGNATURE_BYTES).decode("utf-8", "replace").strip()
    if not address.startswith(("http://", "https://")):
        raise BadList(f"{path}: an http(s) address is permitted; name a list by --list")
    return address


def _read(source: str, max_bytes: int) -> bytes:
    """Content of a file or an address. Raises BadList; for a missing signature, BadSignature."""
    try:
        if source.startswith(("http://", "https://")):
            with urllib.request.urlopen(source, timeout=TIMEOUT_S) as answer:  # noqa: S310 (http and https only)
                data = answer.read(max_bytes + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(max_bytes + 1)
    except (OSError, urllib.error.URLError, ValueError) as error:
        if source.endswith((SIGNATURE_NAME, ".sig")):
            raise BadSignature(f"{source}: {one_line(error)}; a key is known, so the list must be signed") from None
        raise BadList(f"{source}: {one_line(error)}") from None
    if len(data) > max_bytes:
        raise BadList(f"{source}: larger than {max_bytes} bytes, the largest permitted size")
    return data
