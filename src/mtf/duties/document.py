"""Duty document: sections of items; each item is answered by sentences from tables, and by people in data/card.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mtf.duties.tables import NotMade, Tables, View

Says = Callable[[View], str | None]
"""Sentence computed from the tables that it asks the view for; None if they say nothing."""


@dataclass(frozen=True)
class Item:
    """Item that a law or standard asks for.

    - `key`: key of people's answer in data/card.yaml, under `duties`;
    - `title`: what is asked for, in the words of its source, shortened;
    - `says`: sentences from tables;
    - `answers`: ids of datasheet questions (`answers` of the card) that answer the item, too;
    - `by_people`: true if tables alone cannot answer it;
    - `optional`: true if it may stay unanswered.
    """

    key: str
    title: str
    says: Sequence[Says] = ()
    answers: Sequence[str] = ()
    by_people: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Section:
    """Section of a document: its title, and its items."""

    title: str
    items: Sequence[Item]


@dataclass(frozen=True)
class Template:
    """Template of a document.

    - `name`: of its files, without extension, and in `release.duties`;
    - `title`: of the document;
    - `source`: law or standard that asks for it, with its section or address;
    - `sections`: what it asks for;
    - `as_json`: its machine-readable form, if the standard has one: written document and tables → JSON values.
    """

    name: str
    title: str
    source: str
    sections: Sequence[Section]
    as_json: Callable[[Document, Tables], Mapping[str, Any]] | None = None

    @property
    def keys(self) -> list[str]:
        return [item.key for section in self.sections for item in section.items]


@dataclass(frozen=True)
class Sentence:
    """Sentence, with the paths of the tables that it is computed from."""

    text: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Answered:
    """Item with its sentences.

    - `is_open`: true if nobody has answered it, or only in part: tables alone cannot;
    - `not_made`: paths of tables that do not exist yet.
    """

    item: Item
    sentences: tuple[Sentence, ...]
    is_open: bool
    not_made: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """Document, filled in from the tables and the card: title of a section → its items."""

    template: Template
    sections: dict[str, list[Answered]] = field(default_factory=dict)

    @property
    def items(self) -> Iterator[Answered]:
        for items in self.sections.values():
            yield from items

    @property
    def unanswered(self) -> list[Item]:
        """Items that nobody has answered, without the optional ones."""
        return [each.item for each in self.items if each.is_open and not each.item.optional]


def fill(template: Template, tables: Tables) -> Document:
    """Document of a template."""
    return Document(
        template, {section.title: [_answered(item, tables) for item in section.items] for section in template.sections}
    )


def _answered(item: Item, tables: Tables) -> Answered:
    written = [*_of_people(item, tables)]
    computed: list[Sentence] = []
    not_made: list[str] = []
    for says in item.says:
        view = View(tables)
        try:
            text = says(view)
        except NotMade as missing:
            not_made.append(str(missing))
            continue
        if text:
            computed.append(Sentence(text, view.used))
    is_open = not written if item.by_people else not (written or computed)
    return Answered(item, (*written, *computed), is_open, tuple(dict.fromkeys(not_made)))


def _of_people(item: Item, tables: Tables) -> Iterator[Sentence]:
    path = tables.path_of("card")
    if text := tables.card.duties.get(item.key):
        yield Sentence(" ".join(text.split()), (f"{path}: duties.{item.key}",))
    for name in item.answers:
        if text := tables.card.answers.get(name):
            yield Sentence(" ".join(text.split()), (f"{path}: answers.{name}",))
