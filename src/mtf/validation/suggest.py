"""Thresholds for `gates` that the data set at hand meets, with some room: a start for one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl
import yaml

from mtf.params import Gates

ROOM = 0.25  # of the figure itself, to the side that is the worse


def suggested(figures: Mapping[str, pl.DataFrame], before: Gates) -> dict[str, Any]:
    """Values by name of the gate; those that nothing can be said of stay as they were."""
    values = before.model_dump(mode="json")
    for name, table in (("label_share", "labels"), ("pair_share", "pairs")):
        if not figures[table].is_empty():
            values[name] = _range(figures[table]["share"])
    images = figures["identities"]["images"]
    values["least_images"] = int(_number(images.min()))
    values["median_images"] = [
        max(1, math.floor(_number(images.median()) * (1 - ROOM))),
        math.ceil(_number(images.median()) / (1 - ROOM)),
    ]
    values["identity_share"] = _above(figures["identities"]["share"])
    values["split_share"] = max(0.02, _above(figures["splits"]["distance"]))
    if not figures["agreement"].is_empty():
        alpha = _number(figures["agreement"]["alpha"].min())
        values["agreement"] = round(alpha - ROOM * (1 - alpha), 3)
    return values


def as_yaml(values: dict[str, Any]) -> str:
    """The section as it stands in params.yaml, pairs and lists on one line."""
    return yaml.safe_dump({"gates": values}, sort_keys=False, default_flow_style=None, width=110)


def _range(shares: pl.Series) -> list[float]:
    return [round(_number(shares.min()) * (1 - ROOM), 4), _above(shares)]


def _above(shares: pl.Series) -> float:
    return round(min(1.0, _number(shares.max()) * (1 + ROOM)), 4)


def _number(value: Any) -> float:
    return float(value or 0)
