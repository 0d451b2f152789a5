"""What Lightning says of every training, and nobody can act on."""

from __future__ import annotations

import logging
import warnings
from typing import Any


def quieten() -> None:
    """Lightning's advice on workers and batches does not fit batches that are gathered from memory.

    Each process has its own loggers and filters: a device's has to be told again.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    advice: dict[str, Any] = {"category": UserWarning, "module": r"lightning\..*"}
    warnings.filterwarnings("ignore", message=".*does not have many workers.*", **advice)
    warnings.filterwarnings("ignore", message=".*number of training batches.*", **advice)
