"""Problems of params.yaml in words: the key, the value, and what is permitted, without a type of the program.

pydantic reports one error for each alternative of a value, located by the alternative's type. Here an error is located
by the keys of the file alone, and of several for one value the one that says most is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mtf.core.errors import listed, shortened
from mtf.sources import registry

PATTERNS = {
    r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$": "a-z and 0-9, with single - and _ between them",
    r"^[a-z_]+$": "a stage of dvc.yaml, such as split",
    r"^(mailto:[^\s@]+@[^\s@]+|https?://\S+)$": "mailto:NAME@HOST, or an address that begins with https://",
    r"^[a-z][a-z0-9_]*$": "a-z first, then a-z, 0-9 and _",
    r"^[^\x00-\x1f]+$": "text without line breaks and control characters",
    r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$": "the name of a host in small letters, as example.org or *.example.org",
    r"^[A-Za-z0-9.+*-]+$": "an SPDX identifier, or one with * for any characters",
    r"^\d+\.\d+\.\d+$": "three numbers with dots, as 1.0.0",
    r"^[A-Za-z0-9][\w./~^-]*$": "a git tag or commit",
    r"^https?://\S+$": "an address that begins with https:// or http://",
    r"^[0-9a-f]{64}$": "a sha256: 64 of 0-9 and a-f",
    r"^[a-z](?:[a-z0-9._-]*[a-z0-9])?$": "a-z first, then a-z, 0-9, '.', '_' and '-', not at the end",
}
"""Pattern of a field of params.yaml → what it permits, in words."""
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "none_required": "null",
    "date_from_datetime_parsing": "a day, YYYY-MM-DD in quotes",
    "date_type": "a day, YYYY-MM-DD in quotes",
    "date_parsing": "a day, YYYY-MM-DD in quotes",
}
_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "string_too_short": "text of {min_length} characters or more",
    "string_too_long": "text of {max_length} characters or fewer",
    "literal_error": "{expected}",
}


def problems(error: ValidationError, raw: Mapping[str, Any], root: type[BaseModel]) -> list[str]:
    """Problems in params.yaml, one line each: unknown keys first, since a misspelt key is missing as well.

    raw: the file as a dictionary. root: the class of its top level.
    """
    groups: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for each in error.errors():
        groups.setdefault(_keys(each, raw), []).append(each)
    # Another alternative of the value came further: its problem is the one that is meant.
    for keys in [keys for keys, found in groups.items() if all(each["type"].endswith("_type") for each in found)]:
        if any(other[: len(keys)] == keys for other in groups if len(other) > len(keys)):
            del groups[keys]
    missing = {keys for keys, found in groups.items() if _is_missing_key(found[0])}
    ordered = sorted(groups.items(), key=lambda item: _rank(item[1][0]))
    return [_line(keys, found, raw, root, missing) for keys, found in ordered]


def _rank(error: ErrorDetails) -> int:
    return 0 if error["type"] == "extra_forbidden" else 1 if _is_missing_key(error) else 2


def _is_missing_key(error: ErrorDetails) -> bool:
    """True for a key that is missing, false for a value that a pair lacks."""
    return error["type"] == "missing" and isinstance(error["loc"][-1], str)


def _keys(error: ErrorDetails, raw: Any) -> tuple[str | int, ...]:
    """Location by the keys and positions of the file; names of types that pydantic adds are left out."""
    keys: list[str | int] = []
    at = raw
    for part in error["loc"]:
        if isinstance(at, Mapping):
            inside = {str(key): value for key, value in at.items()}
            if str(part) in inside:
                keys.append(part)
                at = inside[str(part)]
        elif isinstance(at, Sequence) and not isinstance(at, str) and isinstance(part, int) and part < len(at):
            keys.append(part)
            at = at[part]
    return (*keys, error["loc"][-1]) if _is_missing_key(error) else tuple(keys)


def _line(
    keys: tuple[str | int, ...],
    found: Sequence[ErrorDetails],
    raw: Mapping[str, Any],
    root: type[BaseModel],
    missing: set[tuple[str | int, ...]],
) -> str:
    name = ".".join(map(str, keys))
    kinds = [each["type"] for each in found]
    if kinds[0] == "extra_forbidden":
        siblings = _siblings(keys[:-1], raw, root)
        lacking = [str(each[-1]) for each in missing if each[:-1] == keys[:-1]]
        meant = get_close_matches(str(keys[-1]), lacking or siblings, n=1)
        hint = f"is {meant[0]} meant? " if meant else ""
        return f"{name}: unknown key; {hint}permitted: {listed(siblings, len(siblings))}"
    if _is_missing_key(found[0]):
        return f"{name}: missing"
    if (own := next((each for each in found if each["type"] == "value_error"), None)) is not None:
        message = own["msg"].removeprefix("Value error, ")
        # A rule over several sections names its key itself.
        return f"{name}: {message}" if name else message
    if any(each["loc"][-1:] == ("[key]",) for each in found):
        name = ".".join(map(str, keys[:-1]))
    # An alternative that only a null would meet says nothing of what is meant.
    wanted = dict.fromkeys(permitted(each) for each in found if each["type"] != "none_required")
    return f"{name}: {shortened(found[0]['input'])} is not permitted; permitted: {', or '.join(wanted)}"


def permitted(error: ErrorDetails) -> str:
    """Permitted values of a field, in words."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], "another form")
    if kind in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        return f"{bound} entries or {'more' if kind == 'too_short' else 'fewer'}"
    if kind == "missing":
        return "a pair of values"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    message = error["msg"]
    return _TYPES.get(kind, f"{message[0].lower()}{message[1:]}")


def _siblings(keys: Sequence[str | int], raw: Mapping[str, Any], root: type[BaseModel]) -> list[str]:
    """Keys that are permitted in the section at `keys`."""
    model: type[BaseModel] = root
    at: Any = raw
    for part in keys:
        at = at[part]
        if isinstance(at, Mapping) and keys[:2] == ("crawl", "sources") and isinstance(part, int):
            model = registry.find(str(at.get("kind"))) or model
        elif isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Classes of sections in a field's type, at any depth."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            yield annotation
    else:
        for argument in get_args(annotation):
            yield from _models(argument)
