"""Metadata table of a release, and the credits of its pictures.

- Metadata: one row per face, with file (`file_name`, as Hugging Face's `imagefolder` calls it), labels, split,
  license, author and source.
- Credits: `URL_of_original_images.csv` (MTF, section 4.2), and pages in Markdown and HTML. A credit has title, author,
  source, license and changes, as Creative Commons licenses require.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mtf.config import Alignment, Params
from mtf.core import csv_files
from mtf.core.atomic_files import replacing
from mtf.release import layout
from mtf.schemas import FACE, IMAGE

# Variants of the data set with splits.
DATA_SET = (layout.MULTI_TASK, layout.SINGLE_TASK)
CREDIT = ("title", "creator", "creator_url", "page_url", "url", "license", "license_url")


def metadata(
    data: pl.DataFrame, files: pl.DataFrame, roster: pl.DataFrame, credit: pl.DataFrame, params: Params
) -> pl.DataFrame:
    """Rows of `data` (splits or the non-curated set) with their published files, sorted by file.

    `files` has identity, face_id, file and sha256, one file per face. `credit` is the table of `credits.credited`: each
    row names its author, as it may be passed on alone.
    """
    credit = credit.select(*FACE, *(name for name in CREDIT if name != "license"))
    split = [pl.col("split")] if "split" in data.columns else []
    return (
        data.join(files, on=FACE, validate="1:1")
        .join(roster.select("identity", "name"), on="identity", how="left", validate="m:1")
        .join(credit, on=FACE, how="left", validate="1:1")
        .select(
            pl.col("file").alias("file_name"),
            *split,
            *FACE,
            "name",
            *params.attributes,
            *CREDIT,
            "image_id",
            "duplicate_group",
            "sha256",
        )
        .sort("file_name")
    )


def main_files(files: pl.DataFrame, variants: Sequence[str]) -> pl.DataFrame:
    """One file per face, of the first of the `variants` that has it.

    Columns: identity, face_id, sha256, side_px, crop_px, file.
    """
    rank = {variant: rank for rank, variant in enumerate(variants)}
    return (
        files.filter(pl.col("variant").is_in(variants))
        .sort(pl.col("variant").replace_strict(rank, default=None, return_dtype=pl.Int32), "path")
        .unique(FACE, keep="first", maintain_order=True)
        .select(*FACE, "sha256", "side_px", "crop_px", file="path")
    )


def write(data: pl.DataFrame, folder: Path, name: str) -> None:
    """Write `NAME.parquet` and `NAME.csv` to `folder`."""
    with replacing(folder / f"{name}.parquet") as beside:
        data.write_parquet(beside, statistics=False)
    csv_files.write(folder / f"{name}.csv", data)


def changes_made(alignment: Alignment = "none") -> pl.Expr:
    """Changes made to a picture, in the words of its credit, from the columns `side_px` and `crop_px`.

    `side_px` is the side of the published square, `crop_px` that of the square in the crop; both in pixels.
    """
    turned = "turned upright by its landmarks, " if alignment == "landmarks" else ""
    side, crop = pl.col("side_px"), pl.col("crop_px")
    how = pl.when(side > crop).then(pl.lit("enlarged to")).when(side < crop).then(pl.lit("resized to"))
    how = how.otherwise(pl.lit("kept at"))
    return pl.format("cropped to the face, {}{} {} × {} pixels, metadata removed", pl.lit(turned), how, side, side)


def credited(
    faces: pl.DataFrame,
    images: pl.DataFrame,
    evidence: pl.DataFrame,
    *,
    alignment: Alignment = "none",
) -> pl.DataFrame:
    """Credits, one row per published face: file, face_id, identity and the columns CREDIT.

    `faces` has file, face_id, identity, image_id, the license of the face, and side_px and crop_px (`changes_made`).
    Evidence of the source takes precedence over claims of the search.
    """
    stated = evidence.select(*IMAGE, "title", "creator", "creator_url", "license_url", "page_url")
    found = images.select(*IMAGE, "url", found_title="title", found_page="page_url")
    return (
        faces.select("file", "face_id", *IMAGE, "license", changes=changes_made(alignment))
        .join(found, on=IMAGE, how="left", validate="m:1", maintain_order="left")
        .join(stated, on=IMAGE, how="left", validate="m:1", maintain_order="left")
        .with_columns(
            title=pl.coalesce("title", "found_title"),
            page_url=pl.coalesce("page_url", "found_page"),
        )
        .select("file", "face_id", "identity", *CREDIT, "changes")
    )


def credited_pictures(credits: pl.DataFrame) -> pl.DataFrame:
    """Credits, one row per picture even if several of its faces are published; sorted by title, then address."""
    return credits.unique("url", keep="first", maintain_order=True).sort("title", "url", nulls_last=True)


def credits_markdown(credits: pl.DataFrame, *, title: str) -> str:
    """Credits as a list in Markdown; text from the web is escaped."""
    lines = [_markdown_line(row) for row in credited_pictures(credits).iter_rows(named=True)]
    return f"# {_plain(title)}: credits\n\n" + "".join(f"- {line}\n" for line in lines)


def credits_page(credits: pl.DataFrame, *, title: str) -> str:
    """Credits as an HTML page; text from the web is escaped, so that it cannot become markup or script."""
    items = "\n".join(f"<li>{html_line(row)}</li>" for row in credited_pictures(credits).iter_rows(named=True))
    name = _html(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{name}: credits</title>\n'
        f"<h1>{name}: credits</h1>\n<ul>\n{items}\n</ul>\n</html>\n"
    )


def _markdown_line(row: dict[str, str | None]) -> str:
    def link(text: str | None, address: str | None) -> str:
        label = _plain(text or address or "")
        return f"[{label}](<{_address(address)}>)" if _address(address) else label

    return _line(row, link, _plain)


def html_line(row: dict[str, str | None]) -> str:
    """Row of `credited` as HTML; its text is escaped, and only http and https addresses are links."""

    def link(text: str | None, address: str | None) -> str:
        label = _html(text or address or "")
        return f'<a href="{html.escape(_address(address))}">{label}</a>' if _address(address) else label

    return _line(row, link, _html)


def _line(row, link, plain) -> str:
    """Credit in the form “Title” by Author, license; changes (picture)."""
    title = link(f"“{row['title']}”" if row["title"] else "Untitled", row["page_url"] or row["url"])
    author = link(row["creator"] or "unknown author", row["creator_url"])
    license = link(row["license"] or "no license stated", row["license_url"])
    return f"{title} by {author}, {license}; {plain(row['changes'])} ({link('picture', row['url'])})"


def _address(text: str | None) -> str:
    """Address `text` if it is an http or https address that is safe between `<` and `>`, otherwise empty."""
    if text is None or not re.match(r"^https?://[^\s<>\"'`\\\x00-\x1f]+$", text, re.IGNORECASE):
        return ""
    return text


def _plain(text: str) -> str:
    """Text on one line, with Markdown's special characters escaped."""
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", _on_one_line(text)), quote=False)


def _html(text: str) -> str:
    """Text on one line, with HTML's special characters escaped."""
    return html.escape(_on_one_line(text))


def _on_one_line(text: str) -> str:
    """Text without line breaks, control characters, and marks that change the direction of the text."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]+", " ", text)
