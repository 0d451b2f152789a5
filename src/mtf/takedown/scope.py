"""Scope of a takedown: the people, images and faces that the requests name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from mtf.forget.history import FileVersion


@dataclass
class TakedownScope:
    """`whole` are identities to be erased altogether; `affected` all who have an erased image; `revisions` those in
    which an erased face is known. `sizes` are the erased images' sizes in bytes: None where one's is not known.
    `unread` are shards whose pictures could not be compared with the looks that are asked for, and why.
    """

    whole: set[str] = field(default_factory=set)
    affected: set[str] = field(default_factory=set)
    image_ids: set[str] = field(default_factory=set)
    face_ids: set[str] = field(default_factory=set)
    revisions: set[str] = field(default_factory=set)
    sizes: set[int] | None = None
    unread: list[tuple[FileVersion, str]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """What a file of an erased picture is called, but for its extension."""
        return self.image_ids | self.face_ids

    def may_be(self, size_bytes: int) -> bool:
        """Whether a file of this size may be an erased image."""
        return bool(self.image_ids) and (self.sizes is None or size_bytes in self.sizes)

    def rows_in(self, table: pl.DataFrame) -> int:
        """How many rows of a table are about an erased person, image or face."""
        about = [
            is_one_of(column, wanted)
            for column, wanted in (
                ("identity", self.whole),
                ("image_id", self.image_ids),
                ("face_id", self.face_ids),
            )
            if column in table.columns
        ]
        return table.filter(pl.any_horizontal(about)).height if about else 0

    def plain(self) -> dict[str, list[str]]:
        return {name: sorted(getattr(self, name)) for name in ("whole", "affected", "image_ids", "face_ids")}


def is_one_of(column: str, values: Collection[str]) -> pl.Expr:
    """True in the rows whose `column` is one of `values`."""
    return pl.col(column).is_in(list(values))
