"""torchrun: which of its processes this one is, as PyTorch's launcher says it in the environment.

torchrun starts one process for each device, on each machine (node), and each runs the same command.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from mtf.core.errors import BadInput

# torchrun alone sets it; other launchers set RANK and WORLD_SIZE, too.
_RUN_ID = "TORCHELASTIC_RUN_ID"


@dataclass(frozen=True)
class Launched:
    """A process that torchrun started together with others.

    - `rank`: its number among all of them, from 0; the process 0 writes the results;
    - `per_node`: number of processes on each machine;
    - `nodes`: number of machines.
    """

    rank: int
    per_node: int
    nodes: int

    @property
    def processes(self) -> int:
        """Number of processes on all machines."""
        return self.per_node * self.nodes


def launched() -> Launched | None:
    """Torchrun's description of this process; None if torchrun did not start it, or started it alone.

    Raises BadInput if the machines have different numbers of processes.
    """
    if _RUN_ID not in os.environ or os.environ["WORLD_SIZE"] == "1":
        return None
    found = Launched(int(os.environ["RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"]))
    if found.processes != int(os.environ["WORLD_SIZE"]):
        raise BadInput(
            f"torchrun: {os.environ['WORLD_SIZE']} processes on {found.nodes} machines, {found.per_node} of them here; "
            "give each machine the same --nproc-per-node"
        )
    return found


def is_first() -> bool:
    """True if this process writes results: the first one of torchrun's, or one that torchrun did not start."""
    process = launched()
    return process is None or process.rank == 0
