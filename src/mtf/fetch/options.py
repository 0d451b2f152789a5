"""Options of `mtf fetch`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mtf import __version__
from mtf.config import Compute, Crawl, Licenses
from mtf.config.messages import permitted
from mtf.core.errors import BadInput, bad_value, listed
from mtf.crawl.robot_name import ROBOT
from mtf.fetch import sample_columns

if TYPE_CHECKING:
    from mtf.fetch.target import Target

FORMATS = ("webdataset", "parquet", "files")
LIST_FORMATS = ("parquet", "csv", "tsv", "txt", "jsonl")
SHARD_DIGITS = 5
_OPTIONS = {
    "concurrency": "--requests",
    "per_host_concurrency": "--host-requests",
    "per_host_delay_s": "--host-delay",
    "timeout_s": "--timeout",
    "max_bytes": "--max-bytes",
    "max_pixels": "--max-pixels",
    "min_side_px": "--min-side",
}
"""Field of `crawl` in params.yaml → option of the command."""
_LINE_OF_ASCII = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True)
class ListColumns:
    """Columns of a list.

    url: address of the picture.
    caption: its text; None for none.
    page: address of the page that shows it, which is requested first for its license and opt-outs; None for none.
    license: license that the list claims; None for none.
    others: kept as they are, in the samples and tables.
    """

    url: str = "url"
    caption: str | None = None
    page: str | None = None
    license: str | None = None
    others: tuple[str, ...] = ()

    def renamed(self) -> dict[str, str]:
        """Column of the list → column of the samples, in the order of the samples."""
        named = {self.caption: "caption", self.page: "page_url", self.license: "claim", self.url: "url"}
        return {name: name for name in self.others} | {name: to for name, to in named.items() if name is not None}


@dataclass(frozen=True)
class FetchOptions:
    """Options of one run; picklable.

    source: list, or folder of lists.
    folder: of the shards; with a target, of those in work.
    target: object store to which each shard goes when it is whole; None to leave it in the folder.
    list_format: one of LIST_FORMATS; None to take it from the file's name.
    output_format: one of FORMATS.
    shard_size: rows of a shard.
    crawl: limits of requests and files.
    binding: names of the signals that forbid a picture.
    contact: address or e-mail of the person who runs the fetch, for the User-Agent; None for none.
    has_exif: True to add the column `exif`.
    """

    source: Path
    folder: Path
    crawl: Crawl
    columns: ListColumns = ListColumns()
    list_format: str | None = None
    output_format: str = "webdataset"
    shard_size: int = 10_000
    binding: tuple[str, ...] = ()
    contact: str | None = None
    has_exif: bool = True
    target: Target | None = None

    def __post_init__(self) -> None:
        """Raises BadInput for a format, a contact or a column that is not permitted."""
        if self.output_format not in FORMATS:
            raise bad_value("--format", self.output_format, listed(FORMATS))
        if self.list_format not in (None, *LIST_FORMATS):
            raise bad_value("--list-format", self.list_format, listed(LIST_FORMATS))
        if self.contact is not None and not _LINE_OF_ASCII.fullmatch(self.contact):
            raise bad_value("--contact", self.contact, "an address or e-mail in ASCII, on one line: a header holds it")
        columns = self.columns
        named = [
            each for each in (columns.url, columns.caption, columns.page, columns.license, *columns.others) if each
        ]
        if repeated := [name for name in named if named.count(name) > 1]:
            raise BadInput(f"column {repeated[0]!r} is named for two purposes; name each column once")
        if taken := [name for name in columns.others if name in sample_columns.RESERVED]:
            raise BadInput(f"--keep-columns: {taken[0]!r} is a column of the samples themselves; rename it in the list")

    @property
    def user_agent(self) -> str:
        return f"{ROBOT}/{__version__} (fetch{f'; +{self.contact}' if self.contact else ''})"

    @property
    def place(self) -> str:
        """Where the shards are at the end, for messages."""
        return str(self.folder) if self.target is None else self.target.address

    def key(self, shard: int, index: int) -> str:
        """Key of a sample, as img2dataset numbers them.

        Digits for the shard, then as many as the largest index of a shard has.
        """
        digits = math.ceil(math.log10(self.shard_size))
        return f"{10**digits * shard + index:0{digits + SHARD_DIGITS}d}"


def limits(**values: Any) -> Crawl:
    """Limits of requests and files: fields of `crawl` in params.yaml, without sources. Raises BadInput."""
    try:
        # A crawl has a source; a list takes its place here.
        crawl = Crawl.model_validate({"sources": [{"kind": "bing"}]} | values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][-1])
        raise bad_value(_OPTIONS.get(field, field), first["input"], permitted(first)) from None
    return crawl.model_copy(update={"sources": []})


def binding_signals(recorded_only: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the signals that refuse a picture: all but those to be recorded only. Raises BadInput."""
    names = Licenses.model_fields["binding_opt_outs"].default
    if unknown := [name for name in recorded_only if name not in names]:
        raise bad_value("--record-only", unknown[0], listed(names, len(names)))
    return tuple(name for name in names if name not in recorded_only)


def cluster(address: str, workers: int) -> Compute:
    """Ray cluster at an address, or of this machine for `local`; with so many workers, 0 for one on each core."""
    return Compute(engine="ray", address=address, workers=workers)


def shard_name(number: int) -> str:
    """Name of a shard's files without their endings."""
    return f"{number:0{SHARD_DIGITS}d}"
