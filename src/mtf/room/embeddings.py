"""The faces' embeddings, where screening made some."""

from __future__ import annotations

import numpy as np
import polars as pl

from mtf.workspace import Workspace


def load(workspace: Workspace, faces: pl.DataFrame) -> np.ndarray | None:
    """(faces, dimensions), unit length, in the order of `faces`; zeros for a face without; None where there is none."""
    return None
