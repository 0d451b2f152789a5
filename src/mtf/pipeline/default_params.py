"""Defaults of parameters as dependencies of DVC: the classes and modules with the defaults that params.yaml omits.

- DVC reads `NAME = LITERAL` of a class from Python source. So `PATH: [Recipe]` among a stage's `params:` reruns it when
  a default of `Recipe` changes, and not when a comment does.
- If a class has public methods or properties, or a default that is no YAML literal (a tuple, a computed value), its
  whole file is a dependency.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from dvc.utils.serialize import parse_py
from pydantic import BaseModel

from mtf.config import Params, Section
from mtf.core.import_closure import source

Part = tuple[type[Section], str | None]
"""Section of params.yaml that a stage reads, with one field of it, or None for all."""


class UnknownParameter(Exception):
    """Error: a key that params.yaml cannot have."""


@dataclass(frozen=True)
class Defaults:
    """Defaults that a stage depends on.

    - `defaults`: module → names that DVC reads from it, `Class` or `Class.field`;
    - `modules`: modules whose whole file is a dependency.
    """

    defaults: dict[str, tuple[str, ...]]
    modules: frozenset[str]


def read_by(keys: Iterable[str]) -> Defaults:
    """Defaults behind `keys` of params.yaml (`crop`, `crawl.max_pixels`, `train.recipes.${train.recipe}`).

    Raises UnknownParameter.
    """
    parts = {part for key in keys for part in _parts_of(key)}
    modules = frozenset(section.__module__ for section, _ in parts if not _is_readable(section))
    names: dict[str, set[str]] = {}
    for section, name in parts:
        if section.__module__ not in modules and any(name in (None, each) for each in _optional(section)):
            key = section.__name__ if name is None else f"{section.__name__}.{name}"
            names.setdefault(section.__module__, set()).add(key)
    return Defaults({module: tuple(sorted(_without_parts(found))) for module, found in names.items()}, modules)


def _parts_of(key: str) -> Iterator[Part]:
    # A key may contain a name from params.yaml: `train.recipes.${train.recipe}`.
    names = re.sub(r"\$\{[^}]*\}", "NAME", key).split(".")
    try:
        yield from _read(Params, names)
    except KeyError as error:
        raise UnknownParameter(f"{key}: {error.args[0]!r} is no parameter") from None


def _read(section: type[Section], names: Sequence[str]) -> Iterator[Part]:
    name, *rest = names
    annotation = section.model_fields[name].annotation
    inside = list(_sections_in(annotation))
    if section is not Params and not (rest and inside):
        yield section, name
    if rest and get_origin(annotation) is dict:
        rest = rest[1:]
    for each in inside:
        yield from _read(each, rest) if rest else _whole(each)


def _whole(section: type[Section]) -> Iterator[Part]:
    yield section, None
    for field in section.model_fields.values():
        for inside in _sections_in(field.annotation):
            yield from _whole(inside)


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Sections that a field's type contains, at any depth."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, Section):
            yield annotation
    else:
        for argument in get_args(annotation):
            yield from _sections_in(argument)


def _optional(section: type[Section]) -> list[str]:
    """Names of the fields with a default. Without nested sections whose defaults are those of their class."""
    fields = section.model_fields.items()
    return [name for name, field in fields if not field.is_required() and not _is_by_class(field.default)]


def _is_by_class(default: object) -> bool:
    return isinstance(default, Section) and not default.model_fields_set


def _is_readable(section: type[Section]) -> bool:
    """True if DVC can read all defaults of a section, and the class has nothing else."""
    written = parse_py(source(section.__module__).read_text(encoding="utf-8"), section.__module__)
    literals = written.get(section.__name__, {})
    return not _computes(section) and all(_is_yaml(literals.get(name, ())) for name in _optional(section))


def _computes(section: type[Section]) -> bool:
    inherited = set(dir(BaseModel))
    return any(
        not name.startswith("_") and name not in inherited and (callable(value) or isinstance(value, property))
        for name, value in vars(section).items()
    )


def _is_yaml(value: object) -> bool:
    """True for a value that YAML restores unchanged. A tuple comes back as a list, which DVC reports as changed."""
    if isinstance(value, list):
        return all(map(_is_yaml, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_yaml(each) for key, each in value.items())
    return value is None or isinstance(value, str | int | float | bool)


def _without_parts(names: set[str]) -> set[str]:
    """Names without `Class.field` if `Class` is among them."""
    return {name for name in names if "." not in name or name.partition(".")[0] not in names}
