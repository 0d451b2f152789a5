"""Reviews of the project: none may be open while pictures are erased, and their data sets in a database elsewhere go.

An open review holds pictures and its database; the app's own database lies in `build/` and is removed with it. A server
that `FIFTYONE_DATABASE_URI` names keeps a database for each reviewer. The next `mtf review open` makes it again.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.processes.mongodb import URI

_LOOK_MS = 3000


@contextmanager
def none_open(workspace: ProjectPaths) -> Generator[None]:
    """Hold the locks of the project's reviews, so that none is opened meanwhile. Raises MtfError if one is open."""
    with ExitStack() as held:
        for path in sorted(workspace.stage("room").glob("*.open")):
            lock = ProcessLock(path)
            if not lock.take():
                name = path.stem.removeprefix("review-")
                raise MtfError(
                    f"a review is open ({name}, {lock.note() or 'in another process'}): its app holds pictures; end it "
                    "there, then erase again. A request that `mtf takedown add` wrote down holds in it already"
                )
            held.callback(lock.release)
        yield


def databases(workspace: ProjectPaths) -> list[str]:
    """Names of the databases that the project's reviews have on a server of their own."""
    from mtf.review_app.fiftyone.app import settings
    from mtf.review_app.review_lock import certification_of

    folders = (path for folder in (workspace.review, workspace.certificate) for path in folder.glob("*/"))
    reviewers = {path.name for path in folders}
    kinds = [(name, joint) for name in reviewers for joint in (False, True)]
    kinds += [(certification_of(name), False) for name in reviewers]
    return sorted(settings(workspace, name, joint=joint)["FIFTYONE_DATABASE_NAME"] for name, joint in kinds)


def drop_databases(workspace: ProjectPaths) -> Iterator[str]:
    """Drop the review databases on the server that FIFTYONE_DATABASE_URI names. Yields a message if it cannot."""
    uri = os.environ.get(URI)
    if not uri:
        return
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    host = uri.rpartition("@")[2].removeprefix("mongodb://")
    try:
        with MongoClient(uri, serverSelectionTimeoutMS=_LOOK_MS) as client:
            for name in {*client.list_database_names()} & {*databases(workspace)}:
                client.drop_database(name)
            # A checkpoint: the files of what was dropped are removed after it.
            client.admin.command("fsync")
    except PyMongoError as error:
        yield (
            f"FiftyOne's database at {host} could not be emptied ({type(error).__name__}): it may hold names, boxes "
            "and embeddings of the erased faces. Erase again when it answers, or delete its databases `mtf-…` there."
        )
