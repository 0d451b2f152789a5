"""Citation of a release: `CITATION.cff` (https://citation-file-format.github.io, version 1.2.0) and BibTeX.

The format requires an author. Where `data/card.yaml` names no creators, the makers of the data set are named as such.
"""

from __future__ import annotations

from datetime import date

import yaml

from mtf.release.card import Card
from mtf.release.facts import Facts

CFF_VERSION = "1.2.0"
_MESSAGE = "If you use this data set, please cite it. Name the author of each picture that you publish: CREDITS.md."


def creators(facts: Facts, card: Card) -> list[str]:
    """Names of the creators: the card's, or the makers of the data set as such."""
    return card.creators or [f"The makers of {facts.title}"]


def released_on(facts: Facts, card: Card) -> date | None:
    """Day of publication: the card's, or `release.date`, or the day on which this version of the data was committed."""
    return card.published or facts.params.release.date or facts.recorded_on


def citation_cff(facts: Facts, card: Card) -> str:
    """Text of CITATION.cff."""
    published = released_on(facts, card)
    page = card.url or facts.contact_page
    fields = {
        "cff-version": CFF_VERSION,
        "message": _MESSAGE,
        "type": "dataset",
        "title": facts.title,
        "version": facts.version,
        "date-released": published,
        "authors": [{"name": name} for name in creators(facts, card)],
        "abstract": card.description,
        "keywords": ["faces", *facts.levels],
        "license": facts.params.release.license,
        "url": page,
    }
    kept = {key: value for key, value in fields.items() if value}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=1000)


def bibtex(facts: Facts, card: Card) -> str:
    """BibTeX entry: the makers' own words (`citation` of the card), or one of title, version, creators and address."""
    if card.citation:
        return card.citation
    published, page = released_on(facts, card), card.url or facts.contact_page
    fields = {
        "title": f"{{{facts.title}}}",
        "author": " and ".join(f"{{{name}}}" for name in creators(facts, card)),
        "version": facts.version,
        "year": published and str(published.year),
        "url": page,
    }
    lines = ",\n".join(f"  {key} = {{{value}}}" for key, value in fields.items() if value)
    return f"@misc{{{facts.params.project.name},\n{lines}\n}}"
