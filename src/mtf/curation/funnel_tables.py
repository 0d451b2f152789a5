"""Funnel and split tables for the terminal, from the metrics files only."""

from __future__ import annotations

from typing import Any

from rich.table import Column, Table

from mtf.curation.steps import title_of

IMAGES, CROPPED = "images downloaded", "faces cropped"


def left_by_step(metrics: dict[str, Any]) -> list[tuple[str, int]]:
    """Title of each step with the number of images or faces left, from `metrics/curate.json`."""
    start = [(IMAGES, metrics["images"]["count"]), (CROPPED, metrics["cropped"]["faces"])]
    return start + [(title_of(step), figures["faces"]) for step, figures in metrics["steps"].items()]


def funnel_table(metrics: dict[str, Any]) -> Table:
    """Funnel table: faces left after each step, and the reasons for the dropped ones; `metrics` is
    `metrics/curate.json`.
    """
    table = Table("Step", _number("Left"), _number("Identities"), _number("Dropped"), "Why")
    table.add_row(
        IMAGES, _grouped_digits(metrics["images"]["count"]), _grouped_digits(metrics["images"]["identities"]), "", ""
    )
    table.add_row(
        CROPPED, _grouped_digits(metrics["cropped"]["faces"]), _grouped_digits(metrics["cropped"]["identities"]), "", ""
    )
    for step, figures in metrics["steps"].items():
        dropped = figures["dropped"]
        table.add_row(
            title_of(step),
            _grouped_digits(figures["faces"]),
            _grouped_digits(figures["identities"]),
            _grouped_digits(sum(dropped.values())),
            ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in dropped.items()),
        )
    return table


def undetected_table(figures: dict[str, dict[str, Any]]) -> Table:
    """Table of the images without a detected face, by group; `figures` is `undetected` of `metrics/crop.json`."""
    table = Table("Images without a face", _number("Share"), _number("Difference, in points"))
    for attribute, of_groups in figures.items():
        gap = f"{100 * of_groups['gap']:.1f}" if "gap" in of_groups else "cannot be said"
        for place, (label, share) in enumerate(of_groups["shares"].items()):
            table.add_row(f"{attribute} {label}", f"{share:.1%}", "" if place else gap)
    return table


def split_table(metrics: dict[str, Any]) -> Table:
    """Split table: faces and shares by split, and faces by label; `metrics` is `metrics/split.json`."""
    table = Table("", *(_number(name) for name in metrics["faces"]))
    table.add_row("faces", *(_grouped_digits(count) for count in metrics["faces"].values()))
    table.add_row("share", *(f"{share:.1%}" for share in metrics["shares"].values()))
    table.add_row("identities", *(_grouped_digits(count) for count in metrics["identities"].values()))
    for column, labels in metrics["labels"].items():
        for label, counts in labels.items():
            table.add_row(f"{column} {label}", *(_grouped_digits(count) for count in counts.values()))
    return table


def _number(title: str) -> Column:
    return Column(title, justify="right")


def _grouped_digits(count: int) -> str:
    return f"{count:,}"
