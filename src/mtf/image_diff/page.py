"""HTML page of differences: one file that works offline, in bounded size, with pictures before and after.

All content is escaped. The page's policy permits its own script and style alone, by their digests, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import zip_longest

from markupsafe import Markup

from mtf.core import html_templates

MAX_PAGE_BYTES = 5_000_000
_ROW_BYTES, _PICTURE_BYTES = 2_400_000, 2_300_000
MAX_PICTURES = 600
_MAX_TEXT_CHARS = 300
# Characters that would hide or reorder what stands beside them: controls, marks of direction, and halves of pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

Picture = bytes | None
"""A JPEG file, small; None if there is none to show."""


@dataclass(frozen=True)
class Row:
    """One difference.

    title: its name, such as a path.
    text: what differs, and why.
    note: further line, such as a credit.
    pictures: reads the pictures before and after. It is called only for as many rows as the page can hold.
    """

    title: str
    text: str
    note: str = ""
    pictures: Callable[[], tuple[Picture, Picture]] | None = None


@dataclass(frozen=True)
class Group:
    """Differences of one kind.

    name: id of its element, letters alone.
    title: heading.
    total: number of differences, also those that are not among the rows.
    reasons: reason → number.
    rows: in the order of the page.
    by: what the reasons are, as the table's heading.
    """

    name: str
    title: str
    total: int
    reasons: Sequence[tuple[str, int]]
    rows: Sequence[Row]
    by: str = "reason"


def rendered(
    groups: Sequence[Group],
    *,
    title: str,
    says: Sequence[str],
    notes: Sequence[str] = (),
    max_pictures: int = MAX_PICTURES,
) -> str:
    """The page, in at most MAX_PAGE_BYTES.

    title: heading.
    says: lines below it.
    notes: what is not known or not shown.
    max_pictures: rows whose pictures are read.

    Rows and pictures beyond the page's size are counted. The first rows of each group have pictures first.
    """
    shown = _shown_rows(groups)
    pictures = _pictures(shown, max_pictures)
    read = sum(row.pictures is not None for rows in shown for row in rows)
    data = [
        [
            [plain(row.title), plain(row.text), plain(row.note), *pictures.get((place, number), (0, 0))]
            for number, row in enumerate(rows)
        ]
        for place, rows in enumerate(shown)
    ]
    style, script = _own("page.css"), _own("page.js")
    environment = html_templates.environment("mtf.image_diff")
    environment.filters["plain"] = plain
    return environment.get_template("page.html.jinja").render(
        title=title,
        says=says,
        notes=notes,
        groups=[(group, len(rows)) for group, rows in zip(groups, shown, strict=True)],
        unread=read - len(pictures),
        data=html_templates.in_script(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
    )


def plain(text: str) -> str:
    """Text of a stranger on one line, cut, with signs that would hide or reorder others as `\\xNN`."""
    visible = _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text[:_MAX_TEXT_CHARS])
    return visible + ("…" if len(text) > _MAX_TEXT_CHARS else "")


def _shown_rows(groups: Sequence[Group]) -> list[list[Row]]:
    """Rows of each group that fit: the first ones, in turn."""
    shown: list[list[Row]] = [[] for _ in groups]
    left = _ROW_BYTES
    for rows in zip_longest(*(group.rows for group in groups)):
        for place, row in enumerate(rows):
            if row is not None:
                left -= (
                    len(json.dumps([plain(row.title), plain(row.text), plain(row.note)], ensure_ascii=False).encode())
                    + 8
                )
                if left < 0:
                    return shown
                shown[place].append(row)
    return shown


def _pictures(shown: Sequence[Sequence[Row]], max_pictures: int) -> dict[tuple[int, int], tuple[str | int, str | int]]:
    """Place of group and row → its pictures as base64, 0 for none; -1 and 0 for a row of which none can be shown."""
    found: dict[tuple[int, int], tuple[str | int, str | int]] = {}
    left = _PICTURE_BYTES
    for place, number, read in _in_turn(shown):
        if len(found) >= max_pictures:
            break
        encoded = tuple(0 if each is None else base64.b64encode(each).decode("ascii") for each in read())
        size = sum(len(each) for each in encoded if isinstance(each, str))
        if size > left:
            break
        found[place, number] = (encoded[0], encoded[1]) if size else (-1, 0)
        left -= size
    return found


def _in_turn(shown: Sequence[Sequence[Row]]) -> Iterator[tuple[int, int, Callable[[], tuple[Picture, Picture]]]]:
    for number, rows in enumerate(zip_longest(*shown)):
        for place, row in enumerate(rows):
            if row is not None and row.pictures is not None:
                yield place, number, row.pictures


def counted(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """Reasons with their numbers, most frequent first."""
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _own(name: str) -> Markup:
    text = resources.files("mtf.image_diff").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)


def _digest(text: str) -> str:
    """Source expression of the Content Security Policy, level 2, for a script or style element with this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
