"""Training sets of MTF's Table 9 (non-curated and curated), a screened one between them, and a common test part.

The paper tests each set on a part of itself. The test part of crops that nobody reviewed contains wrong labels, so a
network loses accuracy for correct answers; the common test part, which people curated, shows the difference.
"""

from __future__ import annotations

import polars as pl

from mtf.curation import funnel, screened
from mtf.curation.components import components
from mtf.curation.split import assigned
from mtf.curation.units import TOGETHER
from mtf.params import Params
from mtf.tables import FACE

TRAINING_SETS = ("non_curated", "screened", "curated")
WITHHELD = "withheld"


def training_sets(
    splits: pl.DataFrame, non_curated: pl.DataFrame, screening: pl.DataFrame, params: Params
) -> dict[str, pl.DataFrame]:
    """Training sets by name, each with the columns of the table `splits`:

    - `non_curated`: every crop, with the roster's labels;
    - `screened`: those of them within the limits of `curate.screened`, one per duplicate group;
    - `curated`: the faces that people kept.

    The first two are split by the shares of the curated split, without its minimum numbers. If a face of the curated
    test part, or one linked to it, would be in the train or val part, its `split` is WITHHELD instead.
    """
    raw = non_curated.sort(FACE)
    own = {
        "non_curated": _with_split(raw, params),
        "screened": _with_split(screened_faces(raw, screening, params), params),
        "curated": splits,
    }
    linked = linked_faces(splits.filter(split="test"), raw)
    return {name: _withhold_leaks(own[name], linked) for name in TRAINING_SETS}


def screened_faces(faces: pl.DataFrame, screening: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Faces that automatic screening alone would keep, with the columns of `faces`."""
    measured = faces.join(screening.drop("image_id"), on=FACE, how="left", maintain_order="left")
    return funnel.run(measured, screened.steps(params.curate.screened)).kept.select(faces.columns)


def linked_faces(tested: pl.DataFrame, everything: pl.DataFrame) -> pl.DataFrame:
    """Faces of `everything` that are linked to a face of `tested`: identity and face_id.

    Two faces are linked if they come from the same source image or are in the same duplicate group, directly or through
    other faces. `everything` (identity, face_id, image_id, duplicate_group) also has the links over faces that the
    curated set dropped.
    """
    numbered = everything.select(*FACE, component=pl.Series(components(everything, TOGETHER)))
    marked = numbered.join(tested.select(FACE), on=FACE, how="semi")["component"].unique()
    return numbered.filter(pl.col("component").is_in(marked.to_list())).select(FACE)


def _with_split(faces: pl.DataFrame, params: Params) -> pl.DataFrame:
    unbound = params.split.model_copy(update={"min_train": 0, "min_val": 0, "min_test": 0})
    return assigned(faces, columns=list(params.columns), split=unbound, seed=params.seed)


def _withhold_leaks(faces: pl.DataFrame, linked: pl.DataFrame) -> pl.DataFrame:
    marked = faces.join(linked.with_columns(linked=pl.lit(value=True)), on=FACE, how="left", maintain_order="left")
    leaks = pl.col("linked").fill_null(value=False) & (pl.col("split") != "test")
    return marked.with_columns(split=pl.when(leaks).then(pl.lit(WITHHELD)).otherwise("split")).drop("linked")
