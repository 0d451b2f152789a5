"""Suggested thresholds for `gates`, which the present data set meets with some margin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import yaml

from mtf.config import Params
from mtf.rights.audit.run import UNSTATED

ROOM = 0.25  # margin, as a share of the figure or of its distance to the bound, whichever is smaller


def suggested(figures: Mapping[str, pl.DataFrame], params: Params) -> dict[str, Any]:
    """Name of a gate → permitted value; gates without figures keep their values."""
    values = params.gates.model_dump(mode="json")
    by_task = {name: figures["labels"].filter(task=task.column) for name, task in params.tasks.items()}
    values["label_share"] = {name: _range(rows["share"]) for name, rows in by_task.items() if not rows.is_empty()}
    for name, table in (("pair_share", "pairs"), ("intersection_share", "intersections")):
        if not figures[table].is_empty():
            values[name] = _range(figures[table]["share"])
    images = figures["identities"]["images"]
    if not images.is_empty():
        values["min_images"] = int(_number(images.min()))
        median = _number(images.median())
        values["median_images"] = [max(1, math.floor(median * (1 - ROOM))), math.ceil(median / (1 - ROOM))]
        values["max_images"] = math.ceil(_number(images.max()) * (1 + ROOM))
        values["identity_share"] = _above(_number(figures["identities"]["share"].max()))
    values["split_share"] = max(0.02, _above(_number(figures["splits"]["distance"].max())))
    stated = figures["licenses"].filter(pl.col("license") != UNSTATED)
    values["license_share"] = {name: _around(share, share) for name, _, share in stated.iter_rows()}
    if not figures["agreement"].is_empty():
        values["agreement"] = _below(_number(figures["agreement"]["agreement"].min()), bound=-1)
    for name, column in (("funnel", "change"), ("drift", "distance")):
        if not figures[name].is_empty():
            values[name] = max(0.05, _above(_number(figures[name][column].max())))
    return values


def as_yaml(values: Mapping[str, Any]) -> str:
    """Section `gates` for params.yaml, pairs and lists on one line, with `remarks` as comments."""
    text = yaml.safe_dump({"gates": dict(values)}, sort_keys=False, default_flow_style=None, width=110)
    return "".join(f"# {line}\n" for line in remarks(values)) + text


def remarks(values: Mapping[str, Any]) -> Iterator[str]:
    """Remarks on values that are no real bound."""
    shares = {
        **{f"label_share.{task}": bounds for task, bounds in values["label_share"].items()},
        **{name: values[name] for name in ("pair_share", "intersection_share")},
    }
    for name, (least, most) in shares.items():
        if least == 0:
            yield f"{name} has no lower bound: some labels have no images"
        if most == 1:
            yield f"{name} has no upper bound: all images carry the same"


def _range(shares: pl.Series) -> list[float]:
    return _around(_number(shares.min()), _number(shares.max()))


def _around(least: float, most: float) -> list[float]:
    return [_below(least, bound=0), _above(most)]


def _above(share: float) -> float:
    """Upper bound: `share` plus the margin, below 1 if `share` is."""
    return _rounded(min(share * (1 + ROOM), share + ROOM * (1 - share)), up=True)


def _below(value: float, *, bound: int) -> float:
    """Lower bound: `value` minus the margin, above `bound` if `value` is."""
    room = min(abs(value) if bound == 0 else 1 - value, value - bound)
    return _rounded(value - ROOM * room, up=False)


def _rounded(value: float, *, up: bool) -> float:
    """Limit: `value` rounded away from the figure to three significant digits; 0 and 1 are kept and never reached."""
    if value in (0, 1, -1):
        return float(value)
    gap = min(abs(value), 1 - abs(value))
    step = 10.0 ** (math.floor(math.log10(gap)) - 2)
    return round((math.ceil if up else math.floor)(value / step) * step, 10)


def _number(value: Any) -> float:
    return float(value or 0)
