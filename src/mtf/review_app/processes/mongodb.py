"""MongoDB server of the review app. All its data can be built again, so it may die at any moment.

It listens on a Unix socket that its own account alone can open, and on no port: MongoDB asks for no password, and a
data set shows its reviewer's verdicts.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_plus, urlsplit

import psutil

from mtf.core.errors import MtfError
from mtf.core.hashing import fingerprint
from mtf.review_app.processes.child_process import Child

if TYPE_CHECKING:
    from pymongo.collection import Collection

log = logging.getLogger(__name__)

URI = "FIFTYONE_DATABASE_URI"
# Prefix of the review app's database names.
DATABASES = "mtf-"
START_S = 60.0
STOP_S = 20.0
CACHE_GB = 1
MONGODB_PORT = 27017
LAST_PORT = 65535
ANSWER_MS = 2000
SOCKET = f"mongodb-{MONGODB_PORT}.sock"
# Longest path of a socket on every system, in bytes.
MAX_SOCKET_PATH = 103
PRIVATE = 0o700


def mongod() -> Path | None:
    """Path of the server that FiftyOne's database package brings along; None without one. Imports nothing."""
    spec = find_spec("fiftyone")
    places = spec.submodule_search_locations if spec else None
    path = Path(places[0]) / "db" / "bin" / "mongod" if places else None
    return path if path and path.is_file() and os.access(path, os.X_OK) else None


class Database(Child):
    """MongoDB server on a Unix socket of this account, with its files in `folder`; a restart keeps the socket.

    Raises MtfError if no MongoDB is installed.
    """

    def __init__(self, folder: Path) -> None:
        program = mongod()
        if program is None:
            raise MtfError(
                "no MongoDB: `pip install 'mtf[review]'` brings one, or set "
                f"{URI} to a server; `mtf review decide` works without"
            )
        self._folder = folder
        self.socket = socket_path(folder)
        self._lock = folder / "mongod.lock"
        self._log = folder / "mongod.log"
        arguments = [
            *(program, "--dbpath", folder, "--bind_ip", self.socket, "--unixSocketPrefix", self.socket.parent),
            *("--port", MONGODB_PORT, "--filePermissions", "0600"),
            *("--logpath", self._log, "--quiet", "--wiredTigerCacheSizeGB", CACHE_GB),
        ]
        super().__init__("the database", [str(argument) for argument in arguments], stop_s=STOP_S, quiet=True)

    @property
    def uri(self) -> str:
        return uri_of(self.socket)

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises MtfError with the path of its log if it does not, or if others can reach the folder of its socket.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        _make_private(self.socket.parent)
        was_shut_down = self._was_shut_down()
        super().start()
        until = time.monotonic() + START_S
        while not listens(self.socket):
            if not self.is_running() or time.monotonic() > until:
                raise MtfError(f"MongoDB did not start; see {self._log}")
            time.sleep(0.05)
        if not was_shut_down:
            _repair_counts(self.uri)

    def stop(self) -> None:
        """End the server, and remove the folder of its socket."""
        super().stop()
        with suppress(OSError):  # a killed server leaves its socket, which the next one replaces
            self.socket.parent.rmdir()

    def end_left_behind(self) -> None:
        """End a server that still runs on these files because the command that started it was killed."""
        try:
            server = psutil.Process(int(self._lock.read_text()))
            is_left_behind = str(self._folder) in server.cmdline()
        except (OSError, ValueError, psutil.Error):  # no file, an empty one, or another program by now
            return
        if is_left_behind:
            with suppress(psutil.NoSuchProcess):
                server.terminate()
                if psutil.wait_procs([server], timeout=STOP_S)[1]:
                    server.kill()
                    server.wait()

    def _was_shut_down(self) -> bool:
        """True if mongod shut down cleanly (its lock file is empty), or never ran on these files."""
        return not self._lock.is_file() or self._lock.stat().st_size == 0


def socket_path(folder: Path) -> Path:
    """Path of the socket of the server whose files are in `folder`: outside it, since such a path has to be short.

    It lies in the folder for temporary files, or in /tmp if the path would be too long there.
    """
    name = f"mtf-review-{os.getuid()}-{fingerprint(str(folder.resolve()))[:16]}"
    path = Path(tempfile.gettempdir()) / name / SOCKET
    return path if len(os.fsencode(path)) <= MAX_SOCKET_PATH else Path("/tmp") / name / SOCKET  # noqa: S108


def uri_of(socket: Path) -> str:
    """MongoDB connection string of a Unix socket."""
    return f"mongodb://{quote_plus(str(socket))}"


def listens(path: Path) -> bool:
    """True if a server listens on the Unix socket at `path`, and this account may connect to it."""
    with socket.socket(socket.AF_UNIX) as tried:
        tried.settimeout(1)
        try:
            tried.connect(str(path))
        except OSError:
            return False
    return True


def _make_private(folder: Path) -> None:
    """Make a folder that only this account can open; raises MtfError if another account made it."""
    folder.mkdir(mode=PRIVATE, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise MtfError(f"{folder} belongs to another account: have it removed, or set TMPDIR to a folder of your own")
    folder.chmod(PRIVATE)


def repair_count(collection: Collection) -> None:
    """Set MongoDB's stored size of a collection to the number of its documents.

    After a kill the stored size is that of the last checkpoint, up to a minute old. FiftyOne takes a data set with size
    0 for empty.
    """
    from pymongo.errors import OperationFailure

    if collection.estimated_document_count() == collection.count_documents({}):
        return
    try:
        collection.database.validate_collection(collection)
    except OperationFailure as error:  # the user may not validate; the review works without the size
        log.warning("MongoDB reports a wrong number of samples: %s", " ".join(str(error).split())[:200])


def _repair_counts(uri: str) -> None:
    """Repair the counts of the review app's databases; if the server dies meanwhile, its restart repairs them."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    with suppress(PyMongoError), MongoClient(uri, serverSelectionTimeoutMS=ANSWER_MS) as client:
        for name in client.list_database_names():
            if name.startswith(DATABASES):
                for collection in client[name].list_collection_names(filter={"type": "collection"}):
                    repair_count(client[name][collection])


def probe(uri: str) -> tuple[str, bool]:
    """First host in `uri`, and true if it answers; a `mongodb+srv` name is not tried, and counts as answering."""
    server = urlsplit(uri if "//" in uri else f"//{uri}")
    name = server.netloc.rpartition("@")[2].split(",")[0]
    if server.scheme == "mongodb+srv":
        return name, True
    if (path := unquote_plus(name)).startswith("/"):
        return path, listens(Path(path))
    host = urlsplit(f"//{name}")
    return name, answers(host.port or MONGODB_PORT, host.hostname or "")


def answers(port: int, address: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """True if a server could listen on the port.

    Raises MtfError if `address` is not an address of this machine, or the port is reserved for other users.
    """
    try:
        family, kind, *_, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise MtfError(f"--address {address}: not an address of this machine") from None
        if error.errno == errno.EACCES:
            raise MtfError(f"port {port} is not for this user; permitted: 1024 to {LAST_PORT}") from None
        return False
    return True


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]
