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
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = WIDTH_CHARS
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    for (section, key), value in values.items():
        if isinstance(found := document.get(section), CommentedMap) and key in found:
            _replace(found, key, value)
    for section in without:
        document.pop(section, None)
    written = io.StringIO()
    yaml.dump(document, written)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


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
