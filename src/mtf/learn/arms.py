"""The data sets that MTF's Table 9 compares, with a third between its two, and one test that all of them can take.

The paper tests each set on a part of itself. A part of the crops that nobody looked at has wrong labels in it, so a
network is marked down for being right; the common test part, which people curated, tells the two apart.
"""

from __future__ import annotations

import polars as pl

from mtf.curation import funnel, screened
from mtf.curation.components import components
from mtf.curation.split import assigned
from mtf.curation.units import TOGETHER
from mtf.params import Params
from mtf.tables import FACE

ARMS = ("non_curated", "screened", "curated")
WITHHELD = "withheld"


def arms(
    splits: pl.DataFrame, non_curated: pl.DataFrame, screening: pl.DataFrame, params: Params
) -> dict[str, pl.DataFrame]:
    """Arm → its faces, as the table `splits`: `non_curated` has every crop with the roster's labels, `screened` those
    of them within the limits of `curate.screened`, one per duplicate group, and `curated` what people kept.

    The first two are divided by the shares of the curated split, without its least numbers. Where a face of the
    curated test part, or one tied to it, would be trained or tuned on, its `split` is WITHHELD instead.
    """
    raw = non_curated.sort(FACE)
    own = {
        "non_curated": _divided(raw, params),
        "screened": _divided(within_limits(raw, screening, params), params),
        "curated": splits,
    }
    tied = tied_to(splits.filter(split="test"), raw)
    return {name: _guarded(own[name], tied) for name in ARMS}


def within_limits(faces: pl.DataFrame, screening: pl.DataFrame, params: Params) -> pl.DataFrame:
    """The `faces` that a machine alone would keep, in their columns."""
    measured = faces.join(screening.drop("image_id"), on=FACE, how="left", maintain_order="left")
    return funnel.run(measured, screened.steps(params.curate.screened)).kept.select(faces.columns)


def tied_to(tested: pl.DataFrame, everything: pl.DataFrame) -> pl.DataFrame:
    """The faces of `everything` (columns identity, face_id, image_id, duplicate_group) that show what `tested` shows.

    They are those faces, all of their source images, and all in a duplicate group with one of either, directly or by
    way of others: `everything` knows of ties over faces that the curated set dropped.
    """
    numbered = everything.select(*FACE, component=pl.Series(components(everything, TOGETHER)))
    marked = numbered.join(tested.select(FACE), on=FACE, how="semi")["component"].unique()
    return numbered.filter(pl.col("component").is_in(marked.to_list())).select(FACE)


def _divided(faces: pl.DataFrame, params: Params) -> pl.DataFrame:
    unbound = params.split.model_copy(update={"min_train": 0, "min_val": 0, "min_test": 0})
    return assigned(faces, columns=list(params.columns), split=unbound, seed=params.seed)


def _guarded(faces: pl.DataFrame, tied: pl.DataFrame) -> pl.DataFrame:
    marked = faces.join(tied.with_columns(tied=pl.lit(value=True)), on=FACE, how="left", maintain_order="left")
    leaks = pl.col("tied").fill_null(value=False) & (pl.col("split") != "test")
    return marked.with_columns(split=pl.when(leaks).then(pl.lit(WITHHELD)).otherwise("split")).drop("tied")
