"""By whose decision a face is in the data set: a chain of steps is as strong as its weakest."""

from __future__ import annotations

import polars as pl

from mtf.review.consensus import JOINT
from mtf.tables import FACE


def weakest(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Per face the `decided_by` of one step: a joint verdict where there was one, else the least agreement.

    `verdicts` as `mtf.review.consensus.verdicts` gives them. Columns: identity, face_id, decided_by.
    """
    order = [pl.col("decided_by") != JOINT, pl.col("agreeing") / pl.col("given"), pl.col("given")]
    first = verdicts.sort(*FACE, *order).unique(FACE, keep="first", maintain_order=True)
    return first.select(*FACE, "decided_by")
