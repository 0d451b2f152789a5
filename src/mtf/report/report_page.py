"""Report page: one HTML file that works offline, with plotly.js, a first screen, and sections of tables, charts and
galleries. `vendored/` has a plotly.js with the traces of the report alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from mtf.core import html_templates

if TYPE_CHECKING:
    # Imported where a chart is made: takedowns need the thumbnails of a page, and not its charts.
    import plotly.graph_objects as go

# Paul Tol's "bright" scheme, distinguishable with colour blindness, readable on light and dark backgrounds.
COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#999999")


def rendered(sections: Sequence[PageSection], *, overview: Overview, title: str, version: str, contact: str) -> str:
    """Report as one HTML page. All content is escaped; scripts and styles are the page's own."""
    import plotly.io

    environment = html_templates.environment("mtf.report")
    environment.filters["code"] = _with_code
    filters = next((section.filters for section in sections if section.filters), {})
    return environment.get_template("page.html.jinja").render(
        title=title,
        version=version,
        contact=contact,
        overview=overview,
        sections=sections,
        charts=html_templates.in_script(plotly.io.json.to_json_plotly(_figures(sections))),
        filters=html_templates.in_script(json.dumps(filters, ensure_ascii=False)),
        plotly=_own("vendored/plotly.min.js"),
        style=_own("templates/page.css"),
        script=_own("templates/page.js"),
    )


def _figures(sections: Sequence[PageSection]) -> dict[str, object]:
    return {chart.name: chart.as_json for section in sections for chart in section.charts}


def _with_code(text: str) -> Markup:
    """Text as HTML, with what stands between backticks as code; all of it is escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def _own(name: str) -> Markup:
    text = resources.files("mtf.report").joinpath(name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)


@dataclass(frozen=True)
class Fact:
    """Fact of the first screen.

    - `name`: what it is about;
    - `says`: its lines, the headline first;
    - `section`: section of the page with the details.
    """

    name: str
    says: Sequence[str]
    section: str


@dataclass(frozen=True)
class Overview:
    """First screen.

    - `is_publishable`: True if neither the gates nor the audit forbid a release;
    - `reasons`: why, or why not;
    - `facts`: in their order.
    """

    is_publishable: bool
    reasons: Sequence[str]
    facts: Sequence[Fact]


@dataclass(frozen=True)
class PageTable:
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
    table: PageTable
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
class PageSection:
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
    tables: Sequence[tuple[str, PageTable]] = ()
    galleries: Sequence[Gallery] = ()
    links: Sequence[tuple[str, str]] = ()
    pictures: Sequence[tuple[str, str]] = ()
    filters: dict[str, Any] = field(default_factory=dict)
    folded: Sequence[tuple[str, PageTable]] = ()


def bars(names: Sequence[str], values: Sequence[float], *, title: str, colour: str = COLOURS[0]) -> go.Figure:
    """Horizontal bar chart, the first bar on top."""
    from plotly.graph_objects import Bar, Figure

    figure = Figure(Bar(x=list(values), y=list(names), orientation="h", marker_color=colour))
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
