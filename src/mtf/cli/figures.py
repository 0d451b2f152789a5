"""The figures that stand in metrics/, for the commands that show them."""

from __future__ import annotations

import json
from typing import Any

from mtf.errors import BadInput
from mtf.workspace import Workspace


def read(workspace: Workspace, name: str) -> dict[str, Any]:
    """metrics/NAME.json. Raises BadInput where no stage has made it yet, or it cannot be read."""
    path = workspace.metrics(name)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BadInput(f"{workspace.relative(path)}: no such figures; `dvc repro` makes them") from None
    except ValueError as error:
        raise BadInput(f"{workspace.relative(path)}: not readable as JSON: {error}") from None
