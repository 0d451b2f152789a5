"""Targets of `dvc-forget`: paths and digests, and the objects of the history that they name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mtf.core.errors import BadInput, bad_value, listed
from mtf.forget.erasure_kinds import WHOLE_OBJECTS, ErasureKind, TarMembers
from mtf.forget.file_versions import FileVersion
from mtf.forget.history import History
from mtf.forget.object_store import TOMBSTONE, ObjectIndex

_DIGESTS = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_SHA256_DIGITS = 64
_DIGEST = "the md5 that DVC gives a file, or its sha256: 32 or 64 digits 0-9 a-f (for a folder, name its path)"
_PIECE = 2**20
# Objects that hold nothing to forget, and that many paths share: the empty file, and the tombstone.
_NOTHING = {hashlib.md5(each, usedforsecurity=False).hexdigest() for each in (b"", TOMBSTONE)}
_MAX_LIST_BYTES = 2**28


@dataclass(frozen=True)
class Targets:
    """Targets of an erasure.

    - `paths`: files and folders, relative to the repository's root, with `/`: every content they had in any version;
    - `digests`: md5 of contents, under any name; also sha256, until `resolved`;
    - `members`: members of tars to remove; if there are none, the contents go as a whole.
    """

    paths: frozenset[str]
    digests: frozenset[str]
    members: frozenset[str] = frozenset()

    @property
    def kind(self) -> ErasureKind:
        """Kind of erasure: of whole objects, or of members of tars."""
        return TarMembers(self.members) if self.members else WHOLE_OBJECTS

    def plain(self) -> dict[str, list[str]]:
        """Targets as the receipt stores them."""
        found = {"paths": sorted(self.paths), "digests": sorted(self.digests)}
        return found | ({"members": sorted(self.members)} if self.members else {})

    @classmethod
    def of_receipt(cls, stored: dict[str, list[str]]) -> Targets:
        return cls(*(frozenset(stored.get(name, ())) for name in ("paths", "digests", "members")))

    def naming(self, path: str) -> frozenset[str]:
        """Those of the paths that are `path`, or a folder of it."""
        parts = path.split("/")
        return self.paths.intersection("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def parsed(
    paths: Iterable[str], digests: Iterable[str], lists: Iterable[Path], root: Path, *, members: Iterable[str] = ()
) -> Targets:
    """Targets as a person names them: paths relative to the current folder, digests, and files with one of them a line.

    A line that begins with `#` and an empty line count for nothing; a file whose name looks as a digest is written
    `./NAME`. Raises BadInput.
    """
    found_paths = {_below(path, root, path) for path in paths}
    found_digests = {_digest(each, "--digest") for each in digests}
    for file in lists:
        for number, line in enumerate(_lines(file), 1):
            text = line.strip()
            if _DIGESTS.fullmatch(text):
                found_digests.add(text)
            elif text and not text.startswith("#"):
                found_paths.add(_below(text, root, f"{file} line {number}"))
    return Targets(frozenset(found_paths), frozenset(found_digests), frozenset(members))


def resolved(targets: Targets, index: ObjectIndex) -> Targets:
    """Targets with md5 alone: the objects of all stores are read until each sha256 is found.

    Raises BadInput for a sha256 that no object has.
    """
    wanted = {each for each in targets.digests if len(each) == _SHA256_DIGITS}
    found: dict[str, str] = {}
    for oid in sorted(index.objects):
        if found.keys() == wanted:
            break
        if not oid.endswith(".dir"):
            with index.open(oid) as file:
                digest = _sha256(file) if file is not None else ""
            if digest in wanted:
                found[digest] = oid
    if lacking := sorted(wanted - found.keys()):
        away = f"; not looked for in {listed(sorted(index.errors), 4)}" if index.errors else ""
        raise BadInput(f"{listed(lacking, 4)}: no object of cache and remotes has this sha256{away}: nothing was done")
    return replace(targets, digests=(targets.digests - wanted) | {*found.values()})


def selected(targets: Targets, history: History, *, is_resumed: bool) -> set[str]:
    """Objects (md5) that the targets name. Raises BadInput for a target that nothing here knows, unless resumed."""
    named = {version.oid for version in history.versions if targets.naming(version.path)}
    if not is_resumed:
        _refuse_unknown(targets, history)
    return (named | targets.digests) - _NOTHING


def same_name_without_version(targets: Targets, oids: set[str], history: History) -> list[FileVersion]:
    """Files of folder listings that no version names, with the name of a path: maybe earlier contents of it."""
    return [
        version
        for version in history.versions
        if version.is_unversioned
        and version.oid not in oids | _NOTHING
        and any(path.endswith(f"/{version.path.partition('/')[2]}") for path in targets.paths)
    ]


def _refuse_unknown(targets: Targets, history: History) -> None:
    index = history.index
    if index.errors or index.unlistable or history.missing_listings:
        return  # what is not known here may be there
    known_paths = {path for version in history.versions for path in targets.naming(version.path)}
    if unknown := sorted(targets.paths - known_paths):
        raise BadInput(
            f"{listed(unknown, 4)}: no version of what DVC tracks has it; nothing was changed: check "
            "the spelling (`git fetch --all` brings versions that are only elsewhere)"
        )
    known = index.objects | {version.oid for version in history.versions}
    if unknown := sorted(targets.digests - known):
        raise BadInput(f"{listed(unknown, 4)}: no version and no storage has it; nothing was changed; it is {_DIGEST}")


def _sha256(file: BinaryIO) -> str:
    state = hashlib.sha256()
    while piece := file.read(_PIECE):
        state.update(piece)
    return state.hexdigest()


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _MAX_LIST_BYTES:
            raise BadInput(f"{file}: larger than {_MAX_LIST_BYTES} bytes; give several lists")
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: cannot be read as UTF-8 text: {error}; it has a path or md5 a line") from None


def _digest(value: str, where: str) -> str:
    if not _DIGESTS.fullmatch(value.lower()):
        raise bad_value(where, value, _DIGEST)
    return value.lower()


def _below(value: str, root: Path, where: str) -> str:
    absolute = Path(os.path.normpath(Path.cwd() / value))
    base = next((each for each in (root, root.resolve()) if absolute.is_relative_to(each)), None)
    inside = "" if base is None else absolute.relative_to(base).as_posix()
    if inside in ("", ".") or inside.split("/")[0] in (".git", ".dvc"):
        raise bad_value(where, value, f"a file or folder in {root}, not that folder itself, .git or .dvc")
    return inside
