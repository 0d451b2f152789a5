"""Files that a new project starts from: the repository's own params.yaml, dvc.yaml and plot templates.

A wheel carries them in `mtf/project/template/` (`force-include` in pyproject.toml); in a checkout they are the files at
its root. So there is one source of each.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from mtf.core.errors import MtfError
from mtf.core.import_closure import PACKAGE, source

PARAMS = "params.yaml"
PIPELINE = "dvc.yaml"
PLOTS = ".dvc/plots"
PACKED_NAMES = {PLOTS: "plots"}
"""Names in the wheel that differ: a folder whose name begins with a dot would be hidden."""


def text(name: str) -> str:
    """Text of PARAMS or PIPELINE as the repository has it."""
    return _find(name).read_text(encoding="utf-8")


def plot_templates() -> dict[str, str]:
    """File name → text of the templates of DVC's plots."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(_find(PLOTS).glob("*.json"))}


def _find(name: str) -> Path:
    packed = Path(str(files("mtf.project"))) / "template" / PACKED_NAMES.get(name, name)
    in_checkout = source(PACKAGE).parents[2] / name
    for path in (packed, in_checkout):
        if path.exists():
            return path
    raise MtfError(f"{packed}: missing, so this installation of mtf is incomplete; install it again")
