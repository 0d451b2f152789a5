"""Registry of the duty documents, by name."""

from __future__ import annotations

from dataclasses import replace

from mtf.duties import ai_act, crowdwork, notice, provenance, training_content
from mtf.duties.document import Template

TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (
        ai_act.DATA_GOVERNANCE,
        training_content.SUMMARY,
        replace(provenance.FIELDS, as_json=provenance.as_json),
        notice.ARTICLE_14,
        crowdwork.CROWDWORK,
    )
}


def keys() -> list[str]:
    """Keys that data/card.yaml may answer under `duties`, of all documents, each once."""
    return list(dict.fromkeys(key for template in TEMPLATES.values() for key in template.keys))
