"""Comparison of two versions of files: added, gone, changed and moved, by path and digest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Difference:
    """One file that differs.

    path, digest: in the new version; None if it is gone.
    old_path, old_digest: in the old version; None if it is added.
    """

    path: str | None
    digest: str | None
    old_path: str | None
    old_digest: str | None

    @property
    def title(self) -> str:
        """Path, or both paths of a file that moved."""
        if self.path is not None and self.old_path is not None and self.path != self.old_path:
            return f"{self.old_path} → {self.path}"
        return self.path or self.old_path or ""


@dataclass
class Differences:
    """Differences by kind, each sorted by path.

    added, gone: only in the new version, only in the old one.
    changed: the same path with another content.
    moved: the same content under another path.
    others: number of differences of files that are no images by their names.
    """

    added: list[Difference] = field(default_factory=list)
    gone: list[Difference] = field(default_factory=list)
    changed: list[Difference] = field(default_factory=list)
    moved: list[Difference] = field(default_factory=list)
    others: int = 0


def compare(old: Mapping[str, str], new: Mapping[str, str]) -> Differences:
    """Differences of images between two versions, each path → digest."""
    found = Differences()
    gone = {path: digest for path, digest in old.items() if path not in new}
    added = {path: digest for path, digest in new.items() if path not in old}
    for before, after in _moves(gone, added):
        found.moved.append(Difference(after, added.pop(after), before, gone.pop(before)))
    found.added = [Difference(path, digest, None, None) for path, digest in added.items()]
    found.gone = [Difference(None, None, path, digest) for path, digest in gone.items()]
    found.changed = [
        Difference(path, digest, path, old[path]) for path, digest in new.items() if old.get(path, digest) != digest
    ]
    for name in ("added", "gone", "changed", "moved"):
        every = getattr(found, name)
        images = [each for each in every if is_image(each.path or each.old_path or "")]
        found.others += len(every) - len(images)
        setattr(found, name, sorted(images, key=lambda each: (each.path or "", each.old_path or "")))
    return found


def is_image(path: str) -> bool:
    """True if the name of a file is that of an image."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def _moves(gone: Mapping[str, str], added: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Pairs of old and new paths with the same content, in the order of their names."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(gone, reverse=True):
        places[gone[path]].append(path)
    return [(places[added[path]].pop(), path) for path in sorted(added) if places.get(added[path])]
