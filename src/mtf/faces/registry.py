"""Registry of implementations by name, open to other packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, overload

from mtf.core.errors import BadInput, bad_value

Implementation = TypeVar("Implementation", bound=type)


class Registry(Generic[Implementation]):
    """Classes by the name that params.yaml gives them.

    `key` is the parameter that chooses one (`crop.detector`), for messages. `group` is the entry-point group
    through which an installed package offers its own:

        [project.entry-points."mtf.detectors"]
        my-detector = "my_package.detector:MyDetector"

    Code that is imported anyway registers with a decorator or a call:

        @DETECTORS.register("my-detector")
        class MyDetector: ...
    """

    def __init__(self, *, key: str, group: str) -> None:
        self.key = key
        self.group = group
        self._classes: dict[str, Implementation] = {}

    @overload
    def register(self, name: str) -> Callable[[Implementation], Implementation]: ...
    @overload
    def register(self, name: str, implementation: Implementation) -> Implementation: ...
    def register(
        self, name: str, implementation: Implementation | None = None
    ) -> Implementation | Callable[[Implementation], Implementation]:
        """Register a class under `name`; as a decorator where no class is given.

        Raises ValueError where another class has the name.
        """
        if implementation is None:
            return lambda decorated: self.register(name, decorated)
        if self._classes.setdefault(name, implementation) is not implementation:
            raise ValueError(f"{self.key}: {name!r} is registered already, by {self._classes[name].__module__}")
        return implementation

    def unregister(self, name: str) -> None:
        """Remove a class, so that its name is free. Raises KeyError where there is none."""
        del self._classes[name]

    def names(self) -> list[str]:
        """The names of all classes, sorted: those registered here, and those that installed packages offer."""
        return sorted({*self._classes, *self._offered()})

    def get(self, name: str) -> Implementation:
        """The class under `name`.

        Raises BadInput, in one line, for an unknown name (with the known ones) and for a package that offers it and
        cannot be imported.
        """
        if name not in self._classes:
            offered = self._offered().get(name)
            if offered is None:
                raise bad_value(f"params.yaml: {self.key}", name, ", ".join(self.names()))
            self._classes[name] = self._imported(offered)
        return self._classes[name]

    def _offered(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _imported(self, point: EntryPoint) -> Implementation:
        try:
            return point.load()
        except Exception as error:  # a package from outside may fail in any way
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BadInput(f"params.yaml: {self.key}: {point.name!r} ({point.value}): {reason}"[:300]) from None
