"""Command `recall.py PATH`: looks through any copy of a data set for withdrawn pictures, and removes them.

Exit codes: 0 nothing found, 1 withdrawn pictures found (with --apply: and removed), 2 not everything could be looked
at or removed.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtf.recall.copy_removal import Removal, remove, sweep
from mtf.recall.copy_search import Search, Trouble, search
from mtf.recall.list_source import LoadedList, load_list
from mtf.recall.signatures import BadSignature
from mtf.recall.withdrawal_list import BadList

CLEAN, FOUND, NOT_LOOKED = 0, 1, 2
SHOWN = 20
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the file recall.py. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="recall.py",
        description="Look through a copy of a data set for pictures that were withdrawn, and remove them.",
        epilog="Exit codes: 0 nothing found; 1 found (with --apply: and removed); 2 not everything could be looked at.",
    )
    parser.add_argument("path", type=Path, help="folder or file to look through, in any form")
    parser.add_argument("--list", metavar="FILE_OR_URL", help="withdrawal list; default: the newest, by the list here")
    parser.add_argument("--key", type=Path, help="public key of the list; default: withdrawals.pub beside this program")
    parser.add_argument("--apply", action="store_true", help="remove what is found")
    parser.add_argument(
        "--receipt", type=Path, help="file for the receipt; default with --apply: recall-TIME.json here"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; default: one per core")
    given = parser.parse_args(arguments)
    return check(
        given.path, named=given.list, key=given.key, folder=Path(__file__).resolve().parent, apply=given.apply,
        receipt=given.receipt, workers=max(given.workers, 1),
    )  # fmt: skip


def check(
    path: Path, *, named: str | None, key: Path | None, folder: Path, apply: bool, receipt: Path | None, workers: int
) -> int:
    """Check a copy against a withdrawal list, print what is found, write a receipt; returns the exit code.

    named, key, folder: as in `list_source.load_list`.
    apply: true removes what is found.
    receipt: file for it; None writes one only with `apply`, to the current folder.
    """
    started = datetime.datetime.now(datetime.UTC)
    try:
        loaded = load_list(named, key, folder)
    except (BadList, BadSignature) as error:
        print(f"recall: {shown(error)}", file=sys.stderr)
        return NOT_LOOKED
    if not path.exists():
        print(f"recall: {shown(path)}: no such file or folder", file=sys.stderr)
        return NOT_LOOKED
    signed = "signed" if loaded.is_signed else "not signed"
    print(f"list: {shown(loaded.source)}, {len(loaded.withdrawals.withdrawals)} withdrawals, {signed}")
    for note in loaded.notes:
        print(f"note: {note}", file=sys.stderr)
    if apply:
        sweep(path)
    found = search(path, loaded.data, workers=workers, progress=_Progress())
    removal = remove(path, found.findings, found.links) if apply else Removal([], {}, [], [])
    troubles = [*found.troubles, *removal.troubles]
    _print(path, found, removal, troubles)
    if apply or receipt is not None:
        target = receipt or Path(f"recall-{started:%Y%m%dT%H%M%SZ}.json")
        _write_receipt(target, _receipt(path, loaded, found, removal, troubles, started, apply=apply))
        print(f"receipt: {shown(target)}")
    if troubles:
        return NOT_LOOKED
    return FOUND if found.findings else CLEAN


class _Progress:
    """Line on the terminal with the number of files, at most each second."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1
        self._is_shown = sys.stderr.isatty()

    def __call__(self, files: int) -> None:
        if self._is_shown and time.monotonic() >= self._next:
            print(f"\r{files:,} files", end="\r", file=sys.stderr, flush=True)
            self._next = time.monotonic() + 1


def _print(root: Path, found: Search, removal: Removal, troubles: list[Trouble]) -> None:
    for each in found.findings[:SHOWN]:
        where = f"{_relative(each.path, root)}{f': {each.member}' if each.member else ''}"
        print(f"withdrawn: {shown(where)} (by {each.by}, entry {each.entry})")
    if len(found.findings) > SHOWN:
        print(f"withdrawn: … and {len(found.findings) - SHOWN} more")
    for each in troubles[:SHOWN]:
        where = f"{_relative(each.path, root)}{f': {each.member}' if each.member else ''}"
        print(f"not looked at: {shown(where)}: {shown(each.why)}")
    if len(troubles) > SHOWN:
        print(f"not looked at: … and {len(troubles) - SHOWN} more")
    print(
        f"{found.files:,} files with {found.pictures:,} pictures: {len(found.findings):,} withdrawn, "
        f"{len(troubles):,} not looked at"
    )
    if removal.removed:
        count = sum(len(each.members) or 1 for each in removal.removed)
        print(f"removed: {count:,} pictures, and {sum(removal.rows.values()):,} rows that named them")


def _receipt(
    root: Path,
    loaded: LoadedList,
    found: Search,
    removal: Removal,
    troubles: list[Trouble],
    started: datetime.datetime,
    *,
    apply: bool,
) -> dict[str, Any]:
    """Receipt: what was looked at by which list, what was found and removed, and what could not be looked at."""
    code = Path(__file__).read_bytes()
    return {
        "schema": 1,
        "program_sha256": hashlib.sha256(code).hexdigest(),
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "path": str(root),
        "list": {
            "source": loaded.source,
            "sha256": hashlib.sha256(loaded.data).hexdigest(),
            "withdrawals": len(loaded.withdrawals.withdrawals),
            "signed": loaded.is_signed,
        },
        "files": found.files,
        "pictures": found.pictures,
        "applied": apply,
        "found": [
            {"path": _relative(each.path, root), "member": each.member, "by": each.by, "entry": each.entry}
            for each in found.findings
        ],
        "removed": [
            {"path": _relative(each.path, root), "members": each.members, "belongings": each.belongings}
            for each in removal.removed
        ],
        "rows_removed": {_relative(path, root): count for path, count in removal.rows.items()},
        "links_removed": [_relative(path, root) for path in removal.links],
        "not_looked_at": [
            {"path": _relative(each.path, root), "member": each.member, "why": each.why} for each in troubles
        ],
    }


def _write_receipt(path: Path, receipt: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.recall-part")
    text = json.dumps(receipt, indent=2, ensure_ascii=True) + "\n"
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _relative(path: str, root: Path) -> str:
    found = os.path.relpath(path, root) if path else "."
    return root.name if found == "." else found.replace(os.sep, "/")


def shown(value: object) -> str:
    """Text of a value for a terminal: on one line, without control characters, at most 300 characters."""
    text = _UNPRINTABLE.sub("?", str(value))
    return text if len(text) <= 300 else f"{text[:299]}…"
