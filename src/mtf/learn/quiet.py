"""Lightning's log messages and warnings that appear in every training and need no action."""

from __future__ import annotations

import logging
import warnings
from typing import Any


def silence_lightning() -> None:
    """Silence Lightning's info messages and its advice on workers and batches, which does not fit in-memory batches.

    Each process has its own loggers and filters, so that the process of each device calls this.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    advice: dict[str, Any] = {"category": UserWarning, "module": r"lightning\..*"}
    warnings.filterwarnings("ignore", message=".*does not have many workers.*", **advice)
    warnings.filterwarnings("ignore", message=".*number of training batches.*", **advice)
