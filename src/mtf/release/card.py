"""Data set card: reads `data/card.yaml`, and writes `README.md`, the datasheet and the license note.

`data/card.yaml` has the facts that no table has, written by the makers of the data set. Questions that neither the
tables nor this file answer are listed as missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mtf.core import yaml_files
from mtf.core.errors import BadInput, bad_value, listed, shortened
from mtf.release import distribution
from mtf.release.facts import Facts
from mtf.release.huggingface import header
from mtf.release.layout import MULTI_TASK, NON_CURATED, SINGLE_TASK, MissingClass, task_folder

Text = Annotated[str, Field(min_length=1)]


class Question(BaseModel):
    """Question of "Datasheets for Datasets" (Gebru et al. 2021).

    - `id`: key of its answer in the card;
    - `section`, `question`: as in the paper;
    - `facts`: template over `Facts` and `Card` for the part of the answer that the tables give, None if there is none;
    - `optional`: True if it may stay unanswered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    section: str
    question: str
    facts: str | None = None
    optional: bool = False


class Card(BaseModel):
    """Contents of `data/card.yaml`. All fields are optional; empty ones are listed as missing in the release.

    - `description`: summary of the data set;
    - `creators`, `publisher`: names;
    - `url`: home page;
    - `citation`: how to cite it;
    - `published`: date of publication;
    - `language`: codes of the languages of its texts;
    - `answers`: id of a question → answer;
    - `duties`: key of an item of a duty document (`mtf duties`) → answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Text | None = None
    creators: list[Text] = []
    publisher: Text | None = None
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    citation: Text | None = None
    published: date | None = None
    language: list[Text] = []
    answers: dict[str, Text] = {}
    duties: dict[str, Text] = {}


@cache
def questions() -> tuple[Question, ...]:
    """Questions of the datasheet, in order."""
    text = resources.files("mtf.release").joinpath("templates/questions.yaml").read_text(encoding="utf-8")
    return tuple(Question.model_validate(entry) for entry in yaml.safe_load(text))


def load(path: Path) -> Card:
    """Card in the file `path`, empty if there is no such file.

    Raises BadInput if it is not YAML, a key or value is not permitted, or an answer's id is unknown.
    """
    if not path.is_file():
        return Card()
    try:
        card = Card.model_validate(yaml_files.read(path) or {})
    except ValidationError as error:
        raise BadInput(f"{path.name}: {_one_line(error)}") from None
    for name in card.answers:
        if name not in (permitted := [question.id for question in questions()]):
            raise bad_value(f"{path.name}: answers", name, listed(permitted, 80))
    return card


def missing(card: Card) -> list[str]:
    """Names of the card's empty fields, except `answers` and `duties`."""
    return [name for name in Card.model_fields if name not in ("answers", "duties") and not getattr(card, name)]


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; permitted: {', '.join(Card.model_fields)}"
    message = first["msg"]
    return f"{key}: {shortened(first['input'])} is not permitted: {message[0].lower()}{message[1:]}"


Answered = tuple[Question, str | None]


def readme(
    facts: Facts,
    card: Card,
    *,
    configs: Sequence[dict[str, Any]] = (),
    bibtex: str = "",
    absent: Sequence[MissingClass] = (),
) -> str:
    """Data set card in Hugging Face's format: a YAML header, then Markdown.

    - `configs`: configurations for `datasets.load_dataset`;
    - `bibtex`: how to cite the data set;
    - `absent`: classes without a picture in some split; if there are any, the card explains how to number classes alike
      in all splits.
    """
    context = _template_context(facts, card) | {"absent": absent, "bibtex": bibtex, "configs": configs}
    return render("README.md.jinja", **context, header=_header(facts, card, configs))


def render(template: str, **context: object) -> str:
    """Document from one of the templates of this package. Texts are not escaped: they are Markdown and plain text."""
    return _templates().get_template(template).render(context)


def license_note(facts: Facts, card: Card) -> str:
    """Text of `LICENSE.txt`."""
    page = card.url or facts.contact_page
    return render("LICENSE.txt.jinja", facts=facts, license_urls=facts.license_urls, page=page)


def datasheet(facts: Facts, card: Card) -> str:
    """Datasheet as Markdown: the unanswered questions, then all questions with their answers."""
    answered = list(answers(facts, card))
    by_section = [(section, list(group)) for section, group in groupby(answered, key=lambda each: each[0].section)]
    unanswered = [question for question, answer in answered if answer is None and not question.optional]
    template = _templates().get_template("DATASHEET.md.jinja")
    return template.render(facts=facts, sections=by_section, unanswered=unanswered, missing=missing(card))


def answers(facts: Facts, card: Card) -> Iterator[Answered]:
    """Questions with their answers: the makers' text, then the tables' facts; None if there is neither."""
    for question in questions():
        written = card.answers.get(question.id)
        counted = _compiled(question.facts or "").render(facts=facts, card=card).strip()
        yield question, "\n\n".join(text.strip() for text in (written, counted) if text) or None


def unanswered(facts: Facts, card: Card) -> list[str]:
    """Questions of the datasheet that are not optional and that neither the makers nor the tables answer."""
    return [question.question for question, answer in answers(facts, card) if answer is None and not question.optional]


def _template_context(facts: Facts, card: Card) -> dict[str, object]:
    variants = facts.params.release.variants
    return {
        "facts": facts,
        "card": card,
        "tables": distribution.markdown(facts.counts),
        "side": _side(facts),
        "task_folders": [task_folder(column) for column in facts.params.columns],
        "multi_task": MULTI_TASK in variants,
        "single_task": SINGLE_TASK in variants,
        "non_curated": NON_CURATED in variants,
        "data_set": bool({MULTI_TASK, SINGLE_TASK} & set(variants)),
        "missing": unanswered(facts, card),
        "missing_keys": missing(card),
    }


def _header(facts: Facts, card: Card, configs: Sequence[dict[str, Any]]) -> str:
    """YAML header of the card, as Hugging Face's hub defines it."""
    total = facts.counts["total"]["images"] or facts.non_curated
    fields = {
        "pretty_name": facts.title,
        "license": facts.params.release.license.lower(),
        "language": card.language,
        "task_categories": ["image-classification"],
        "size_categories": [_size_category(total)],
        "tags": ["faces", *facts.levels],
        "version": facts.version,
        "configs": list(configs),
    }
    return header(fields)


def _side(facts: Facts) -> str:
    """Size of the pictures in words."""
    side = facts.params.release.size_px
    return f"{side} × {side} pixels" if facts.params.release.enlarge else f"at most {side} × {side} pixels"


def _size_category(images: int) -> str:
    bounds = [("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000)]
    return next((name for name, bound in bounds if images < bound), "n>1M")


@cache
def _compiled(text: str) -> Template:
    return _templates().from_string(text)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("mtf.release", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (Markdown and plain text, of counts, parameters and the makers' own words)
    )
