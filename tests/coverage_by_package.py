"""Print the lines and branches that the tests run, by package: `make coverage`."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from contextlib import redirect_stdout
from pathlib import Path

from coverage import Coverage

THRESHOLD_PERCENT = 85
# Kind → coverage's names of those that were run, and of all.
KINDS = {"lines": ("covered_lines", "num_statements"), "branches": ("covered_branches", "num_branches")}


def package_of(path: str) -> str:
    """`src/mtf/crawl/http_client.py` → `mtf.crawl`; a module beside the packages counts as `mtf`."""
    parts = Path(path).parts
    below = parts[parts.index("mtf") : -1]
    return ".".join(below[:2])


def totals(report: dict) -> dict[str, Counter[str]]:
    """Package → sums of the counts of KINDS over its files, from coverage's JSON report."""
    counted = [name for names in KINDS.values() for name in names]
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for path, file in report["files"].items():
        sums[package_of(path)].update({name: file["summary"][name] for name in counted})
    return dict(sorted(sums.items()))


def percent(counts: Counter[str]) -> float:
    """Lines and branches together, as coverage counts them."""
    all_ = counts["num_statements"] + counts["num_branches"]
    return 100 * (counts["covered_lines"] + counts["covered_branches"]) / all_ if all_ else 100.0


def row(name: str, counts: Counter[str]) -> str:
    figures = "  ".join(f"{kind} {counts[run]:>5} of {counts[all_]:>5}" for kind, (run, all_) in KINDS.items())
    mark = "" if percent(counts) >= THRESHOLD_PERCENT else f"  below {THRESHOLD_PERCENT} %"
    return f"{name:<20} {percent(counts):3.0f} %  {figures}{mark}"


def main() -> None:
    coverage = Coverage()
    coverage.load()
    path = Path(coverage.config.data_file).with_name("coverage.json")
    with redirect_stdout(io.StringIO()):
        coverage.json_report(outfile=str(path))
    sums = totals(json.loads(path.read_text()))
    for name, counts in {**sums, "all": sum(sums.values(), Counter())}.items():
        print(row(name, counts))


if __name__ == "__main__":
    main()
