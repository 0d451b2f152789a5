"""Table that `mtf embed` writes: a vector for each face, or the reason why there is none."""

from __future__ import annotations

import polars as pl

EMBEDDINGS: dict[str, pl.DataType] = {
    "path": pl.String(),
    "identity": pl.String(),
    "face_id": pl.String(),
    "x": pl.Int32(),
    "y": pl.Int32(),
    "width": pl.Int32(),
    "height": pl.Int32(),
    "model": pl.String(),
    "weights_sha256": pl.String(),
    "vector": pl.List(pl.Float32),
    "problem": pl.String(),
}
"""Columns.

path: of the picture in its folder; null for faces of a stage.
identity, face_id: of faces of a stage; null for a folder.
x, y, width, height: box in the pixels of the upright picture; null where no face is found.
model: name of the embedding, or the file of the network.
weights_sha256: digests of its weights, with a blank between several; null without weights.
vector: of length one; null where there is none.
problem: why there is no vector; null where there is one.
"""
