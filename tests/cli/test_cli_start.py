"""The start of the command line."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from projects import ROOT, environment

CODE = "import sys, mtf.cli; print(*sys.modules)"


def test_help_loads_none_of_the_heavy_libraries() -> None:
    """The import contract forbids them to `mtf.cli` itself; this holds what `mtf.cli` imports at its start to it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    heavy = next(each["forbidden_modules"] for each in contracts if each.get("source_modules") == ["mtf.cli"])
    loaded = subprocess.run(
        [sys.executable, "-c", CODE], env=environment(), capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(heavy).isdisjoint(loaded)
    assert "mtf.cli.stages" in loaded
