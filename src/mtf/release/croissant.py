"""Croissant description `croissant.json` of a release: MLCommons' vocabulary 1.1 with its RAI extension.

It describes the files, the table of faces and the pictures joined to it, how the data set was collected, labelled and
cropped, its limitations, and the contact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from mtf.config import IDENTITY
from mtf.release.card import Card
from mtf.release.facts import Facts

NAME = "croissant.json"
VERSIONS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
# Described table: the data set's or, if there is none, that of the non-curated set.
TABLES = ("metadata.parquet", "metadata_non_curated.parquet")
PICTURES = "pictures"
ALIGNED_SENTENCE = "Each face is turned upright and scaled by its five landmarks (a similarity transform)."
WITHDRAWALS = "recall/withdrawals.txt"
Json = dict[str, Any]

_OWN = "arrayShape citeAs column containedIn equivalentProperty extract field fileProperty fileObject fileSet format"
_TERMS = (
    f"{_OWN} includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated "
    "replace samplingRate separator source subField transform"
)
CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}


def described(
    facts: Facts,
    card: Card,
    table: pl.DataFrame,
    *,
    name: str,
    table_sha256: str,
    withdrawals_sha256: str,
    license_urls: list[str],
) -> Json:
    """JSON-LD document of a release.

    - `table`: metadata of the release;
    - `name`, `table_sha256`: name of its file, one of `TABLES`, and SHA-256 (hex);
    - `withdrawals_sha256`: SHA-256 (hex) of the withdrawal list in the release;
    - `license_urls`: license of the release itself, then those of its pictures.
    """
    labels = [*facts.params.attributes, IDENTITY]
    splits = [_splits()] if "split" in table.columns else []
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": facts.params.project.name,
        "alternateName": facts.title,
        "description": card.description or _description(facts, table),
        "conformsTo": VERSIONS,
        "version": facts.version,
        "license": license_urls,
        "url": card.url or _page(facts.params.project.contact),
        "creator": [{"@type": "sc:Organization", "name": name} for name in card.creators],
        "publisher": card.publisher and {"@type": "sc:Organization", "name": card.publisher},
        "datePublished": card.published and card.published.isoformat(),
        "inLanguage": card.language,
        "citeAs": card.citation,
        "isLiveDataset": False,
        "keywords": ["faces", *facts.levels],
        **_responsible(facts, card, table),
        "distribution": [*_distribution(table, name, table_sha256), _withdrawals(withdrawals_sha256)],
        "recordSet": [_faces(table, name, labels), _pictures(table, name, labels), *splits],
    }
    return {key: value for key, value in document.items() if value is not None and value != []}


def _page(contact: str) -> str | None:
    """Contact if it is a web address, None for a mail address."""
    return contact if contact.startswith(("http://", "https://")) else None


def _description(facts: Facts, table: pl.DataFrame) -> str:
    kind = "licensed" if facts.is_licensed else "partly licensed"
    review = "reviewed by people" if _is_reviewed(facts, table) else "which no person has reviewed"
    return (
        f"{facts.title}: {table.height:,} {kind} faces of {table[IDENTITY].n_unique():,} people, {review}, "
        f"labelled by {', '.join(facts.levels)}."
    )


def _is_reviewed(facts: Facts, table: pl.DataFrame) -> bool:
    return facts.is_reviewed and "split" in table.columns


def _responsible(facts: Facts, card: Card, table: pl.DataFrame) -> Json:
    """Properties of the RAI vocabulary, from the tables and the card."""
    params = facts.params
    answer = card.answers.get
    return {
        "rai:dataCollection": (
            f"For each person of a roster, {sum(n for _, n in facts.outcomes):,} addresses were found; "
            f"{facts.images:,} pictures were stored, each with what its source states of the license. "
            f"{facts.without_face:,} held no face; {facts.faces:,} faces were cut out. "
            f"Licenses of the published pictures: {_in_words(facts.licenses)}."
        ),
        "rai:dataCollectionType": facts.collection,
        "rai:dataCollectionRawData": "; ".join(f"{source}: {count:,} pictures" for source, count in facts.sources),
        "rai:dataCollectionTimeframe": [day for day in (facts.first_fetched, facts.last_fetched) if day],
        "rai:dataCollectionMissingData": "; ".join(
            f"after the step {step.step} {step.left:,} faces are left ({_in_words(step.reasons)} left out)"
            for step in facts.funnel
            if step.reasons
        ),
        "rai:dataPreprocessingProtocol": [
            f"Faces are found by {facts.detector} and cut with a margin of {params.crop.margin_share:.0%}.",
            *([ALIGNED_SENTENCE] if params.release.alignment == "landmarks" else []),
            f"Published crops are squares resized to {params.release.size_px} × {params.release.size_px} pixels with "
            "Lanczos' filter and written as JPEG without metadata.",
        ],
        **_annotation(facts, table),
        "rai:annotatorDemographics": answer("annotators"),
        "rai:machineAnnotationTools": [facts.detector],
        "rai:dataBiases": facts.imbalances if "split" in table.columns else [],
        "rai:dataLimitations": answer("limitations"),
        "rai:dataUseCases": answer("intended_uses"),
        "rai:dataSocialImpact": answer("impact"),
        "rai:personalSensitiveInformation": [
            "The pictures show identifiable people, named in the metadata.",
            *(f"The label {column} is given for every picture." for column in params.attributes),
            "A license from the owner of a picture's copyright is not the consent of the person in it.",
        ],
        "rai:dataReleaseMaintenancePlan": (
            f"{answer('maintenance') or ''} Withdrawn pictures of this and all earlier releases: "
            f"{params.release.withdrawals_url or WITHDRAWALS}; recall/recall.py removes them from a copy. "
            f"Takedowns and corrections: {params.project.contact}"
        ).strip(),
    }


def _annotation(facts: Facts, table: pl.DataFrame) -> Json:
    """Properties on annotation by people."""
    if not _is_reviewed(facts, table):
        return {
            "rai:dataAnnotationProtocol": "Labels come from the roster; nobody has compared them with the pictures."
        }
    return {
        "rai:dataAnnotationProtocol": (
            "Labels come from the roster and are checked, face by face, against the steps "
            f"{', '.join(step.step for step in facts.funnel)}; a face that the reviewers do not agree on is held back."
        ),
        "rai:annotationsPerItem": str(facts.params.curate.reviewers),
        "rai:dataAnnotationAnalysis": [
            *(f"{step}: {_figures(figures)}" for step, figures in facts.agreement.items()),
            *facts.certified,
        ],
    }


def _in_words(reasons: list[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons)


def _figures(figures: object) -> str:
    if not isinstance(figures, dict):
        return str(figures)
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())


def _distribution(table: pl.DataFrame, name: str, sha256: str) -> list[Json]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "description": "One row per face: file, split, labels, title, author, license and source.",
            "contentUrl": name,
            "encodingFormat": "application/x-parquet",
            "sha256": sha256,
        },
        {
            "@type": "cr:FileSet",
            "@id": PICTURES,
            "name": PICTURES,
            "description": "The published crops.",
            "encodingFormat": "image/jpeg",
            "includes": f"{_root(table)}/**/*.jpg",
        },
    ]


def _withdrawals(sha256: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": WITHDRAWALS,
        "name": WITHDRAWALS,
        "description": "Digests and perceptual codes of the withdrawn pictures, as of this release.",
        "contentUrl": WITHDRAWALS,
        "encodingFormat": "text/plain",
        "sha256": sha256,
    }


def _root(table: pl.DataFrame) -> str:
    """Folder with all files of the table: the variant and, for a single-task variant, its task."""
    parts = [path.split("/")[: 2 if path.startswith("single_task") else 1] for path in table["file"].head(1)]
    return "/".join(parts[0]) if parts else "multi_task"


def _faces(table: pl.DataFrame, source: str, labels: Sequence[str]) -> Json:
    return {
        "@type": "cr:RecordSet",
        "@id": "faces",
        "name": "faces",
        "description": "The metadata of every published face.",
        "key": {"@id": "faces/file"},
        "field": [_column("faces", name, source, labels) for name in table.columns if table.schema[name] == pl.String],
    }


def _column(record_set: str, name: str, source: str, labels: Sequence[str]) -> Json:
    field = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": f"{record_set}/{name}",
        "dataType": ["sc:Text", "cr:Label"] if name in labels else "sc:Text",
        "source": {"fileObject": {"@id": source}, "extract": {"column": name}},
    }
    if name == "split":
        field["references"] = {"field": {"@id": "splits/name"}}
        field["dataType"] = ["sc:Text", "cr:Split"]
    return field


def _pictures(table: pl.DataFrame, source: str, labels: Sequence[str]) -> Json:
    """Record set of the pictures, joined to the table by the path of the file."""
    columns = [name for name in table.columns if name not in ("file", "sha256", "split")]
    return {
        "@type": "cr:RecordSet",
        "@id": "labelled_pictures",
        "name": "labelled_pictures",
        "description": "Every picture with its labels.",
        "key": {"@id": "labelled_pictures/file"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": "labelled_pictures/file",
                "name": "labelled_pictures/file",
                "dataType": "sc:Text",
                "source": {
                    "fileSet": {"@id": PICTURES},
                    "extract": {"fileProperty": "fullpath"},
                    "transform": {"regex": "(.*)"},
                },
                "references": {"fileObject": {"@id": source}, "extract": {"column": "file"}},
            },
            {
                "@type": "cr:Field",
                "@id": "labelled_pictures/image",
                "name": "labelled_pictures/image",
                "dataType": "sc:ImageObject",
                "source": {"fileSet": {"@id": PICTURES}, "extract": {"fileProperty": "content"}},
            },
            *(_column("labelled_pictures", name, source, labels) for name in columns),
        ],
    }


def _splits() -> Json:
    names = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "splits/name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "splits/url", "dataType": "sc:URL"},
        ],
        "data": [
            {"splits/name": name, "splits/url": url.replace("cr:", "http://mlcommons.org/croissant/")}
            for name, url in names.items()
        ],
    }
