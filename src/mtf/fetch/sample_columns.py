"""Columns of a sample: those of the list, img2dataset's, and this program's, each with its Arrow type."""

from __future__ import annotations

import pyarrow as pa

PICTURE = "jpg"
"""Ending, and key in webdataset, of all pictures, whatever their format: so img2dataset names them. `media_type` tells
the format, and decoders find it out themselves."""

LIST_COLUMNS = ("caption", "url", "page_url", "claim")
"""Names that `ListColumns.renamed` gives to columns of the list."""

_IMG2DATASET_COLUMNS = {
    "key": pa.string(),
    "status": pa.string(),
    "error_message": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "original_width": pa.int32(),
    "original_height": pa.int32(),
}
_EXIF = {"exif": pa.string()}
_SHA256 = {"sha256": pa.string()}
_OWN_COLUMNS = {
    "outcome": pa.string(),
    "http_status": pa.int32(),
    "media_type": pa.string(),
    "size_bytes": pa.int64(),
    "fetched_at": pa.string(),
    "robots": pa.string(),
    "opt_out": pa.string(),
    "signals": pa.string(),
    "license": pa.string(),
    "license_url": pa.string(),
    "license_status": pa.string(),
    "license_statement": pa.string(),
    "creator": pa.string(),
    "creator_url": pa.string(),
}

RESERVED = frozenset({*LIST_COLUMNS, *_IMG2DATASET_COLUMNS, *_EXIF, *_SHA256, *_OWN_COLUMNS, PICTURE})
"""Columns of a sample that no further column of a list may replace."""


def schema(of_list: pa.Schema, *, has_exif: bool) -> pa.Schema:
    """Schema of a shard's table: the list's columns, img2dataset's, then this program's."""
    columns = _IMG2DATASET_COLUMNS | (_EXIF if has_exif else {}) | _SHA256 | _OWN_COLUMNS
    fields = [pa.field(each.name, pa.string() if pa.types.is_null(each.type) else each.type) for each in of_list]
    return pa.schema([*fields, *(pa.field(name, kind) for name, kind in columns.items())])
