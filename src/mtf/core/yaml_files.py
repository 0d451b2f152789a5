"""YAML files that people write, read as DVC reads them: YAML 1.2 by ruamel.yaml, each key once, bounded in size.

YAML 1.1, which PyYAML reads, differs in many plain values: `1e-05` is text there, `010` is 8, `1:30` is 90, and `No`
is false. DVC records, compares and writes params.yaml by YAML 1.2.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mtf.core.errors import BadInput, bad_value
from mtf.core.regular_files import check_regular

MAX_BYTES = 2**17
MAX_DEPTH = 32
MAX_NODES = 20_000
"""Most values in a file, those of repeated aliases counted each time."""

# The parser of libyaml, where PyYAML has it, is ten times as fast.
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_IN_YAML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read(path: Path) -> Any:
    """Content of the YAML file at `path`; None if the file is empty.

    Raises BadInput, one line with the file's name and the line, if the file:

    - is missing, not regular, or larger than MAX_BYTES;
    - is not UTF-8 or not YAML, or holds several documents;
    - has a key twice in one mapping;
    - nests deeper than MAX_DEPTH, or has more than MAX_NODES values once its aliases are resolved.
    """
    try:
        check_regular(path, MAX_BYTES)
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name}: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(f"{path.name} line {line}: not UTF-8; save it as UTF-8") from None
    return parse(text, path.name)


def parse(text: str, name: str) -> Any:
    """Content of YAML text, like `read`; `name` is the file's name in messages."""
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError

    if found := _NOT_IN_YAML.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise BadInput(f"{name} line {line}: not readable as YAML: a control character; permitted: text without any")
    try:
        _check_bounds(text, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)
            content = YAML(typ="safe").load(text)
    except DuplicateKeyError as error:
        key = str(error.problem).removeprefix("found duplicate key ").partition(" with value")[0].strip('"')
        raise BadInput(
            f"{_place(name, error)}: {key[:80]}: stands twice; permitted: each key once in its section"
        ) from None
    except (MarkedYAMLError, yaml.MarkedYAMLError) as error:
        reason = " ".join(str(error.problem or error.context).split())[:160]
        raise BadInput(f"{_place(name, error)}: not readable as YAML: {reason}{_hint(text)}") from None
    except (YAMLError, yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # A value that looks like a number or a date and is none: 5,000 digits, the 13th month.
        reason = " ".join(str(error).split()).partition(";")[0][:160]
        raise BadInput(f"{name}: not readable as YAML: {reason}") from None
    _check_keys(content, name)
    return content


def _check_keys(content: Any, name: str) -> None:
    """Raise BadInput for a key that is a list, a date or bytes: no file here has such keys, and JSON cannot."""
    if isinstance(content, dict):
        for key, value in content.items():
            if not isinstance(key, str | int | float | None):
                raise bad_value(f"{name}: key", key, "text or a number")
            _check_keys(value, name)
    elif isinstance(content, list):
        for value in content:
            _check_keys(value, name)


def _place(name: str, error: Any) -> str:
    return f"{name} line {error.problem_mark.line + 1}" if error.problem_mark else name


def _hint(text: str) -> str:
    """Advice for a file with git's conflict markers; empty for any other."""
    if re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE):
        return "; it has conflict markers of git: choose one side of each, and remove the markers"
    return ""


@dataclass
class _Open:
    """A mapping or list that has not ended yet.

    anchor: its name for aliases, if it has one.
    nodes: values in it so far, itself included.
    """

    anchor: str | None
    nodes: int = 1


def _check_bounds(text: str, name: str) -> None:
    """Count depth and values of YAML text without building them. Raises BadInput."""
    if len(text.encode("utf-8")) > MAX_BYTES:
        raise BadInput(f"{name}: larger than {MAX_BYTES} bytes, the largest permitted size")
    nodes_of: dict[str, int] = {}
    document = _Open(None)
    opened = [document]
    for event in yaml.parse(text, Loader=_PARSER):
        where = f"{name} line {event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Open(event.anchor))
            nodes_of.pop(event.anchor or "", None)
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = opened.pop()
            opened[-1].nodes += ended.nodes
            if ended.anchor:
                nodes_of[ended.anchor] = ended.nodes
        elif isinstance(event, yaml.AliasEvent):
            if any(each.anchor == event.anchor for each in opened):
                raise BadInput(
                    f"{where}: alias *{str(event.anchor)[:40]} stands inside its own anchor; write the values out"
                )
            opened[-1].nodes += nodes_of.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            opened[-1].nodes += 1
        if len(opened) > MAX_DEPTH:
            raise BadInput(f"{where}: nested deeper than {MAX_DEPTH} levels, the most that is permitted")
        if opened[-1].nodes > MAX_NODES:
            raise BadInput(f"{where}: more than {MAX_NODES} values, aliases counted each time; write fewer")
