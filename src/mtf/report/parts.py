"""What a section of the report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

# Paul Tol's "bright" scheme, which people with colour blindness can tell apart; readable on light and dark.
COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#999999")


@dataclass(frozen=True)
class Table:
    """Rows under a header; `numeric` counts the columns at the right that are aligned as numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: int = 1


@dataclass(frozen=True)
class Chart:
    """A figure with what it says in words, for those who cannot see it, and its numbers as a table."""

    name: str
    title: str
    says: str
    figure: go.Figure
    table: Table
    height_px: int = 360

    @property
    def as_json(self) -> dict[str, Any]:
        """For plotly.js. Colours of text and grid are the page's, which knows light and dark."""
        return self.figure.to_plotly_json() | {"height": self.height_px}


@dataclass(frozen=True)
class Gallery:
    """A group of small pictures: `data:` addresses with what they are of, and who made each, in their order."""

    caption: str
    pictures: Sequence[tuple[str, str]]
    credits: Sequence[Markup]


@dataclass(frozen=True)
class Section:
    """`says` are paragraphs of plain text; `folded` are tables that open when asked.

    `pictures` are `data:` addresses of larger pictures with what they show, which open when asked, too.
    `filters` marks the section that the page's filters redraw.
    """

    name: str
    title: str
    says: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[tuple[str, Table]] = ()
    galleries: Sequence[Gallery] = ()
    links: Sequence[tuple[str, str]] = ()
    pictures: Sequence[tuple[str, str]] = ()
    filters: dict[str, Any] = field(default_factory=dict)
    folded: Sequence[tuple[str, Table]] = ()


def bars(names: Sequence[str], values: Sequence[float], *, title: str, colour: str = COLOURS[0]) -> go.Figure:
    """Horizontal bars, the first on top."""
    figure = go.Figure(go.Bar(x=list(values), y=list(names), orientation="h", marker_color=colour))
    figure.update_layout(xaxis_title=title, yaxis={"autorange": "reversed", "automargin": True})
    return figure


def bars_height_px(count: int) -> int:
    """The height at which `count` horizontal bars are neither thin nor thick."""
    return 70 + 30 * max(1, count)


def number(value: float) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
