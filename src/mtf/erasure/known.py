"""What only older versions know: people that left the roster, pages that the crawl no longer finds."""

from __future__ import annotations

from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo

from mtf.erasure.history import History
from mtf.erasure.places import all_places
from mtf.erasure.stock import Stock
from mtf.erasure.subjects import ADDRESSES, IMAGES, image_ids_of
from mtf.takedowns import Kind, Takedown, Takedowns
from mtf.workspace import Workspace


def of_older_versions(workspace: Workspace, kind: Kind, value: str) -> frozenset[str]:
    """The images that an identity or address means in any version that can be read; empty where none knows it."""
    try:
        repo = Repo(str(workspace.root))
    except NotDvcRepoError:
        return frozenset()
    wanted = Takedowns((Takedown("", kind, value, "", "", ""),))
    history = History(repo, Stock(all_places(repo)))
    return frozenset(
        image_id for _, images in history.tables(IMAGES, ADDRESSES) for image_id in image_ids_of(wanted, images)
    )
