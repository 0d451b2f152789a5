"""Removal of withdrawn pictures from a copy: files, members of archives, rows of tables, and rows that name them.

Every file is removed or replaced in one step. A run that was killed is run again: it finds what is left.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mtf.recall.copy_forms import UNFINISHED, form_of, replacing
from mtf.recall.copy_search import Finding, Trouble
from mtf.recall.picture_bytes import NotLookedInto, one_line
from mtf.recall.pictures_in_tables import opened_pyarrow

TEXT_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
CHECKSUMS = ("sha256sums", "md5sums", ".sha256", ".md5")
# Licenses of the files, one path a line.
LICENSES = ("reuse.toml",)
CREDITS = (".md", ".html", ".htm")
MAX_RECORD_CHARS = 1 << 20
# A name this long is no number that means another file elsewhere.
TELLING_CHARS = 16
_TOKEN = re.compile(r"[^\s,;|\"'<>()\[\]]+")
_LINKED = re.compile(r"https?://[^\s,;|\"'<>()\[\]]+")


class Removed(NamedTuple):
    """Removal from one file.

    path: the file.
    members: removed pictures; empty if the file itself went.
    belongings: members that went with them.
    """

    path: str
    members: list[str]
    belongings: list[str]


class Removal(NamedTuple):
    """Result of a removal.

    removed: pictures, by file.
    rows: rows and lines that named a removed file, by file, as their number.
    links: links to removed files.
    troubles: what could not be removed.
    """

    removed: list[Removed]
    rows: dict[str, int]
    links: list[str]
    troubles: list[Trouble]


def remove(root: Path, findings: Iterable[Finding], links: Iterable[str]) -> Removal:
    """Remove the findings from the copy at `root`, links to them, and rows of other files that name them."""
    done = Removal([], {}, [], [])
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.path, []).append(finding)
    linked = {path: os.path.realpath(path) for path in links}
    for path, found in by_file.items():
        try:
            done.removed.append(_remove_from(Path(path), found))
        except (NotLookedInto, OSError) as error:
            done.troubles.append(Trouble(path, "", f"not removed: {one_line(error)}"))
        except Exception as error:  # a library for a format raises its own
            done.troubles.append(Trouble(path, "", f"not removed: {type(error).__name__}: {one_line(error)}"))
    gone = {os.path.realpath(path) for path in _gone_files(done)}
    named = [path for path in linked if linked[path] in gone]
    for link in named:
        Path(link).unlink(missing_ok=True)
        done.links.append(link)
    _remove_empty_folders([*_gone_files(done), *named], root)
    if root.is_dir():
        _remove_rows(root, _Names([*_gone_files(done), *named], root), done)
    return done


def _gone_files(done: Removal) -> list[str]:
    """Files that were removed as wholes."""
    return [each.path for each in done.removed if not each.members]


def _remove_empty_folders(files: Iterable[str], root: Path) -> None:
    """Remove the folders of removed files that are empty now: they may bear the name of a person."""
    for file in files:
        folder = Path(file).parent
        while folder != root and folder.is_relative_to(root):
            try:
                folder.rmdir()
            except OSError:
                break
            folder = folder.parent


def sweep(root: Path) -> None:
    """Remove what a killed run left unfinished below `root`."""
    for parent, _, names in os.walk(root):
        for name in names:
            if name.startswith(".") and name.endswith(UNFINISHED):
                Path(parent, name).unlink(missing_ok=True)


def _remove_from(path: Path, found: list[Finding]) -> Removed:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise NotLookedInto("it is no longer the file that was looked at")
    if found[0].place < 0:
        path.unlink()
        return Removed(str(path), [], [])
    form = form_of(path)
    if form is None or form.without is None:
        raise NotLookedInto("it is no longer the file that was looked at")
    with replacing(path) as beside:
        belongings = form.without(path, beside, {each.place for each in found})
    return Removed(str(path), [each.member for each in found], belongings)


class _Names:
    """Names under which other files of a copy may list removed files."""

    def __init__(self, paths: Iterable[str], root: Path) -> None:
        self.texts: set[str] = set()
        for path in paths:
            relative = PurePosixPath(Path(path).relative_to(root).as_posix())
            self.texts |= {"/".join(relative.parts[start:]) for start in range(len(relative.parts) - 1)}
            if len(relative.parts) == 1:
                self.texts.add(relative.name)
            self.texts |= {each for each in (relative.name, relative.stem) if len(each) >= TELLING_CHARS}

    def are_in(self, record: str) -> bool:
        """True if a row or line names a removed file."""
        return any(
            token in self.texts or token.removeprefix("./") in self.texts or token.rpartition("/")[2] in self.texts
            for token in _TOKEN.findall(record)
        )


def _remove_rows(root: Path, names: _Names, done: Removal) -> None:
    if not names.texts:
        return
    files = [Path(parent, name) for parent, _, each in os.walk(root) for name in sorted(each)]
    files = [path for path in files if not path.is_symlink() and path.is_file()]
    addresses: set[str] = set()
    for path in files:
        lowered = path.name.lower()
        try:
            if lowered.endswith((*TEXT_TABLES, *CHECKSUMS, *LICENSES)):
                count = _text_without(path, names, addresses)
            elif lowered.endswith(".parquet"):
                count = _table_without(path, names)
            else:
                continue
        except Exception as error:  # a table of somebody else may be broken in any way
            done.troubles.append(Trouble(str(path), "", f"rows not removed: {one_line(error)}"))
            continue
        if count:
            done.rows[str(path)] = count
    for path in files if addresses else ():
        if path.name.lower().endswith(CREDITS) and (count := _credits_without(path, addresses)):
            done.rows[str(path)] = count


def _text_without(path: Path, names: _Names, addresses: set[str]) -> int:
    """Remove the records that name a removed file. Adds to `addresses` those that only removed records have."""
    kept: list[str] = []
    gone: list[str] = []
    for record in _records(path):
        (gone if names.are_in(record) else kept).append(record)
    if gone:
        still = {address for record in kept for address in _LINKED.findall(record)}
        addresses |= {address for record in gone for address in _LINKED.findall(record)} - still
        _write(path, kept)
    return len(gone)


def _credits_without(path: Path, addresses: set[str]) -> int:
    records = list(_records(path))
    kept = [record for record in records if addresses.isdisjoint(_LINKED.findall(record))]
    if len(kept) < len(records):
        _write(path, kept)
    return len(records) - len(kept)


def _records(path: Path) -> Iterator[str]:
    """Lines of a file; in a CSV, those of one record together."""
    quoted = path.suffix.lower() in (".csv", ".tsv")
    record = ""
    with path.open("r", encoding="utf-8", errors="surrogateescape", newline="") as file:
        for line in file:
            record += line
            if quoted and record.count('"') % 2 and len(record) < MAX_RECORD_CHARS:
                continue
            yield record
            record = ""
    if record:
        yield record


def _write(path: Path, records: list[str]) -> None:
    with replacing(path) as beside, beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.writelines(records)


def _table_without(path: Path, names: _Names) -> int:
    """Remove the rows of a Parquet table of which a text names a removed file."""
    pyarrow = opened_pyarrow()
    table = pyarrow.parquet.read_table(path)
    texts = [name for name in table.column_names if _is_text(pyarrow, table.schema.field(name).type)]
    wanted = pyarrow.array(sorted(names.texts), pyarrow.string())
    named: Any = None
    for name in texts:
        column = table.column(name).cast(pyarrow.string())
        is_named = pyarrow.compute.fill_null(pyarrow.compute.is_in(column, value_set=wanted), False)
        named = is_named if named is None else pyarrow.compute.or_(named, is_named)
    count = 0 if named is None else int(pyarrow.compute.sum(named).as_py() or 0)
    if count:
        with replacing(path) as beside:
            pyarrow.parquet.write_table(table.filter(pyarrow.compute.invert(named)), beside)
    return count


def _is_text(pyarrow: Any, kind: Any) -> bool:
    return any(getattr(pyarrow.types, name, bool)(kind) for name in ("is_string", "is_large_string", "is_string_view"))
