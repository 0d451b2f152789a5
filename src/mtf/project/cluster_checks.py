"""Checks of the Ray cluster of `compute`: the package, the machines, their code, and the storage that all must see."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mtf import __version__
from mtf.config import Compute, Params
from mtf.core import cluster_storage, cluster_tasks, extras
from mtf.core.cluster_storage import ClusterStorage
from mtf.core.errors import MtfError
from mtf.core.hashing import file_digest
from mtf.core.import_closure import package_digest
from mtf.core.project_paths import ProjectPaths
from mtf.project.finding import Finding

ANSWER_S = 60.0
"""Time for a machine to start a worker and answer."""
_PROBE = "build/.doctor"
TESTED_RAY = "2.60.0"
"""Version of Ray that the extra `ray` asks for."""


@dataclass(frozen=True)
class NodeAnswer:
    """Answer of a worker about its machine.

    sees: None if it sees the storage, or without one the project's folder; else why not.
    """

    python: str
    version: str
    code: str
    sees: str | None


def examine(workspace: ProjectPaths, params: Params) -> Iterator[Finding]:
    """Findings on the cluster; none for `compute.engine: local`."""
    compute = params.compute
    if compute.engine != "ray":
        if compute.storage is not None:
            yield Finding("compute.storage", "lacking", f"{compute.storage} is not used with engine: local")
        return
    try:
        installed = version("ray")
    except PackageNotFoundError:
        yield Finding(
            "cluster", "wrong", f"compute.engine: ray needs Ray {TESTED_RAY}; {extras.install('ray')} brings it"
        )
        return
    if installed != TESTED_RAY:
        advice = f"{extras.install('ray')} on every machine"
        yield Finding("Ray", "wrong", f"{installed} is installed, {TESTED_RAY} is tested; {advice}")
    try:
        ray = cluster_tasks.connect(compute)
        probe, name = _probe(workspace, compute)
    except MtfError as error:
        yield Finding("cluster", "wrong", str(error))
        return
    yield from _nodes(ray, probe)
    if probe.storage is not None:
        probe.storage.remove(name)


@dataclass(frozen=True)
class Probe:
    """Task of the doctor: what a machine is to see. sha256: of the file in the storage, or of params.yaml."""

    root: Path
    storage: ClusterStorage | None
    sha256: str


def _probe(workspace: ProjectPaths, compute: Compute) -> tuple[Probe, str]:
    storage = cluster_storage.of(compute)
    if storage is None:
        return Probe(workspace.root, None, file_digest(workspace.params)), ""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"mtf doctor")
        file.flush()
        return Probe(workspace.root, storage, storage.put(Path(file.name), _PROBE)), _PROBE


def _nodes(ray: Any, probe: Probe) -> Iterator[Finding]:
    """One finding for each machine."""
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    nodes = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: node["NodeID"])
    remote = ray.remote(num_cpus=0, max_retries=0)(answer)
    asked = [remote.options(scheduling_strategy=strategy(node["NodeID"], soft=False)).remote(probe) for node in nodes]
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=ANSWER_S)
    cores = sum(int(node["Resources"].get("CPU", 0)) for node in nodes)
    yield Finding(
        "cluster", "good", f"{len(nodes)} machines, {cores} cores, at {ray.get_runtime_context().gcs_address}"
    )
    for node, reference in zip(nodes, asked, strict=True):
        name = f"machine {node['NodeManagerHostname']} ({node['NodeID'][:8]})"
        if reference not in answered:
            yield Finding(name, "wrong", f"does not answer in {ANSWER_S:.0f} s; look into its Ray's logs")
            continue
        try:
            problem = _problem(ray.get(reference), probe)
        except Exception as error:  # whatever a broken installation raises
            problem = _broken(error)
        cpus = int(node["Resources"].get("CPU", 0))
        good = f"{cpus} cores, mtf {__version__}, sees {probe.storage.address if probe.storage else probe.root}"
        yield Finding(name, "wrong" if problem else "good", problem or good)


def _problem(found: NodeAnswer, probe: Probe) -> str | None:
    if found.code != package_digest():
        return f"has mtf {found.version} with other code than this machine; install the same, and start its Ray again"
    if found.python.split(".")[:2] != platform.python_version().split(".")[:2]:
        return f"has Python {found.python}, this machine {platform.python_version()}; use the same minor version"
    if found.sees is None:
        return None
    if probe.storage is not None:
        return f"does not see compute.storage: {found.sees}"
    return f"does not see the project's folder ({found.sees}); set compute.storage to what all machines see"


def _broken(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "No module named 'mtf" in text:
        return "has no mtf; install it there with the extra ray, and start its Ray again"
    return f"cannot do a task: {text[-200:]}"


def answer(probe: Probe) -> NodeAnswer:
    """Run on a machine: its versions, and whether it sees what it must."""
    sees: str | None = None
    try:
        if probe.storage is not None:
            with tempfile.TemporaryDirectory() as folder:
                probe.storage.get(_PROBE, probe.sha256, Path(folder) / "probe")
        elif file_digest(ProjectPaths(probe.root).params) != probe.sha256:
            sees = f"{probe.root} is another one there"
    except (MtfError, OSError) as error:
        sees = " ".join(str(error).split())
    return NodeAnswer(platform.python_version(), __version__, package_digest(), sees)
