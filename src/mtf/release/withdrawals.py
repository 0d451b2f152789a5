"""Withdrawal list of a data set: its file `data/withdrawals.txt`, and the folder `recall/` of a release.

The folder has the list, its signature with the public key, the address of the newest list, and the program recall.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.recall import one_file, signing
from mtf.recall.signatures import BadSignature
from mtf.recall.withdrawal_list import (
    ADDRESS_NAME,
    KEY_NAME,
    LIST_NAME,
    SIGNATURE_NAME,
    BadList,
    WithdrawalList,
    empty_list,
    parse,
    withdrawal_line,
)
from mtf.release.documents import RECALL

FOLDER = RECALL


def list_text(workspace: ProjectPaths, params: Params) -> bytes:
    """Text of the project's list; an empty list if nothing was withdrawn yet. Raises BadInput if it is none."""
    path = workspace.withdrawals
    if not path.is_file():
        return empty_list(_salt(params))
    text = path.read_bytes()
    try:
        parse(text, workspace.relative(path))
    except BadList as error:
        raise BadInput(f"{error}; `git log` and `dvc checkout` bring an earlier one back") from None
    return text


def _salt(params: Params) -> bytes:
    """Salt of a new list, 16 bytes. From the project's name: a release stays the same bytes when it is made again."""
    return hashlib.sha256(f"mtf-withdrawals {params.project.name}".encode()).digest()[:16]


def record(files: Iterable[bytes], workspace: ProjectPaths, params: Params) -> int:
    """Add withdrawn files, given as their bytes, to the project's list. Returns how many it did not have yet.

    Those of one call are sorted by digest, so that their order says nothing.
    """
    text = list_text(workspace, params)
    listed: WithdrawalList = parse(text)
    known = {each.data_digest for each in listed.withdrawals}
    new = {each.data_digest: each for each in map(listed.describe, files) if each.data_digest not in known}
    if new:
        lines = sorted(withdrawal_line(each) for each in new.values())
        atomic_files.write_bytes(workspace.withdrawals, text + b"".join(lines))
    return len(new)


def write_folder(to: Path, workspace: ProjectPaths, params: Params) -> int:
    """Write list, signature, public key, address and program to the folder `to`. Returns the number of withdrawals.

    Raises BadInput if the list cannot be signed with the key of params.yaml.
    """
    text = list_text(workspace, params)
    settings = params.release
    files = {LIST_NAME: text, one_file.NAME: one_file.one_file().encode("utf-8")}
    if settings.withdrawals_key is not None:
        try:
            files[SIGNATURE_NAME], files[KEY_NAME] = signing.sign(text, workspace.root / settings.withdrawals_key)
        except BadSignature as error:
            raise BadInput(f"params.yaml: release.withdrawals_key: {error}") from None
    if settings.withdrawals_url is not None:
        files[ADDRESS_NAME] = f"{settings.withdrawals_url}\n".encode()
    for name in (LIST_NAME, SIGNATURE_NAME, KEY_NAME, ADDRESS_NAME, one_file.NAME):
        if name in files:
            atomic_files.write_bytes(to / name, files[name])
        else:
            (to / name).unlink(missing_ok=True)
    return len(parse(text).withdrawals)
