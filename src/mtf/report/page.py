"""Report page: sections, charts and plotly.js in one HTML file that works offline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources

import plotly.io
import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mtf.report.parts import Section


def rendered(sections: Sequence[Section], *, title: str, version: str, contact: str) -> str:
    """Report as one HTML page. All content is escaped; scripts and styles are the page's own."""
    environment = Environment(
        loader=PackageLoader("mtf.report", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        title=title,
        version=version,
        contact=contact,
        sections=sections,
        charts=_in_script(plotly.io.json.to_json_plotly(_figures(sections))),
        filters=_in_script(json.dumps(next((s.filters for s in sections if s.filters), {}), ensure_ascii=False)),
        plotly=Markup(plotly.offline.get_plotlyjs()),  # noqa: S704 (the library's own script)
        style=_own("page.css"),
        script=_own("page.js"),
    )


def _figures(sections: Sequence[Section]) -> dict[str, object]:
    return {chart.name: chart.as_json for section in sections for chart in section.charts}


def _in_script(text: str) -> Markup:
    """JSON escaped so that it cannot end the script element around it."""
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _own(name: str) -> Markup:
    text = resources.files("mtf.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)
