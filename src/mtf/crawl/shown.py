"""What came of a crawl, in words, from its metrics alone."""

from __future__ import annotations

from typing import Any


def retriable_failures(metrics: dict[str, Any]) -> str:
    """What is worth asking for again, from `metrics/crawl.json`; empty where nothing is.

    `dvc repro` runs a stage whose inputs changed, and the web is none of them: whoever shows this says how.
    """
    counts = metrics.get("retriable", metrics.get("may_pass", {}))  # as crawls before 0.2 wrote it
    said = {"addresses": "addresses failed in a way that may pass", "searches": "searches were not completed"}
    return " and ".join(f"{counts[name]:,} {words}" for name, words in said.items() if counts.get(name))
