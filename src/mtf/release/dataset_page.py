"""Page `index.html` on a release: what it is in a screen, and its description for search engines.

The description is the release's Croissant document, which is schema.org's `Dataset` with more terms; it stands in the
page as JSON-LD, as https://schema.org/docs/gs.html and data search engines ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mtf.core import html_templates
from mtf.release import citation
from mtf.release.card import Card
from mtf.release.facts import Facts

NAME = "index.html"


def rendered(facts: Facts, card: Card, described: Mapping[str, Any]) -> str:
    """Page as HTML; all text is escaped. `described` is the Croissant document."""
    text = json.dumps(described, ensure_ascii=False, indent=1)
    template = html_templates.environment("mtf.release").get_template("index.html.jinja")
    return template.render(
        facts=facts,
        card=card,
        described=described,
        citation=citation.bibtex(facts, card),
        json_ld=html_templates.in_script(text),
    )
