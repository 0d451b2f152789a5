"""Local sources of a crawl, and the addresses of their files. If one lies inside another, a file belongs to the
innermost.

An address is relative to its source, so that no path of a machine gets into a table or a release: `file:NAME` for the
first source, `file:@2/NAME` for the second, and `file:@PORTRAITS/NAME` for a source that params.yaml names `portraits`.
A percent-encoded name never begins with `@`. Before version 0.2 an address began with the path of the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import normpath
from urllib.parse import quote

import polars as pl

from mtf.core.errors import BadInput, shortened
from mtf.rights.evidence.combination import Statement
from mtf.sources.base import ListedFiles, LocalFiles, LocalSource, Source
from mtf.sources.candidate import Candidate
from mtf.sources.source_listing import SourceListing

SCHEME = "file:"
# Address with an absolute path, or one that leads out of the project.
_OF_THE_MACHINE = re.compile(r"^file:(?:/|\.\./)")


@dataclass(frozen=True)
class OpenedSource:
    """A local source and its files.

    prefix: of the addresses of its files, `file:` or `file:@NAME/`.
    """

    source: LocalSource
    files: LocalFiles
    prefix: str

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """Read the bytes of the file at `url`. Raises FetchFailed."""
        return self.files.read(self.path_address(url), max_bytes=max_bytes)

    def statement(self) -> Statement:
        """License and creator that the owner states."""
        return self.source.statement()

    def path_address(self, url: str) -> str:
        """Address of a file by the path of its source, as before version 0.2."""
        return self.files.prefix + url.removeprefix(self.prefix)

    def address(self, path_address: str) -> str:
        """Address relative to the source of a file with the given address by path."""
        return self.prefix + path_address.removeprefix(self.files.prefix)


class LocalSources:
    """Local sources among `sources`, in their order. Raises BadInput if one does not exist, or two have one name."""

    def __init__(self, sources: Iterable[Source], root: Path) -> None:
        self._opened = [OpenedSource(source, source.open(root), prefix) for source, prefix in _with_prefixes(sources)]

    def __iter__(self) -> Iterator[OpenedSource]:
        return iter(self._opened)

    def of(self, url: str) -> OpenedSource | None:
        """Source of the file at `url`; None if params.yaml no longer names it."""
        holding = (opened for opened in self._opened if url.startswith(opened.prefix))
        return max(holding, key=lambda opened: len(opened.prefix), default=None) if _is_relative(url) else None

    def path_address(self, url: str) -> str | None:
        """Address of the file at `url` by the path of its source; None for an address of the web."""
        opened = self.of(url)
        return None if opened is None else opened.path_address(url)

    def find(self, opened: OpenedSource, files: str | None) -> list[Candidate]:
        """Candidates for one cell of the roster's column `files`, each with its own source's license and address."""
        return [self._owned(candidate) for candidate in opened.files.find(files)]

    def stamp(self, files: str | None) -> list[str]:
        """Lines that change when one of the files in a cell of the roster does."""
        return [stamp for opened in self._opened for stamp in opened.files.stamp(files)]

    def listings(self) -> list[SourceListing]:
        """Description of each source whose files can be listed, for `data/sources.csv`."""
        return [
            SourceListing.of(opened.files.listing(), opened.prefix, opened.source.kind, opened.source.files_path)
            for opened in self._opened
            if isinstance(opened.files, ListedFiles)
        ]

    def _owned(self, candidate: Candidate) -> Candidate:
        """Candidate with the address and the license of the innermost source that contains its file."""
        containing = (opened for opened in self._opened if candidate.url.startswith(opened.files.prefix))
        owner = max(containing, key=lambda opened: len(opened.files.prefix), default=None)
        if owner is None:
            return candidate
        return replace(candidate, url=owner.address(candidate.url), claim=owner.source.stated_license)


def relative_addresses(table: pl.DataFrame, sources: Iterable[Source], *, where: str) -> tuple[pl.DataFrame, int]:
    """Table with paths of this machine in its column `url` made relative to their sources, and their number.

    A crawl before version 0.2 wrote the path of the source. `where` is the table's file, for messages. Raises BadInput
    for a path of no source in params.yaml: it must not be published.
    """
    url, before = pl.col("url"), pl.col("url")
    for source, prefix in sorted(_with_prefixes(sources), key=lambda each: len(each[0].files_path)):
        path = f"{SCHEME}{quote(normpath(source.files_path))}/"
        if _OF_THE_MACHINE.match(path):
            relative = pl.lit(prefix) + before.str.strip_prefix(path)
            url = pl.when(before.str.starts_with(path)).then(relative).otherwise(url)
    corrected = table.with_columns(url=url)
    left = corrected.filter(before.str.contains(_OF_THE_MACHINE.pattern))["url"]
    if len(left):
        raise BadInput(
            f"{where}: {len(left)} addresses are paths of this machine, and of no folder in params.yaml: "
            f"{shortened(left[0])}; run `mtf crawl`, which writes them relative to their source"
        )
    return corrected, table.filter(before.str.contains(_OF_THE_MACHINE.pattern)).height


def relative_address(path_address: str, sources: Iterable[Source]) -> str | None:
    """Address relative to its source of a file that is named by the path of its source; None for any other address."""
    found = None
    for source, prefix in sorted(_with_prefixes(sources), key=lambda each: len(each[0].files_path)):
        path = f"{SCHEME}{quote(normpath(source.files_path))}/"
        if path_address.startswith(path):
            found = prefix + path_address.removeprefix(path)
    return found


def _is_relative(url: str) -> bool:
    return url.startswith(SCHEME) and not url.startswith(f"{SCHEME}/")


def _with_prefixes(sources: Iterable[Source]) -> list[tuple[LocalSource, str]]:
    """Local sources, each with the prefix of its addresses. Raises BadInput if two have the same."""
    prefixed: list[tuple[LocalSource, str]] = []
    for number, source in enumerate((each for each in sources if isinstance(each, LocalSource)), 1):
        name = source.address_name or ("" if number == 1 else str(number))
        prefix = f"{SCHEME}@{quote(name)}/" if name else SCHEME
        if any(prefix == taken for _, taken in prefixed):
            raise BadInput(f"params.yaml: crawl.sources: two sources are named {name!r}; give each a name of its own")
        prefixed.append((source, prefix))
    return prefixed
