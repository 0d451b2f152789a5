"""Page `index.html` on a release: what it is in a screen, and its description for search engines.

The description is the release's Croissant document, which is schema.org's `Dataset` with more terms; it stands in the
page as JSON-LD, as https://schema.org/docs/gs.html and data search engines ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mtf.release import citation
from mtf.release.card import Card
from mtf.release.facts import Facts

NAME = "index.html"


def rendered(facts: Facts, card: Card, described: Mapping[str, Any]) -> str:
    """Page as HTML; all text is escaped. `described` is the Croissant document."""
    environment = Environment(
        loader=PackageLoader("mtf.release", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = json.dumps(described, ensure_ascii=False, indent=1)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return environment.get_template("index.html.jinja").render(
        facts=facts,
        card=card,
        described=described,
        citation=citation.bibtex(facts, card),
        json_ld=Markup(safe),  # noqa: S704 (JSON that cannot end its element)
    )
