"""The figures that stand in metrics/, for what shows them or goes on from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from mtf import atomic
from mtf.errors import BadInput
from mtf.workspace import Workspace


def read(workspace: Workspace, name: str, *, made_by: str = "dvc repro") -> dict[str, Any]:
    """metrics/NAME.json. Raises BadInput where the command `made_by` has not made it yet, or it cannot be read."""
    path = workspace.metrics(name)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BadInput(f"{workspace.relative(path)}: no such figures; `{made_by}` makes them") from None
    except ValueError as error:
        raise BadInput(f"{workspace.relative(path)}: not readable as JSON: {error}") from None


def declare(workspace: Workspace, folder: str, plots: Sequence[Any] = ()) -> None:
    """metrics/FOLDER/dvc.yaml: the figures that stand there and `plots`, so that DVC shows what no stage makes.

    `plots` are entries of DVC's plots, their paths relative to metrics/FOLDER.
    """
    home = workspace.metrics_folder / folder
    content = {"metrics": sorted(path.name for path in home.glob("*.json")), "plots": list(plots)}
    written = {name: entries for name, entries in content.items() if entries}
    atomic.write_text(home / "dvc.yaml", yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
