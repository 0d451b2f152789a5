"""A Ray cluster of several nodes on this machine, and an S3 server that all of them see; everything on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any

import boto3
import fsspec
import psutil
import pytest
from moto.s3.models import S3Backend
from moto.server import ThreadedMotoServer

BUCKET = "cluster"
OBJECT_STORE_BYTES = 80 * 2**20
START_S = 300
"""Seconds that a node has to start: Ray's 30 are too few on a busy machine."""
HELD_S = 400
"""Seconds that an upload is held at most, so that a test which fails does come to its end."""
TESTS = Path(__file__).parent


class HeldUploads:
    """Uploads that wait in the S3 server, so that a test knows what is in work.

    keys: of those that wait.
    """

    def __init__(self, after: int) -> None:
        self.keys: set[str] = set()
        self._free = after
        self._lock = threading.Lock()
        self._is_open = threading.Event()
        self._lost: set[str] = set()

    def pass_on(self, key: str) -> None:
        """Wait until the upload may go on. Raises ConnectionAbortedError for one that is lost."""
        with self._lock:
            is_held = self._free <= 0 and not self._is_open.is_set()
            self._free -= 1
            if is_held:
                self.keys.add(key)
        if is_held and (not self._is_open.wait(HELD_S) or key in self._lost):
            raise ConnectionAbortedError(key)

    def release(self) -> None:
        """Let all uploads go on, later ones too."""
        self._is_open.set()

    def lose(self, keys: Collection[str] | None = None) -> None:
        """Fail those that wait, or those of `keys` alone, and let the others go on: nothing of them is stored."""
        with self._lock:
            if not self._is_open.is_set():
                self._lost = set(self.keys if keys is None else keys)
            self._is_open.set()


@dataclass
class RayCluster:
    """Nodes with one CPU each, and the storage `s3://BUCKET`."""

    cluster: Any
    endpoint: str
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.cluster.address

    def compute(self, **changes: object) -> dict[str, object]:
        """Section `compute` of params.yaml for a stage on this cluster."""
        return {"engine": "ray", "address": self.address, "storage": f"s3://{BUCKET}/project"} | changes

    def grow(self, count: int) -> None:
        """Add nodes until there are `count`."""
        while len(self.nodes) < count:
            self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES, **_own()))
        self.cluster.wait_for_nodes(timeout=START_S)

    def kill(self, node: Any) -> None:
        """End a node's processes at once, as if its machine had lost power."""
        self.cluster.remove_node(node, allow_graceful=False)
        self.nodes.remove(node)

    def node_of(self, worker: int) -> int:
        """`id` of the node whose process a worker is."""
        raylet = psutil.Process(worker).ppid()
        return next(id(node) for node in self.nodes if _raylet(node) == raylet)

    def workers(self) -> list[psutil.Process]:
        """Processes that run tasks and actors."""
        found = list(psutil.process_iter(["name", "ppid", "cmdline"]))  # without those that end meanwhile
        raylets = {each.pid for each in found if each.info["name"] == "raylet"}
        return [
            each for each in found if each.info["ppid"] in raylets and "ray::" in "".join(each.info["cmdline"] or ())
        ]

    @contextmanager
    def holding(self, folder: str, *, ending: str = "", after: int = 0) -> Generator[HeldUploads]:
        """Uploads of files in a folder of the storage wait while the block runs, except the first `after`.

        ending: end of the names of those that wait.
        """
        held, put = HeldUploads(after), S3Backend.put_object

        def put_held(backend: S3Backend, bucket: str, key: str, *arguments: Any, **options: Any) -> Any:
            if f"{folder}/" in key and key.endswith(ending):
                held.pass_on(key)
            return put(backend, bucket, key, *arguments, **options)

        with pytest.MonkeyPatch.context() as there:
            there.setattr(S3Backend, "put_object", put_held)
            try:
                yield held
            finally:
                held.lose()

    def stored(self) -> dict[str, object]:
        """Key → time of each object in the storage."""
        client = boto3.client("s3", endpoint_url=self.endpoint)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {each["Key"]: each["LastModified"] for page in pages for each in page.get("Contents", [])}


def _raylet(node: Any) -> int:
    """Process of a node that starts its workers."""
    return node.all_processes["raylet"][0].process.pid


def _own() -> dict[str, object]:
    """Address and ports of a node. A node dies that does not learn the ports of its agents in time."""
    names = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port")
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in names]
    return {"node_ip_address": "127.0.0.1", **dict(zip(names, ports, strict=True))}


def python_path() -> str:
    """PYTHONPATH of workers that import modules of the tests."""
    return os.pathsep.join([str(TESTS.parent / "src"), str(TESTS), os.environ.get("PYTHONPATH", "")])


def s3_environment(endpoint: str) -> dict[str, str]:
    """Environment of whoever uses the S3 server at `endpoint`, on loopback."""
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "NO_PROXY": "127.0.0.1",
    }


@contextmanager
def s3_server() -> Generator[str]:
    """Address of an S3 server on loopback with the bucket BUCKET, which this environment uses."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as here:
        for name, value in s3_environment(endpoint).items():
            here.setenv(name, value)
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        try:
            yield endpoint
        finally:
            server.stop()
            fsspec.get_filesystem_class("s3").clear_instance_cache()  # their address is that of this server


@contextmanager
def start() -> Generator[RayCluster]:
    """A cluster with a head node alone, which has one CPU; nothing of it is left at the end."""
    # A socket's path has at most 107 bytes, so that pytest's own folder is too deep.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    with pytest.MonkeyPatch.context() as here, s3_server() as endpoint:
        for name, value in {
            # Ray would connect to this machine's other address, at which a cluster on loopback does not listen.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            # A dead node refuses each check at once; one of a busy machine has ten seconds for its answer.
            "RAY_health_check_period_ms": "500",
            "RAY_health_check_timeout_ms": "10000",
            "RAY_health_check_failure_threshold": "3",
            "RAY_agent_register_timeout_ms": str(1000 * START_S),
            "RAY_gcs_server_port_wait_time_s": str(START_S),
            "RAY_gcs_rpc_server_connect_timeout_s": str(START_S),
            # Else a worker without a task ends after a second if another driver has one, and the next task starts anew.
            "RAY_idle_worker_killing_time_threshold_ms": str(1000 * START_S),
            "PYTHONPATH": python_path(),
        }.items():
            here.setenv(name, value)
        import ray
        from ray._private import ray_constants, services, utils
        from ray.cluster_utils import Cluster

        here.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # if something imported Ray before
        here.setattr(services, "get_node", _patient(services.get_node))
        here.setattr(Cluster, "_wait_for_node", partialmethod(Cluster._wait_for_node, timeout=START_S))
        # There the address of the cluster is written, whichever folder its nodes use.
        Path(utils.get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)
        cluster = Cluster()
        try:
            options = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
            head = cluster.add_node(temp_dir=folder, **options, **_own())
            yield RayCluster(cluster, endpoint, [head])
        finally:
            ray.shutdown()
            cluster.shutdown()
            _end_processes(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _end_processes(folder: str) -> None:
    """End what a node that did not start has left: the cluster does not know it."""
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in argument for argument in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _patient(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """Ray's `get_node`, which waits for a new node as long as `START_S`."""

    def wait(*arguments: Any, **options: Any) -> Any:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with suppress(RuntimeError):
                return get_node(*arguments, **options)
            time.sleep(0.2)
        return get_node(*arguments, **options)

    return wait


if sys.platform != "linux":
    pytest.skip("a cluster on loopback is tested on Linux", allow_module_level=True)
