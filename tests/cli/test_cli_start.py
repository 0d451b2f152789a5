"""The start of the command line."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from projects import ROOT, environment


def loaded_by(*modules: str) -> list[str]:
    """Names of all modules that a new process has after it imported these."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    ).stdout.split()


def test_help_loads_none_of_the_heavy_libraries() -> None:
    """The import contract forbids them to `mtf.cli` itself; this holds what `mtf.cli` imports at its start to it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    heavy = next(each["forbidden_modules"] for each in contracts if each.get("source_modules") == ["mtf.cli"])
    loaded = loaded_by("mtf.cli")
    assert set(heavy).isdisjoint(loaded)
    assert "mtf.cli.stages" in loaded


def test_a_process_of_a_fetch_starts_without_the_contracts_of_tables() -> None:
    assert {"pandas", "pandera"}.isdisjoint(loaded_by("mtf.fetch.shard_fetcher", "mtf.crawl.work"))


def test_the_process_that_hands_out_shards_starts_without_what_fetches_them() -> None:
    assert {"aiohttp", "cv2", "PIL", "mtf.crawl.collector"}.isdisjoint(loaded_by("mtf.fetch.fetching"))
