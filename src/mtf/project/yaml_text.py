"""YAML that people wrote, with other values: everything around these, comments included, stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

import yaml


def rewritten(text: str, values: Mapping[tuple[str, str], str]) -> str:
    """`text` with the value of each (section, key) that is there replaced by its YAML in `values`."""
    places = [(_value(text, *place), new) for place, new in values.items()]
    # From the end, so that a place is still where it was found.
    for node, new in sorted(((node, new) for node, new in places if node is not None), key=_start, reverse=True):
        text = text[: node.start_mark.index] + new + text[_end(node) :]
    return text


def _end(node: yaml.Node) -> int:
    """Where a value's last word ends. A block is said to end where the next begins, past what is said of that."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return node.end_mark.index
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _start(place: tuple[yaml.Node, str]) -> int:
    return place[0].start_mark.index


def _value(text: str, section: str, key: str) -> yaml.Node | None:
    found = _child(yaml.compose(text, yaml.SafeLoader), section)
    return _child(found, key)


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
