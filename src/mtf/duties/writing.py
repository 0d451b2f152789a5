"""Writing of the duty documents as HTML, Markdown and, where a standard has a form for it, JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.duties import registry
from mtf.duties.document import Document, fill
from mtf.duties.tables import Tables
from mtf.release import card

# Characters that make up Markdown and HTML. Without square brackets, round ones make no link.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#+!|~&])")
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]+")


def write(workspace: ProjectPaths, params: Params, names: Sequence[str], folder: Path) -> list[Document]:
    """Write the documents called `names` to `folder`, and remove other files of this module from it.

    Raises BadInput for an unknown name, or a key of the card that no document asks for.
    """
    filled = documents(workspace, params, names)
    tables = Tables(workspace, params, card.load(workspace.card))
    written = set()
    for document in filled:
        name = document.template.name
        files = {f"{name}.md": markdown(document), f"{name}.html": page(document)}
        for file, text in files.items():
            atomic_files.write_text(folder / file, text)
        if document.template.as_json is not None:
            atomic_files.write_json(folder / f"{name}.json", document.template.as_json(document, tables))
            files[f"{name}.json"] = ""
        written |= set(files)
    _remove_others(folder, written)
    return filled


def documents(workspace: ProjectPaths, params: Params, names: Sequence[str]) -> list[Document]:
    """Documents called `names`. Raises BadInput, like `write`."""
    for name in names:
        if name not in registry.TEMPLATES:
            raise bad_value("duties", name, listed(registry.TEMPLATES))
    answers = card.load(workspace.card)
    for key in answers.duties:
        if key not in (permitted := registry.keys()):
            raise bad_value(f"{workspace.card.name}: duties", key, listed(permitted, 80))
    tables = Tables(workspace, params, answers)
    return [fill(registry.TEMPLATES[name], tables) for name in names]


def markdown(document: Document) -> str:
    """Document as Markdown; text from tables and people is escaped."""
    return _environment(is_html=False).get_template("document.md.jinja").render(document=document)


def page(document: Document) -> str:
    """Document as one HTML page; all text is escaped."""
    return _environment(is_html=True).get_template("document.html.jinja").render(document=document)


@cache
def _environment(*, is_html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("mtf.duties", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=is_html,  # noqa: S701 (Markdown is escaped by the filter `plain`)
    )
    environment.filters["plain"] = on_one_line if is_html else _escaped
    return environment


def on_one_line(text: str) -> str:
    """Text without line breaks, control characters, and marks that change the direction of the text."""
    return _BREAKS.sub(" ", text)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", on_one_line(text))


def _remove_others(folder: Path, written: set[str]) -> None:
    """Remove documents that an earlier call has written and this one has not."""
    for name in registry.TEMPLATES:
        for suffix in (".md", ".html", ".json"):
            if f"{name}{suffix}" not in written:
                (folder / f"{name}{suffix}").unlink(missing_ok=True)
