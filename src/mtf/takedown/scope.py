"""Scope of a takedown: the people, images and faces that the requests name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from mtf.forget.file_versions import FileVersion


@dataclass
class TakedownScope:
    """People, images and faces that a takedown erases.

    - `whole`: identities to erase altogether;
    - `affected`: identities with an erased image, `whole` included;
    - `image_ids`, `face_ids`: erased images and faces;
    - `revisions`: revisions whose tables have an erased face;
    - `sizes`: sizes of the erased images in bytes; None if one is not known;
    - `unread`: shards whose pictures could not be compared with a requested perceptual hash, with the reason.
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
        """File names of erased pictures, without extension: image_ids and face_ids."""
        return self.image_ids | self.face_ids

    def may_be_erased(self, size_bytes: int) -> bool:
        """True if a file of this size in bytes may be an erased image."""
        return bool(self.image_ids) and (self.sizes is None or size_bytes in self.sizes)

    def is_about(self, table: pl.DataFrame) -> pl.Expr:
        """Expression that is true in the rows of a table on an erased person, image or face."""
        about = [
            is_one_of(column, wanted)
            for column, wanted in (
                ("identity", self.whole),
                ("image_id", self.image_ids),
                ("face_id", self.face_ids),
            )
            if column in table.columns
        ]
        return pl.any_horizontal(about) if about else pl.lit(value=False)

    def rows_in(self, table: pl.DataFrame) -> int:
        """Number of rows of a table on an erased person, image or face."""
        return int(table.select(self.is_about(table).sum()).item()) if table.height else 0

    def plain(self) -> dict[str, list[str]]:
        """Scope as the receipt stores it, as sorted lists."""
        return {name: sorted(getattr(self, name)) for name in ("whole", "affected", "image_ids", "face_ids")}


def is_one_of(column: str, values: Collection[str]) -> pl.Expr:
    """Expression that is true in the rows whose `column` is one of `values`."""
    return pl.col(column).is_in(list(values))
