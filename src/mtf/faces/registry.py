"""Registry of classes by name, for detectors and embeddings; open to other packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, overload

from mtf.core.errors import BadInput, bad_value

Implementation = TypeVar("Implementation", bound=type)


class Registry(Generic[Implementation]):
    """Registry of classes by their names in params.yaml.

    key: parameter that selects a class (`crop.detector`), for messages.
    group: entry-point group by which another package registers its own:

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

        Raises ValueError if another class has the name.
        """
        if implementation is None:
            return lambda decorated: self.register(name, decorated)
        if self._classes.setdefault(name, implementation) is not implementation:
            raise ValueError(f"{self.key}: {name!r} is registered already, by {self._classes[name].__module__}")
        return implementation

    def unregister(self, name: str) -> None:
        """Remove a class and free its name. Raises KeyError if there is none."""
        del self._classes[name]

    def names(self) -> list[str]:
        """Names of all classes, sorted: registered ones, and those of entry points."""
        return sorted({*self._classes, *self._entry_points()})

    def get(self, name: str) -> Implementation:
        """Class of the name.

        Raises BadInput for an unknown name, with the permitted ones, and for an entry point that cannot be imported.
        """
        if name not in self._classes:
            point = self._entry_points().get(name)
            if point is None:
                raise bad_value(f"params.yaml: {self.key}", name, ", ".join(self.names()))
            self._classes[name] = self._imported(point)
        return self._classes[name]

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _imported(self, point: EntryPoint) -> Implementation:
        try:
            return point.load()
        except Exception as error:  # a package from outside may fail in any way
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BadInput(f"params.yaml: {self.key}: {point.name!r} ({point.value}): {reason}"[:300]) from None
