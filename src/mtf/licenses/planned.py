"""The pictures that a release would publish, built or not: what is to be held to its terms before it is."""

from __future__ import annotations

import polars as pl

from mtf.errors import BadInput
from mtf.licenses.findings import KEYS
from mtf.licenses.stored import table
from mtf.params import Params
from mtf.workspace import Workspace

NON_CURATED = "non_curated"


def pictures(workspace: Workspace, params: Params) -> pl.LazyFrame:
    """identity and image_id of each picture that `release.variants` shows, once.

    The data set is the split's, or the curated one where nothing is split yet. Raises BadInput before that.
    """
    found = known(workspace, params)
    if found is None:
        raise BadInput("no data set to audit; run `mtf curate` first (`dvc repro`)")
    return found


def known(workspace: Workspace, params: Params) -> pl.LazyFrame | None:
    """`pictures`, or None where nothing is curated yet. Raises BadInput for a table that is not readable."""
    data_set = _data_set(workspace)
    if data_set is None:
        return None
    variants = set(params.release.variants)
    parts = [data_set] if variants - {NON_CURATED} else [data_set.clear()]
    # A published data set that was opened as a project has a split and nothing else.
    if NON_CURATED in variants and workspace.table("curate", "non_curated").is_file():
        parts.append(table(workspace, "curate", "non_curated", KEYS))
    return pl.concat(parts).unique()


def _data_set(workspace: Workspace) -> pl.LazyFrame | None:
    for stage, name in (("split", "splits"), ("curate", "curated")):
        if workspace.table(stage, name).is_file():
            return table(workspace, stage, name, KEYS)
    return None
