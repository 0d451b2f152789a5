"""Training on several nodes (machines) by torchrun: process group, check for equal inputs, broadcast from the first.

Only the first process has the project's unfinished trainings and writes results. What the others need of them is sent,
so that the machines need no shared folder.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from mtf.core import torchrun
from mtf.core.errors import BadInput, MtfError, listed

# After this time a process that waits for another one gives up.
TIMEOUT = timedelta(minutes=30)
STATE = "last.ckpt"


@contextmanager
def process_group() -> Generator[None]:
    """Process group of all processes that torchrun started. Without torchrun, nothing.

    It is made before data are read: if a process fails, its connections close, and no other waits for it in vain.

    Raises MtfError if another process ended or cannot be reached, or if torch fails in this one.
    """
    process = torchrun.launched()
    if process is None:
        yield
        return
    try:
        on_nvidia = torch.cuda.is_available()
        if on_nvidia:
            torch.cuda.set_device(process.rank % process.per_node)
        # Named, as Lightning asks for the name.
        distributed.init_process_group("nccl" if on_nvidia else "gloo", timeout=TIMEOUT)
        yield
    except RuntimeError as error:
        raise MtfError(_explained(error, process)) from None
    # Not after a failure: NCCL would wait for processes that have ended.
    distributed.destroy_process_group()


def check_equal(inputs: str | None) -> None:
    """Check that all processes of the group have the same digest `inputs`. Without torchrun, nothing.

    Raises BadInput in all of them if not: they would train on different data, or wait for each other forever.
    """
    process = torchrun.launched()
    if process is None:
        return
    digests: list[Any] = [None] * process.processes
    distributed.all_gather_object(digests, inputs)
    nodes = {rank // process.per_node for rank, digest in enumerate(digests) if digest != digests[0]}
    if nodes:
        raise BadInput(
            f"torchrun: node {listed([str(node) for node in sorted(nodes)])}: other data, parameters, code or versions "
            "than node 0; bring all copies of the project to the same commit and `dvc pull`"
        )


def from_first(value: Any) -> Any:
    """`value` of the first process, in all processes of the group; it is pickled. Without torchrun, `value` itself."""
    if torchrun.launched() is None:
        return value
    sent = [value]
    distributed.broadcast_object_list(sent, src=0)
    return sent[0]


def state_of_first(last: Path | None, folder: Path) -> Path | None:
    """Path of the state that the training continues from: `last` in the first process, a copy in `folder` in others."""
    if torchrun.launched() is None:
        return last
    state = from_first(last.read_bytes() if last is not None else None)
    if state is None or torchrun.is_first():
        return last
    copied = folder / STATE
    copied.write_bytes(state)
    return copied


def _explained(error: RuntimeError, process: torchrun.Launched) -> str:
    """One line for what torch raised; gloo has no class of its own for a connection that closed."""
    line = str(error).strip().split("\n", 1)[0]
    if isinstance(error, distributed.DistError) or "gloo" in line or "Connection" in line:
        return (
            f"training: node {process.rank // process.per_node} of {process.nodes} lost another one, which ended or "
            "cannot be reached; its own last line says why. Start the command again on all of them: the training "
            "continues after its last epoch"
        )
    return f"a device's process failed: {type(error).__name__}: {line}"
