"""The figures that stand in metrics/, for what shows them or goes on from them."""

from __future__ import annotations

import json
from typing import Any

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
