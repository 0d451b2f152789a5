"""Data set card `data/card.yaml`: facts about a data set that no table has, written by its makers."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mtf.errors import BadInput, bad_value, listed, shortened

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
    - `answers`: id of a question → answer.
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
        raw = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
        card = Card.model_validate(raw)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name}: not readable as YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise BadInput(f"{path.name}: {_one_line(error)}") from None
    for name in card.answers:
        if name not in (permitted := [question.id for question in questions()]):
            raise bad_value(f"{path.name}: answers", name, listed(permitted, 80))
    return card


def missing(card: Card) -> list[str]:
    """Names of the card's empty fields, except `answers`."""
    return [name for name in Card.model_fields if name != "answers" and not getattr(card, name)]


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; permitted: {', '.join(Card.model_fields)}"
    message = first["msg"]
    return f"{key}: {shortened(first['input'])} is not permitted: {message[0].lower()}{message[1:]}"
