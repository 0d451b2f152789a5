"""Croissant description `croissant.json` of a release: MLCommons' vocabulary 1.1 with its RAI extension.

It describes the files, the table of faces and the pictures joined to it, how the data set was collected, labelled and
cropped, its limitations, and the contact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mtf.config import IDENTITY
from mtf.core.hashing import file_digest
from mtf.release import citation, huggingface, layout
from mtf.release.card import Card
from mtf.release.facts import Facts
from mtf.release.folder_cards import TABLE, TABLE_NON_CURATED
from mtf.release.huggingface import FILE_NAME

NAME = "croissant.json"
VERSIONS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
# File set of the data set's pictures or, if it is not published, of the non-curated set's.
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


@dataclass(frozen=True)
class Published:
    """Published set with a table: the data set, or the non-curated set.

    - `rows`: its table in the release;
    - `table`: name of the file;
    - `sha256`: SHA-256 (hex) of the file;
    - `folder`: folder of the pictures that the table names.
    """

    rows: pl.DataFrame
    table: str
    sha256: str
    folder: str


def described(facts: Facts, card: Card, root: Path) -> Json:
    """JSON-LD document of the release in the folder `root`, which has its tables, pictures and withdrawal list.

    Every folder with pictures is a file set, and has a record set with its labels.
    """
    sets = [_published(root / name, facts) for name in (TABLE, TABLE_NON_CURATED) if (root / name).is_file()]
    main = sets[0]
    labels = [*facts.params.attributes, IDENTITY]
    columns = labels if main.table == TABLE and layout.SINGLE_TASK in facts.params.release.variants else []
    tasks = {f"{layout.SINGLE_TASK}/{layout.task_folder(column)}": column for column in columns}
    published = citation.released_on(facts, card)
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": facts.params.project.name,
        "alternateName": facts.title,
        "description": card.description or _description(facts, sets),
        "conformsTo": VERSIONS,
        "version": facts.version,
        "license": [url or name for name, url in facts.license_urls.items()],
        "url": card.url or facts.contact_page,
        "creator": [{"@type": "sc:Organization", "name": name} for name in card.creators],
        "publisher": card.publisher and {"@type": "sc:Organization", "name": card.publisher},
        "datePublished": published and published.isoformat(),
        "inLanguage": card.language,
        "citeAs": citation.bibtex(facts, card),
        "isLiveDataset": False,
        "keywords": ["faces", *facts.levels],
        **_responsible(facts, card, main.rows),
        "distribution": [
            *(part for each in sets for part in (_table(each), _pictures_of(each, is_main=each is main))),
            *(
                _file_set(folder, f"The same pictures in one folder per {column}.", main)
                for folder, column in tasks.items()
            ),
            _withdrawals(file_digest(root / WITHDRAWALS)),
        ],
        "recordSet": [
            _faces(main.rows, main.table, labels),
            _pictures(main, labels, name="labelled_pictures", file_set=PICTURES),
            *(_pictures(each, labels, name=f"labelled_{each.folder}", file_set=each.folder) for each in sets[1:]),
            *(_by_folder(folder, column) for folder, column in tasks.items()),
            *([_splits()] if "split" in main.rows.columns else []),
        ],
    }
    return {key: value for key, value in document.items() if value is not None and value != []}


def _published(path: Path, facts: Facts) -> Published:
    rows = pl.read_parquet(path)
    folder = huggingface.data_set_folder(rows) if rows.height else facts.params.release.variants[0]
    return Published(rows, path.name, file_digest(path), folder)


def _description(facts: Facts, sets: Sequence[Published]) -> str:
    kind = "licensed" if facts.is_licensed else "partly licensed"
    table = sets[0].rows
    review = "reviewed by people" if _is_reviewed(facts, table) else "which no person has reviewed"
    besides = "".join(f" Besides, {each.rows.height:,} automatic crops that nobody has reviewed." for each in sets[1:])
    return (
        f"{facts.title}: {table.height:,} {kind} faces of {table[IDENTITY].n_unique():,} people, {review}, "
        f"labelled by {', '.join(facts.levels)}.{besides}"
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
            f"Published crops are squares resized to {_side(facts)} with Lanczos' filter and written as JPEG without "
            "metadata.",
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


def _side(facts: Facts) -> str:
    side = facts.params.release.size_px
    return f"{side} × {side} pixels" + ("" if facts.params.release.enlarge else ", smaller ones not at all,")


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


def _table(published: Published) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": published.table,
        "name": published.table,
        "description": (
            f"{published.rows.height:,} rows, one per face: file, "
            f"{'split, ' if 'split' in published.rows.columns else ''}labels, title, author, license and source."
        ),
        "contentUrl": published.table,
        "encodingFormat": "application/x-parquet",
        "sha256": published.sha256,
    }


def _pictures_of(published: Published, *, is_main: bool) -> Json:
    """File set of the pictures that a table names."""
    return _file_set(
        published.folder, "The published crops.", published, identifier=PICTURES if is_main else published.folder
    )


def _file_set(folder: str, says: str, published: Published, *, identifier: str | None = None) -> Json:
    return {
        "@type": "cr:FileSet",
        "@id": identifier or folder,
        "name": identifier or folder,
        "description": f"{says} {published.rows.height:,} files.",
        "encodingFormat": "image/jpeg",
        "includes": f"{folder}/**/*.jpg",
    }


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


def _faces(table: pl.DataFrame, source: str, labels: Sequence[str]) -> Json:
    return {
        "@type": "cr:RecordSet",
        "@id": "faces",
        "name": "faces",
        "description": "The metadata of every published face.",
        "key": {"@id": f"faces/{FILE_NAME}"},
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


def _pictures(published: Published, labels: Sequence[str], *, name: str, file_set: str) -> Json:
    """Record set of the pictures, joined to their table by the path of the file."""
    columns = [each for each in published.rows.columns if each not in (FILE_NAME, "sha256", "split")]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Every picture with its labels: {published.rows.height:,} records.",
        "key": {"@id": f"{name}/{FILE_NAME}"},
        "field": [
            _of_path(name, FILE_NAME, file_set, "(.*)")
            | {"references": {"fileObject": {"@id": published.table}, "extract": {"column": FILE_NAME}}},
            _image(name, file_set),
            *(_column(name, each, published.table, labels) for each in columns),
        ],
    }


def _by_folder(folder: str, column: str) -> Json:
    """Record set of one task's pictures, with the label from the name of the folder."""
    name = layout.task_folder(column)
    parts = "[^/]+/" * (folder.count("/") + 1)
    label = _of_path(name, "label", folder, f"^{parts}[^/]+/([^/]+)/") | {"dataType": ["sc:Text", "cr:Label"]}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Every picture with the folders of its split and of its label for the task {column}.",
        "key": {"@id": f"{name}/{FILE_NAME}"},
        "field": [
            _of_path(name, FILE_NAME, folder, "(.*)"),
            _image(name, folder),
            _of_path(name, "split_folder", folder, f"^{parts}([^/]+)/"),
            label,
        ],
    }


def _of_path(record_set: str, name: str, file_set: str, pattern: str) -> Json:
    """Field with the part of a file's path that a pattern captures."""
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": f"{record_set}/{name}",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": file_set},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": pattern},
        },
    }


def _image(record_set: str, file_set: str) -> Json:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/image",
        "name": f"{record_set}/image",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "content"}},
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
