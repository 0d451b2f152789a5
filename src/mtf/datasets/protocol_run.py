"""Run of a paper's protocol in a folder, which the same command continues after a kill.

`build/protocol.json` of the new project has what was asked, and the steps that are done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtf.core import atomic_files
from mtf.core.errors import BadInput, listed
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import ProjectPaths

FILE = "protocol.json"


@dataclass
class ProtocolRun:
    """Run of a protocol.

    path: its file.
    asked: option → value, and digests of what decides the layout.
    done: step → digest of its parameters.
    """

    path: Path
    asked: dict[str, Any]
    done: dict[str, str] = field(default_factory=dict)

    @classmethod
    def in_folder(cls, to: Path, asked: Mapping[str, Any]) -> ProtocolRun:
        """Run in the folder `to`: a new one if it is missing or empty, else that of the same command.

        Raises BadInput if `to` is a file, or has something else in it, or was begun with other options.
        """
        run = cls(ProjectPaths(to).build / FILE, dict(asked))
        if not to.exists() or (to.is_dir() and not any(to.iterdir())):
            return run
        try:
            kept = json.loads(run.path.read_text(encoding="utf-8"))
            before, run.done = dict(kept["asked"]), dict(kept["done"])
        except (OSError, ValueError, KeyError, TypeError):
            raise BadInput(f"{to}: not empty; name a new folder") from None
        other = [name for name in asked if name not in before or before[name] != asked[name]]
        if other:
            raise BadInput(
                f"{to}: not empty, begun with another {listed(other)}; name a new folder, or repeat the first command"
            )
        return run

    @property
    def is_laid_out(self) -> bool:
        """True if the project's last file is there."""
        return (self.path.parents[1] / "params.yaml").is_file()

    def write(self) -> None:
        atomic_files.write_json(self.path, {"asked": self.asked, "done": self.done})

    def once(self, step: str, parameters: Any, make: Callable[[], object]) -> None:
        """Run `make`, unless it was done in an earlier run with the same parameters."""
        digest = fingerprint(parameters)
        if self.done.get(step) == digest:
            print(f"{step}: kept from before")
            return
        make()
        self.done[step] = digest
        self.write()
