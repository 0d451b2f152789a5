"""FiftyOne app of one reviewer: builds the reviewer's data set, then serves FiftyOne with this project's plugin.

Started by `mtf review open` (`mtf.review_app.processes.supervisor`), which restarts it if it dies.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mtf import config as parameters
from mtf.core.console import tracked
from mtf.core.errors import MtfError
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.last_look_session import LastLookSession
from mtf.review_app.engine.loading import (
    Reading,
    certification_session,
    digest_of_code,
    load_certification,
    read,
    session_of,
)
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.fiftyone import live_session, sample_updates, samples
from mtf.review_app.fiftyone.request_guard import LOOPBACK, guarded, without_media
from mtf.review_app.processes import mongodb
from mtf.review_app.processes.closing import dataset_name
from mtf.review_app.review_lock import certification_of

if TYPE_CHECKING:
    import fiftyone as fo
    from starlette.requests import Request
    from starlette.responses import Response

LOOK_MS = 2000
MAX_LOGGED = 300
PLUGINS = Path(__file__).parent / "plugins"
SETTINGS = {
    "FIFTYONE_SERVER": "1",
    "FIFTYONE_DO_NOT_TRACK": "true",
    "FIFTYONE_PLUGINS_DIR": str(PLUGINS),
    "FIFTYONE_PLUGINS_CACHE_ENABLED": "true",
    "FIFTYONE_EXECUTION_STORE_NOTIFICATION_SERVICE_DISABLED": "true",
    "FIFTYONE_LOGGING_LEVEL": "WARNING",
}


def settings(workspace: ProjectPaths, reviewer: str, *, joint: bool) -> dict[str, str]:
    """Environment variables for FiftyOne; they must be set before it is imported.

    Each reviewer has a database of their own: FiftyOne shows every data set of its database to everyone, and nobody may
    see another's verdicts. The database's name includes the host and the project's folder, so that two checkouts on one
    server do not overwrite each other.
    """
    place = [socket.gethostname(), str(workspace.root.resolve()), reviewer, joint]
    return {**SETTINGS, "FIFTYONE_DATABASE_NAME": f"{mongodb.DATABASES}{fingerprint(*place)[:24]}"}


# FiftyOne checks the server's version, and reports the bundled one as old.
VALIDATION = "FIFTYONE_DATABASE_VALIDATION"


def is_bundled(uri: str) -> bool:
    """True if the database server is the one that FiftyOne brings along, whose version it supports."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient(uri, serverSelectionTimeoutMS=LOOK_MS) as client:
            command = client.admin.command("getCmdLineOpts")["argv"]
    except PyMongoError:  # no answer: an external server, which its owner has set up
        return False
    return bool(command) and Path(command[0]) == mongodb.mongod()


def build(
    workspace: ProjectPaths, params: parameters.Params, reviewer: str, *, joint: bool, looks_last: bool = False
) -> live_session.LiveSession:
    """Read the project and bring the reviewer's data set up to date; with `looks_last` for a last look at each person.

    Raises MtfError if the project cannot be reviewed.
    """
    with _fiftyone_imported():
        reading = read(workspace, params, reviewer, joint=joint, has_gold=not looks_last)
        for line in reading.torn:
            print(f"  ledger: {line}", file=sys.stderr)
        check = reading.pictures.check
        session = (
            LastLookSession(workspace, reading.review_data, reviewer, check=check)
            if looks_last
            else session_of(workspace, reading.review_data, reviewer, joint=joint, seed=params.seed, check=check)
        )
        page = session.page()
    name = dataset_name(params.project.name, reviewer, joint=joint)
    collection = _brought_up_to_date(workspace, name, reading, session)
    live = live_session.LiveSession(reading.review_data, reading.pictures, session, name, collection, reading.renewed)
    live.show_page(page)
    return live


def build_certification(workspace: ProjectPaths, params: parameters.Params, reviewer: str) -> live_session.LiveSession:
    """Read the sample of the certificate and bring the person's data set up to date. Raises MtfError."""
    with _fiftyone_imported():
        seen = stamps(workspace)
        review_data, plan, torn = load_certification(workspace, params)
        for line in torn:
            print(f"  certificate: {line}", file=sys.stderr)
        pictures = Pictures(workspace, review_data, seen=seen, max_pixels=params.crawl.max_pixels)
        session = certification_session(workspace, review_data, plan, reviewer, check=pictures.check)
        page = session.page()
    name = dataset_name(params.project.name, certification_of(reviewer), joint=False)
    dataset = _opened(workspace, name, review_data)
    rows = sample_updates.sample_rows(session, review_data, dataset=name)
    samples.synchronise(dataset, rows, progress=_progress_bar(reviewer))
    dataset.save()
    live = live_session.LiveSession(review_data, pictures, session, name, dataset._sample_collection)
    live.show_page(page)
    return live


@contextmanager
def _fiftyone_imported() -> Generator[None]:
    """Import FiftyOne in a thread beside the block, which takes about as long.

    The import is awaited even if the block fails: a program that ends during it prints errors of the import instead of
    its own.
    """
    importing = threading.Thread(target=import_module, args=("fiftyone.server.app",), name="mtf-import")
    importing.start()
    try:
        yield
    finally:
        importing.join()


def _brought_up_to_date(workspace: ProjectPaths, name: str, reading: Reading, session: ReviewSession) -> Any:
    """MongoDB collection of the reviewer's data set, with samples that match the session."""
    began = time.monotonic()
    review_data = reading.review_data
    dataset = _opened(workspace, name, review_data)
    is_told = dataset.info.get("made_from") == reading.made_from and not reading.renewed.has_news()
    if is_told and samples.is_untouched(dataset, review_data.real.faces.height):
        samples.without_pages(dataset)
        done = "none changed"
    else:
        data = sample_updates.sample_rows(session, review_data, dataset=name)
        added, changed, removed = samples.synchronise(dataset, data, progress=_progress_bar(session.reviewer))
        dataset.info["made_from"] = reading.made_from
        dataset.save()
        done = f"{added} added, {changed} changed, {removed} removed"
    took_s = time.monotonic() - began
    print(f"  {session.reviewer}: {review_data.real.faces.height} faces; {done}, in {took_s:.1f} s", flush=True)
    return dataset._sample_collection


def _opened(workspace: ProjectPaths, name: str, review_data: ReviewData) -> fo.Dataset:
    code = digest_of_code(workspace, samples.__name__)
    return samples.open_dataset(name, list(review_data.labels), age_column=review_data.age_column, code=code)


def _progress_bar(title: str) -> Callable[[Iterable[int], int], Iterable[int]]:
    def progress(batches: Iterable[int], total: int) -> Iterator[int]:
        taken = list(batches)
        yield from tracked(taken, total=len(taken), title=f"{title}: {total} faces")

    return progress


def application(live: live_session.LiveSession, *, address: str) -> Callable[..., Any]:
    """FiftyOne's app behind `guarded`."""
    from fiftyone.operators import executor, utils
    from fiftyone.server import decorators, extensions
    from fiftyone.server.app import app
    from fiftyone.server.routes import embeddings
    from starlette.exceptions import HTTPException

    # FiftyOne answers with a traceback where something fails, and so with paths of this machine.
    in_short = SimpleNamespace(format_exc=_error_in_short, format_tb=lambda _: [])
    for module in (executor, utils, decorators, extensions, embeddings):
        vars(module)["traceback"] = in_short
    app.debug = False
    app.add_exception_handler(HTTPException, _refusal)
    return guarded(without_media(app), live, address=address)


async def _refusal(_: Request, error: Any) -> Response:
    """Answer to a refused request; FiftyOne's own fails where the detail is no text, as for an unknown operator."""
    from starlette.responses import PlainTextResponse

    detail = error.detail.get("message", "") if isinstance(error.detail, dict) else error.detail
    return PlainTextResponse(_in_one_line(str(detail)), error.status_code)


def _error_in_short() -> str:
    """Kind and message of the current exception, in one line of at most MAX_LOGGED characters."""
    error = sys.exception()
    return _in_one_line(f"{type(error).__name__}: {error}")


def _in_one_line(text: str) -> str:
    return " ".join(text[: 2 * MAX_LOGGED].split())[:MAX_LOGGED]


class DisconnectFilter(logging.Filter):
    """Log filter that drops asyncio's messages on browsers that disconnect early, or are still connected at the end."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return record.msg != "socket.send() raised exception." and not isinstance(error, asyncio.CancelledError)


class ShortFilter(logging.Filter):
    """Log filter that cuts messages to MAX_LOGGED characters: an error may quote the whole request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _in_one_line(record.getMessage())
        record.args, record.exc_info = (), None
        return True


def serve(live: live_session.LiveSession, *, address: str, port: int) -> None:
    from hypercorn.asyncio import serve as hypercorn
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"[{address}]:{port}" if ":" in address else f"{address}:{port}"]
    config.loglevel = "WARNING"
    logging.getLogger("asyncio").addFilter(DisconnectFilter())
    # The root logger is FiftyOne's own for failed requests.
    for logger in ("strawberry.execution", None):
        logging.getLogger(logger).addFilter(ShortFilter())
    live_session.current = live
    try:
        asyncio.run(hypercorn(application(live, address=address), config))
    finally:
        live.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="mtf.review_app.fiftyone.app")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--reviewer", required=True)
    parser.add_argument("--joint", action="store_true")
    parser.add_argument("--certify", action="store_true")
    parser.add_argument("--last-look", action="store_true")
    parser.add_argument("--address", default=LOOPBACK)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    if mongodb.URI not in os.environ:
        parser.error(f"{mongodb.URI} names the database")
    workspace = ProjectPaths(arguments.root)
    shown = certification_of(arguments.reviewer) if arguments.certify else arguments.reviewer
    os.environ.update(settings(workspace, shown, joint=arguments.joint))
    if is_bundled(os.environ[mongodb.URI]):
        os.environ.setdefault(VALIDATION, "false")
    try:
        params = parameters.load(workspace.params)
        if arguments.certify:
            live = build_certification(workspace, params, arguments.reviewer)
        else:
            modes = {"joint": arguments.joint, "looks_last": arguments.last_look}
            live = build(workspace, params, arguments.reviewer, **modes)
    except MtfError as error:
        print(f"mtf: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    serve(live, address=arguments.address, port=arguments.port)


if __name__ == "__main__":
    main()
