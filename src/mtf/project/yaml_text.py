"""Editing of hand-written YAML by ruamel.yaml: comments, order and style of the rest are kept."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML, RoundTripRepresenter
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode

WIDTH_CHARS = 120


class _Representer(RoundTripRepresenter):
    """Representer that writes `null` for a null value, where ruamel.yaml writes nothing."""

    def represent_null(self, _data: Any) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_null)


def rewritten(text: str, values: Mapping[tuple[str, str], Any], *, without: Iterable[str] = ()) -> str:
    """YAML text with new values for each existing (section, key), and without the sections in `without`.

    A list keeps its style and the comment after it; a comment on another value's line is removed with the value.
    """
    yaml = round_trip(width_chars=WIDTH_CHARS)
    yaml.Representer = _Representer
    document = yaml.load(text)
    for (section, key), value in values.items():
        if isinstance(found := document.get(section), CommentedMap) and key in found:
            _replace(found, key, value)
    for section in without:
        document.pop(section, None)
    return "".join(f"{line.rstrip()}\n" for line in dumped(yaml, document).splitlines())


def with_value(text: str, section: str, key: str, value: Any) -> str:
    """YAML text in which `key` of an existing `section` has `value`, a mapping on one line; a new key comes first."""
    yaml = round_trip()
    yaml.Representer = _Representer
    document = yaml.load(text)
    if isinstance(value, Mapping):
        value = CommentedMap(value)
        value.fa.set_flow_style()
    found = document[section]
    if key in found:
        found[key] = value
    else:
        found.insert(0, key, value)
    return dumped(yaml, document)


def round_trip(*, width_chars: int = 1_000_000) -> YAML:
    """Loader and dumper that keeps comments, quotes and order; lines are broken at `width_chars`."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = width_chars
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def dumped(yaml: YAML, document: CommentedMap) -> str:
    """YAML text of a document that `yaml` loaded."""
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def replace_items(items: CommentedSeq, old: Sequence[int], new: Iterable[Any]) -> None:
    """Remove the items at the indices `old` and append `new`. A comment or blank line at the end stays there."""
    after = items.ca.items.get(len(items) - 1)
    if after:
        del items.ca.items[len(items) - 1]
    for index in reversed(old):
        del items[index]
    items.extend(new)
    if after and items:
        items.ca.items[len(items) - 1] = after


def _replace(section: CommentedMap, key: str, value: Any) -> None:
    old = section[key]
    if isinstance(old, CommentedSeq) and isinstance(value, Sequence):
        # ruamel.yaml attaches the comment after a list to its last item.
        following = old.ca.items.get(len(old) - 1)
        old.ca.items.clear()
        del old[:]
        old.extend(value)
        if following and value:
            old.ca.items[len(old) - 1] = following
        return
    section[key] = value
    section.ca.items.pop(key, None)
