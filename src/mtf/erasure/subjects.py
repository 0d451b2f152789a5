"""Whom and what the takedowns mean, looked up in every version of the tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from mtf.erasure.history import History
from mtf.takedowns import Takedowns

IMAGES = "build/crawl/images.parquet"
FACES = "build/crop/faces.parquet"
SPLITS = "build/split/splits.parquet"


@dataclass
class Subjects:
    """`whole` are identities to be erased altogether; `affected` all who have an erased image."""

    whole: set[str] = field(default_factory=set)
    affected: set[str] = field(default_factory=set)
    image_ids: set[str] = field(default_factory=set)
    face_ids: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        """What a file of an erased picture is called, but for its extension."""
        return self.image_ids | self.face_ids


def find(takedowns: Takedowns, history: History) -> Subjects:
    """The images and faces, of any version, that a takedown names by identity, address or content."""
    subjects = Subjects(whole={record.value for record in takedowns.records if record.kind == "identity"})
    subjects.affected |= subjects.whole
    subjects.image_ids |= {record.value for record in takedowns.records if record.kind == "image_id"}
    for _, images in history.tables(IMAGES):
        for row in images.select("identity", "image_id", "url", "page_url").iter_rows(named=True):
            wanted = takedowns.of_address(identity=row["identity"], url=row["url"], page_url=row["page_url"])
            if wanted or row["image_id"] in subjects.image_ids:
                subjects.image_ids.add(row["image_id"])
    for _, images in history.tables(IMAGES):
        holding = images.filter(pl.col("image_id").is_in(sorted(subjects.image_ids)))
        subjects.affected |= set(holding["identity"])
    for _, faces in history.tables(FACES):
        of_them = pl.col("image_id").is_in(sorted(subjects.image_ids)) | pl.col("identity").is_in(
            sorted(subjects.whole)
        )
        subjects.face_ids |= set(faces.filter(of_them)["face_id"])
    return subjects
