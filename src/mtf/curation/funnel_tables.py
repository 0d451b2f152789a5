"""The funnel and the splits as tables for a terminal, from their metrics alone."""

from __future__ import annotations

from typing import Any

from rich.table import Column, Table

from mtf.curation.steps import title_of

IMAGES, CROPPED = "images downloaded", "faces cropped"


def left_by_step(metrics: dict[str, Any]) -> list[tuple[str, int]]:
    """Title of each step and the number of images or faces it left, from `metrics/curate.json`."""
    start = [(IMAGES, metrics["images"]["count"]), (CROPPED, metrics["cropped"]["faces"])]
    return start + [(title_of(step), figures["faces"]) for step, figures in metrics["steps"].items()]


def funnel_table(metrics: dict[str, Any]) -> Table:
    """The funnel: the faces each step left, and why it dropped the rest; `metrics` is `metrics/curate.json`."""
    table = Table("Step", _number("Left"), _number("Identities"), _number("Dropped"), "Why")
    table.add_row(IMAGES, _shown(metrics["images"]["count"]), _shown(metrics["images"]["identities"]), "", "")
    table.add_row(CROPPED, _shown(metrics["cropped"]["faces"]), _shown(metrics["cropped"]["identities"]), "", "")
    for step, figures in metrics["steps"].items():
        dropped = figures["dropped"]
        table.add_row(
            title_of(step),
            _shown(figures["faces"]),
            _shown(figures["identities"]),
            _shown(sum(dropped.values())),
            ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in dropped.items()),
        )
    return table


def split_table(metrics: dict[str, Any]) -> Table:
    """Faces and their shares by split, and by label; `metrics` is `metrics/split.json`."""
    table = Table("", *(_number(name) for name in metrics["faces"]))
    table.add_row("faces", *(_shown(count) for count in metrics["faces"].values()))
    table.add_row("share", *(f"{share:.1%}" for share in metrics["shares"].values()))
    table.add_row("identities", *(_shown(count) for count in metrics["identities"].values()))
    for column, labels in metrics["labels"].items():
        for label, counts in labels.items():
            table.add_row(f"{column} {label}", *(_shown(count) for count in counts.values()))
    return table


def _number(title: str) -> Column:
    return Column(title, justify="right")


def _shown(count: int) -> str:
    return f"{count:,}"
