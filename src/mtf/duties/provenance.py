"""Data Provenance Standards 1.0.0 of the Data & Trust Alliance: 22 fields in three groups (source, provenance, use).

https://dataandtrustalliance.org/our-initiatives/data-provenance-standards; names and forms of the JSON fields as in its
schema `data-provenance-standard-1.0.0`. Three of the 22 fields are pairs or triples in JSON: where the data may be
processed, where they may be stored, and what is proprietary in them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from mtf.duties import composition, origin
from mtf.duties.document import Document, Item, Section, Template
from mtf.duties.tables import Tables, View
from mtf.release.facts import collection_type

STANDARD = "1.0.0"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
_SEPARATOR = ";"


def title(view: View) -> str:
    return view.params.project.title


def identifier(view: View) -> str:
    """UUID of this version, the same whenever it is computed."""
    params = view.params
    name = f"{params.project.contact}#{params.project.name}/{params.release.version}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def location(view: View) -> str | None:
    return view.card.url


def issuer(view: View) -> str | None:
    return view.card.publisher or ", ".join(view.card.creators) or None


def description(view: View) -> str | None:
    return view.card.description


def origins(view: View) -> str:
    return ", ".join(sorted(view.images["source"].unique()))


def issue_date(view: View) -> str | None:
    day = view.params.release.date or view.card.published
    return None if day is None else day.isoformat()


def previous(view: View) -> str | None:
    before = view.params.release.previous
    return None if before is None else f"The version before is {before}."


def method(view: View) -> str:
    return ", ".join(sorted({collection_type(source) for source in view.images["source"].unique()}))


def data_format(view: View) -> str:
    return f"image/jpeg, {_size(view)}; tables as Parquet and CSV"


def _size(view: View) -> str:
    """Size of the pictures in words."""
    release = view.params.release
    return f"{'' if release.enlarge else 'at most '}{release.size_px} × {release.size_px} pixels"


def protection(view: View) -> str:
    return (
        f"Faces are cut out of the pictures and resized to {_size(view)}; metadata in the files "
        "(place, camera, author) is removed."
    )


def license_to_use(view: View) -> str:
    return view.params.release.license


FIELDS = Template(
    name="data_provenance",
    title="Data Provenance Standards: 22 fields",
    source="Data & Trust Alliance, Data Provenance Standards 1.0.0, https://dataandtrustalliance.org",
    sections=(
        Section(
            "Source",
            (
                Item("dps_version", "Standards version used", (lambda _: STANDARD,)),
                Item("dps_title", "Dataset title", (title,)),
                Item("dps_id", "Unique metadata identifier", (identifier,)),
                Item("dps_location", "Metadata location", (location,)),
                Item("dps_issuer", "Dataset issuer", (issuer,)),
                Item("dps_description", "Description of the dataset", (description, composition.data_set)),
            ),
        ),
        Section(
            "Provenance",
            (
                Item("dps_source_metadata", "Source metadata for dataset", optional=True),
                Item("dps_origin", "Source, if different from the issuer", (origins,)),
                Item("dps_origin_geography", "Data origin geography (countries, separated by ;)", by_people=True),
                Item("dps_date", "Dataset issue date", (issue_date,)),
                Item("dps_previous_date", "Date of the previously issued version", (previous,), optional=True),
                Item("dps_generation_period", "Range of dates for data generation", (origin.period,)),
                Item("dps_generation_method", "Method", (method,)),
                Item("dps_format", "Data format", (data_format,)),
            ),
        ),
        Section(
            "Use",
            (
                Item(
                    "dps_classification", "Confidentiality classification", (composition.biometric, composition.racial)
                ),
                Item(
                    "dps_consents",
                    "Consent documentation location",
                    (origin.consents, origin.consent_scopes),
                    optional=True,
                ),
                Item("dps_privacy_enhancing", "Privacy enhancing technologies or tools applied", (protection,)),
                Item("dps_processing_geography", "Data processing geography: included; excluded", by_people=True),
                Item("dps_storage_geography", "Data storage geography: allowed; forbidden", by_people=True),
                Item("dps_license", "License to use", (license_to_use, origin.licenses)),
                Item("dps_intended_purpose", "Intended data use", (composition.purposes,), answers=("intended_uses",)),
                Item("dps_proprietary", "Proprietary data presence (copyright, patent, trademark)", (origin.licenses,)),
            ),
        ),
    ),
)


def as_json(document: Document, tables: Tables) -> Mapping[str, Any]:
    """Fields as the standard's JSON, without unanswered ones; and beside them their tables and what is unanswered."""
    texts = {each.item.key: [sentence.text for sentence in each.sentences] for each in document.items}
    groups: dict[str, dict[str, Any]] = {"source": {}, "provenance": {}, "use": {}}
    for group, name, key, form in _FORMS:
        value = form(texts[key], View(tables)) if texts[key] else None
        if value not in (None, [], {}):
            groups[group][name] = value
    return {
        **groups,
        "unanswered": [item.key for item in document.unanswered],
        "tables": {
            each.item.key: sorted({table for sentence in each.sentences for table in sentence.tables})
            for each in document.items
            if each.sentences
        },
    }


Texts = list[str]
Form = Callable[[Texts, View], Any]


def _joined(texts: Texts, _: View) -> str:
    return " ".join(texts)


def _first(texts: Texts, _: View) -> str:
    return texts[0]


def _listed(texts: Texts, _: View) -> Texts:
    return texts


def _named(texts: Texts, _: View) -> list[dict[str, str]]:
    return [{"name": name.strip()} for name in texts[0].split(",") if name.strip()]


def _countries(texts: Texts, _: View) -> list[dict[str, str]]:
    return [{"country": name.strip()} for name in texts[0].split(_SEPARATOR) if name.strip()]


def _generation(_: Texts, view: View) -> dict[str, str]:
    return dict(zip(("start", "end"), origin.fetched(view), strict=False))


def _methods(texts: Texts, _: View) -> list[dict[str, str]]:
    return [{"code": name.strip(), "system": RAI} for name in texts[0].split(",")]


def _classified(texts: Texts, _: View) -> list[dict[str, Any]]:
    return [{"regulation": {"code": "GDPR article 9", "description": text}, "evaluated": True} for text in texts]


def _tools(texts: Texts, _: View) -> list[dict[str, Any]]:
    category = {"code": "de-identification", "description": texts[0]}
    return [{"tool": "mtf", "tool-category": category, "tool-used": "mtf", "result": texts}]


def _purposes(texts: Texts, view: View) -> list[dict[str, str]]:
    uses = {purpose: purpose.replace("_", " ") for purpose in view.params.release.purposes}
    named = [*uses.items(), *(("other", text) for text in texts[:-1])]
    return [{"code": code, "description": text} for code, text in named]


# Group, name of the JSON field, key of the item, form of its value.
_FORMS: tuple[tuple[str, str, str, Form], ...] = (
    ("source", "version", "dps_version", _first),
    ("source", "title", "dps_title", _first),
    ("source", "id", "dps_id", _first),
    ("source", "location", "dps_location", _first),
    ("source", "issuer", "dps_issuer", _named),
    ("source", "description", "dps_description", _joined),
    ("provenance", "source", "dps_source_metadata", _joined),
    ("provenance", "origin", "dps_origin", _named),
    ("provenance", "origin-geography", "dps_origin_geography", _countries),
    ("provenance", "date", "dps_date", _first),
    ("provenance", "previous-date", "dps_previous_date", _first),
    ("provenance", "generation-period", "dps_generation_period", _generation),
    ("provenance", "generation-method", "dps_generation_method", _methods),
    ("provenance", "format", "dps_format", _listed),
    ("use", "classification", "dps_classification", _classified),
    ("use", "consents", "dps_consents", _listed),
    ("use", "privacy-enhancing", "dps_privacy_enhancing", _tools),
    ("use", "processing-included", "dps_processing_geography", _countries),
    ("use", "storage-allowed", "dps_storage_geography", _countries),
    ("use", "license", "dps_license", _listed),
    ("use", "intended-purpose", "dps_intended_purpose", _purposes),
    ("use", "copyright", "dps_proprietary", _listed),
)
