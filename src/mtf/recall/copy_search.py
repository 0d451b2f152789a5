"""Search of a copy for withdrawn pictures: every file below a path, in several processes."""

from __future__ import annotations

import itertools
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from mtf.recall.copy_forms import form_of
from mtf.recall.picture_bytes import Member, NotLookedInto, one_line
from mtf.recall.picture_matcher import PictureMatcher, Unreadable
from mtf.recall.withdrawal_list import parse

FILES_AT_ONCE = 512
# Below this number of files, starting processes takes longer than the search.
FEW_FILES = 1024
LARGE_BYTES = 1 << 24


class Finding(NamedTuple):
    """Withdrawn picture in a copy.

    path: the file.
    place, member: where it lies in the file, for `Form.without` and for people; -1 and empty for the file itself.
    by: `bytes`, `pixels` or `looks`.
    entry: number of the withdrawal in the list, from 1.
    """

    path: str
    place: int
    member: str
    by: str
    entry: int


class Trouble(NamedTuple):
    """Part of a copy that could not be looked at, and why."""

    path: str
    member: str
    why: str


@dataclass
class Search:
    """Result of a search.

    files, pictures: numbers of files below the path and of pictures in them.
    links: links to files and folders inside the copy, which are looked at where they lie.
    """

    files: int = 0
    pictures: int = 0
    findings: list[Finding] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def add(self, other: Search) -> None:
        """Add the result of a part of the copy."""
        self.files += other.files
        self.pictures += other.pictures
        self.findings += other.findings
        self.troubles += other.troubles
        self.links += other.links


def search(root: Path, list_text: bytes, *, workers: int, progress: Callable[[int], object]) -> Search:
    """Search all files below `root` (a folder or one file) for what a withdrawal list names.

    progress: called with the number of files that were looked at.
    """
    found = Search()
    parts = _parts(root, found)
    first = list(itertools.islice(parts, FEW_FILES // FILES_AT_ONCE))
    second = next(parts, None)
    if second is None or workers == 1:
        matcher = PictureMatcher(parse(list_text))
        for part in itertools.chain(first, [second] if second else [], parts):
            found.add(_search_part(matcher, part))
            progress(found.files)
    else:
        _search_in_processes(itertools.chain(first, [second], parts), list_text, workers, found, progress)
    found.findings.sort()
    found.troubles.sort()
    return found


def _search_in_processes(
    parts: Iterable[list[str]],
    list_text: bytes,
    workers: int,
    found: Search,
    progress: Callable[[int], object],
) -> None:
    # A process of its own for each core: the matrices are too small to be worth several.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    waiting: deque[tuple[Future[Search], list[str]]] = deque()
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (list_text,)) as pool:
        try:
            for part in parts:
                waiting.append((pool.submit(_search_in_worker, part), part))
                if len(waiting) >= 4 * workers:
                    found.add(waiting[0][0].result())
                    waiting.popleft()
                    progress(found.files)
            while waiting:
                found.add(waiting[0][0].result())
                waiting.popleft()
                progress(found.files)
        except BrokenProcessPool:
            why = "a process was killed, perhaps for want of memory: neither this nor what comes after it was looked at"
            found.troubles.append(Trouble(waiting[0][1][0] if waiting else "", "", why))


_matcher: PictureMatcher | None = None


def _start_worker(list_text: bytes) -> None:
    global _matcher  # noqa: PLW0603 (one matcher for each process)
    _matcher = PictureMatcher(parse(list_text))


def _search_in_worker(part: list[str]) -> Search:
    assert _matcher is not None  # noqa: S101 (set by _start_worker)
    return _search_part(_matcher, part)


def _search_part(matcher: PictureMatcher, part: list[str]) -> Search:
    found = Search(files=len(part))
    for match in matcher.matches(_pictures(part, found)):
        path, place, member = match.place
        if isinstance(match, Unreadable):
            found.troubles.append(Trouble(path, member, match.why))
        else:
            found.findings.append(Finding(path, place, member, match.by, match.entry))
    return found


def _pictures(part: list[str], found: Search) -> Iterator[tuple[tuple[str, int, str], bytes]]:
    for path in part:
        for member in _members(path, found):
            if member.data is None:
                found.troubles.append(Trouble(path, member.name, member.why))
                continue
            found.pictures += 1
            yield (path, member.place, member.name), member.data


def _members(path: str, found: Search) -> Iterator[Member]:
    try:
        form = form_of(Path(path))
        if form is not None:
            yield from form.members(Path(path))
    except NotLookedInto as error:
        found.troubles.append(Trouble(path, "", str(error)))
    except OSError as error:
        found.troubles.append(Trouble(path, "", one_line(error)))


def _parts(root: Path, found: Search) -> Iterator[list[str]]:
    """Files below `root` in groups: FILES_AT_ONCE small ones, or a large one alone."""
    part: list[str] = []
    for path, size_bytes in _files(root, found):
        if size_bytes > LARGE_BYTES:
            yield [path]
            continue
        part.append(path)
        if len(part) == FILES_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _files(root: Path, found: Search) -> Iterator[tuple[str, int]]:
    """Regular files below `root`, with their size; links are not followed."""
    if not root.is_dir():
        yield str(root), root.stat().st_size
        return
    inside = root.resolve()
    folders = [str(root)]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            found.troubles.append(Trouble(folder, "", one_line(error)))
            continue
        for entry in entries:
            if entry.is_symlink():
                _note_link(entry.path, inside, found)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield entry.path, status.st_size
                else:
                    found.troubles.append(Trouble(entry.path, "", "not a regular file"))


def _note_link(path: str, inside: Path, found: Search) -> None:
    try:
        target = Path(path).resolve()
    except (OSError, RuntimeError) as error:
        found.troubles.append(Trouble(path, "", one_line(error)))
        return
    if not target.exists():
        return
    if target.is_relative_to(inside):
        found.links.append(path)
    else:
        found.troubles.append(Trouble(path, "", f"a link out of the copy, to {target}; look there, too"))
