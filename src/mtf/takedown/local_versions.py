"""Versions on this machine: images, faces and crops of the workspace and of the local cache.

A request may name people who left the roster, or pages that the crawl no longer finds. Only the local cache is
searched, so that adding a request waits for no remote. `mtf takedown erase` searches all stores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import polars as pl
from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo

from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.forget import history
from mtf.forget.history import History
from mtf.forget.object_store import ObjectIndex
from mtf.forget.stores import cache_stores
from mtf.schemas.takedown_file import RequestKind, Takedown, Takedowns
from mtf.takedown import history_tables, perceptual_matches, scope_search
from mtf.takedown.scope_search import ADDRESSES, EVIDENCE, FACES, IMAGES, SCREENING, image_ids_of

# Kinds of requests that no address decides → the column of their value.
_WITHOUT_ADDRESS = {RequestKind.IDENTITY: "identity", RequestKind.IMAGE_ID: "image_id"}


class LocalVersions:
    """Workspace, and all versions in the local cache; only the workspace if DVC tracks nothing yet.

    - `history`: the versions, None if only the workspace is known;
    - `unreadable`: versions that cannot be read, wholly or in part, with the reason. They stop no request.
    """

    def __init__(self, workspace: ProjectPaths, progress: Callable[[int, int], object] | None = None) -> None:
        self._root = workspace.root
        self.unreadable: list[str] = []
        self.history: History | None = None
        try:
            if damage := history.git_damage(workspace.root):
                self.unreadable.append(f"all older ones: {damage}")
                return
            if lacking := history.shallow_clone(workspace.root):
                self.unreadable.append(lacking)
            self.history = _history(workspace, progress)
        except MtfError as error:
            self.unreadable.append(f"all older ones: {error}")
        except Exception as error:  # whatever DVC raises, the request must be recorded
            self.unreadable.append(f"all older ones: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
        if self.history is not None:
            self.unreadable += self.history.fault_lines

    def images(self, kind: RequestKind, value: str) -> set[str]:
        """Images that an identity, an address or an image_id names in any version."""
        one = Takedowns((Takedown("", kind, value, "", "", ""),))
        wanted = scope_search.with_found_pages(one, self._found_pages())
        found: set[str] = set()
        if all(each.kind in _WITHOUT_ADDRESS for each in wanted.records):
            for pictures in self._tables(IMAGES, EVIDENCE, columns=_WITHOUT_ADDRESS.values()):
                is_named = [pl.col(_WITHOUT_ADDRESS[each.kind]) == each.value for each in wanted.records]
                found |= {*pictures.filter(pl.any_horizontal(is_named))["image_id"]}
            return found
        for pictures in self._tables(IMAGES, EVIDENCE, columns=ADDRESSES):
            found |= image_ids_of(wanted, pictures)
        return found

    def is_found_page(self, page_url: str) -> bool:
        """True if attribution.csv of any version names the page, even if none of its pictures is here."""
        one = Takedowns((Takedown("", RequestKind.PAGE, page_url, "", "", ""),))
        return len(scope_search.with_found_pages(one, self._found_pages()).records) > 1

    def images_of_faces(self, face_ids: Collection[str]) -> set[str]:
        """Images in which any version detected these faces."""
        found: set[str] = set()
        for faces in self._tables(FACES, columns=("face_id", "image_id")) if face_ids else ():
            found |= {*faces.filter(pl.col("face_id").is_in(list(face_ids)))["image_id"]}
        return found

    def images_of_crops(self, wanted: int, *, distance: int) -> set[str]:
        """Images with a crop whose hash in the table screening differs from `wanted` in at most `distance` bits."""
        found: set[str] = set()
        for measures in self._tables(SCREENING, columns=("image_id", "hash")):
            bits = (pl.col("hash").cast(pl.UInt64) ^ pl.lit(wanted, pl.UInt64)).bitwise_count_ones()
            found |= {*measures.filter(bits <= distance)["image_id"]}
        return found

    def hashes(self, image_ids: Collection[str], *, max_pixels: int) -> set[int]:
        """Perceptual hashes (64 bits) of those of the images that are on this machine."""
        if self.history is None or not image_ids:
            return set()
        identities: set[str] = set()
        for pictures in self._tables(IMAGES, columns=("identity", "image_id")):
            identities |= {*pictures.filter(pl.col("image_id").is_in(list(image_ids)))["identity"]}
        found = perceptual_matches.of_every_version(
            self.history, max_pixels=max_pixels, among=image_ids, identities=identities
        )
        return {*found.hashes.values()}

    def _found_pages(self) -> Iterator[bytes]:
        current = self._root / scope_search.ATTRIBUTION
        if current.is_file():
            yield current.read_bytes()
        if self.history is not None:
            yield from self.history.texts(scope_search.ATTRIBUTION)

    def _tables(self, *paths: str, columns: Collection[str]) -> Iterator[pl.DataFrame]:
        for current in (self._root / path for path in paths):
            if current.is_file() and set(columns) <= set(pl.read_parquet_schema(current)):
                yield pl.read_parquet(current, columns=list(columns))
        if self.history is not None:
            yield from (table for _, table in history_tables.tables(self.history, *paths, columns=columns))


def _history(workspace: ProjectPaths, progress: Callable[[int, int], object] | None) -> History | None:
    try:
        repo = Repo(str(workspace.root))
    except NotDvcRepoError:
        return None
    return History(repo, ObjectIndex(cache_stores(repo)), progress)
