"""Parts of a report's section: tables, charts, galleries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

# Paul Tol's "bright" scheme, distinguishable with colour blindness, readable on light and dark backgrounds.
COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#999999")


@dataclass(frozen=True)
class Table:
    """Table.

    - `header`, `rows`: its cells;
    - `numeric`: number of columns at the right that are right-aligned.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: int = 1


@dataclass(frozen=True)
class Chart:
    """Chart.

    - `name`: id of its element;
    - `title`: heading;
    - `says`: description for people who cannot see it;
    - `figure`: plotly figure;
    - `table`: its numbers;
    - `height_px`: height in pixels.
    """

    name: str
    title: str
    says: str
    figure: go.Figure
    table: Table
    height_px: int = 360

    @property
    def as_json(self) -> dict[str, Any]:
        """Figure for plotly.js; the page sets the colours of text and grid for light and dark mode."""
        return self.figure.to_plotly_json() | {"height": self.height_px}


@dataclass(frozen=True)
class Gallery:
    """Group of small pictures.

    - `caption`: text above them;
    - `pictures`: `data:` addresses with alternative texts;
    - `credits`: credit of each picture, in the same order.
    """

    caption: str
    pictures: Sequence[tuple[str, str]]
    credits: Sequence[Markup]


@dataclass(frozen=True)
class Section:
    """Section of the report.

    - `name`, `title`: id of its element, and heading;
    - `says`: paragraphs of plain text;
    - `charts`, `tables`, `galleries`: its contents; a table has a title;
    - `links`: addresses with texts;
    - `pictures`: larger pictures as `data:` addresses with captions, collapsed at first;
    - `filters`: data of the charts that the page draws and filters, empty for other sections;
    - `folded`: tables that are collapsed at first.
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
    """Horizontal bar chart, the first bar on top."""
    figure = go.Figure(go.Bar(x=list(values), y=list(names), orientation="h", marker_color=colour))
    figure.update_layout(xaxis_title=title, yaxis={"autorange": "reversed", "automargin": True})
    return figure


def bars_height_px(count: int) -> int:
    """Height in pixels of a chart with `count` horizontal bars."""
    return 70 + 30 * max(1, count)


def number(value: float) -> str:
    """Number with thousands separators; a float has three decimals."""
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def percent(share: float) -> str:
    """Share, 0 to 1, in per cent with one decimal."""
    return f"{100 * share:.1f} %"
