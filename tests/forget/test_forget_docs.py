"""The example of docs/recall.md runs as written, and prints what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from projects import ROOT, environment, run_in

# Commits, the time of a receipt, and the folder differ from run to run.
VARYING = re.compile(r"\b[0-9a-f]{12}\b|\d{8}T\d{6}\.\d{6}Z|(?<=[( ])/\S*/weather|(?<=\()/\S*(?=/(?:near|far)/)")


def test_the_example_of_dvc_forget_runs_as_written(tmp_path: Path, dvc: str) -> None:
    page = (ROOT / "docs" / "recall.md").read_text(encoding="utf-8").partition("### An example")[2]
    example = page.partition("\n### ")[0]
    script, dry, applied = re.findall(r"^```(?:sh)?\n(.*?)^```", example, re.MULTILINE | re.DOTALL)
    run_in(tmp_path, "bash", "-ec", script)
    command = (sys.executable, "-m", "mtf.forget", "readings/garden.txt")
    for options, shown in (((), dry), (("--apply",), applied)):
        done = subprocess.run(
            (*command, *options),
            cwd=tmp_path / "weather",
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert VARYING.sub("…", done.stdout) == VARYING.sub("…", shown)
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"the neighbour's garden" in path.read_bytes()
    ]
    options = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", run_in(tmp_path, *command[:3], "--help"))) - {"--help"}
    table = page.partition("### Options")[2].partition("\n### ")[0]
    assert {option for option in options if f"`{option}`" not in table} == set()
