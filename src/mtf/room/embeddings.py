"""The faces' embeddings, where screening made some."""

from __future__ import annotations

import numpy as np
import polars as pl

from mtf import shards
from mtf.workspace import Workspace


def load(workspace: Workspace, faces: pl.DataFrame) -> np.ndarray | None:
    """(faces, dimensions) in the order of `faces`, of length one, 16 bits each; None where there are none.

    A face without an embedding has zeros. The rows of screening's shards carry them as bytes.
    """
    found = [rows for identity in faces["identity"].unique().sort() if (rows := _of(workspace, identity)) is not None]
    if not found:
        return None
    joined = faces.join(pl.concat(found), on=["identity", "face_id"], how="left", maintain_order="left")["embedding"]
    stored: list[bytes | None] = joined.to_list()
    size = max((len(one) for one in stored if one is not None), default=0)
    data = b"".join(one if one is not None and len(one) == size else bytes(size) for one in stored)
    return np.frombuffer(data, np.float16).reshape(faces.height, size // 2) if size else None


def _of(workspace: Workspace, identity: str) -> pl.DataFrame | None:
    path = workspace.shard("screen", identity)
    if not path.is_file():
        return None
    rows = shards.rows_of(path)
    return rows.select("identity", "face_id", "embedding") if "embedding" in rows.columns else None
