"""Registry of crawl sources: name (`kind` in params.yaml) → class.

The built-in sources are listed here and loaded on first use. Another package registers its own:

- by an entry point in its pyproject.toml, `[project.entry-points."mtf.sources"]`, `NAME = "module:Class"`, or
- by a call in code that runs before params.yaml is read: `register(Class)`, also as a decorator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeVar, get_args

from mtf.core.errors import BadInput

if TYPE_CHECKING:
    from mtf.sources.base import Source

Registered = TypeVar("Registered", bound="type[Source]")

GROUP = "mtf.sources"


def _bing() -> type[Source]:
    from mtf.sources.bing import Bing

    return Bing


def _google() -> type[Source]:
    from mtf.sources.google import Google

    return Google


def _folder() -> type[Source]:
    from mtf.sources.folder import Folder

    return Folder


def _openverse() -> type[Source]:
    from mtf.sources.openverse import Openverse

    return Openverse


def _commons() -> type[Source]:
    from mtf.sources.commons import Commons

    return Commons


def _flickr() -> type[Source]:
    from mtf.sources.flickr import Flickr

    return Flickr


# Import statements, so that a stage's import closure includes the sources; in functions, to load them on first use.
_BUILT_IN: dict[str, Callable[[], type[Source]]] = {
    "bing": _bing,
    "google": _google,
    "folder": _folder,
    "openverse": _openverse,
    "commons": _commons,
    "flickr": _flickr,
}
_classes: dict[str, type[Source]] = {}


def names() -> list[str]:
    """Names of all registered sources: the built-in ones first."""
    return list(dict.fromkeys((*_BUILT_IN, *_entry_points(), *_classes)))


def find(name: str) -> type[Source] | None:
    """Class of the source `name`; None if it is not registered, such as a data set's own name in a table.

    Raises BadInput if its entry point cannot be loaded.
    """
    if name not in _classes:
        if name in _BUILT_IN:
            _classes[name] = _BUILT_IN[name]()
        elif name in _entry_points():
            _classes[name] = _load(_entry_points()[name])
    return _classes.get(name)


def classes() -> Iterator[type[Source]]:
    """Yield all registered classes."""
    for name in names():
        if (source := find(name)) is not None:
            yield source


def register(source: Registered) -> Registered:
    """Register a class under the name that its field `kind` permits (`Literal["NAME"]`); usable as a decorator.

    Raises ValueError if `kind` is not exactly one name, or another source has that name.
    """
    name = _kind(source)
    is_taken = name in _BUILT_IN or name in _entry_points() or _classes.get(name, source) is not source
    if is_taken and find(name) is not source:
        raise ValueError(f"crawl source {name!r} is already registered")
    _classes[name] = source
    return source


def unregister(name: str) -> None:
    """Remove a source that `register` added; unknown names are ignored."""
    _classes.pop(name, None)


def unknown(name: object) -> str:
    """Message for a name that is not registered."""
    permitted = ", ".join(repr(each) for each in names())
    return f"{name!r} is not a crawl source; permitted: {permitted} (packages add others by the entry points {GROUP})"


def code_modules(source: type[Source]) -> list[str]:
    """Modules of a source from another package, whose code a result depends on, too; none for built-in sources."""
    return [] if source.__module__.startswith("mtf.") else [source.__module__]


def _kind(source: type[Source]) -> str:
    permitted: tuple[object, ...] = get_args(source.model_fields["kind"].annotation)
    if len(permitted) != 1 or not isinstance(permitted[0], str):
        raise ValueError(f'{source.__name__}.kind: a type Literal["NAME"] is wanted')
    return permitted[0]


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP) if entry.name not in _BUILT_IN}


def _load(entry: EntryPoint) -> type[Source]:
    try:
        load: Callable[[], type[Source]] = entry.load
        source = load()
        name = _kind(source)
    except Exception as error:
        raise BadInput(
            f"crawl source {entry.name!r}: its entry point {entry.value} cannot be loaded: {error}"
        ) from None
    if name != entry.name:
        raise BadInput(f"crawl source {entry.name!r}: its class {entry.value} is for kind {name!r}")
    return source
