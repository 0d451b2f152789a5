"""Test of attention: how soon a reviewer who overlooks a tenth of the exceptions is named, and how often another is.

    .venv/bin/python benchmarks/reviewer_attention.py [--runs 4000]

A reviewer answers likely pages of PAGE_FACES faces. On each are some real exceptions and the gold questions that
`review.gold_share` plants; each exception is overlooked with the probability `overlooked`, each time anew. A page takes
one key, and one more for every exception that is picked out. A real exception counts if two others reject it who err on
2 and 5 % of the faces: both others of the panel, or one of them and the classifier.

Two ways to count 200 decisions: keys, by which a page is decided, and verdicts, one for each real face. The evidence is
gold alone, as for the first reviewer of a project, or gold and real exceptions. The test is `annotation.attention`; the
rival is the exact binomial test at the same level, looked at once at the end, or after each page.

Exit status 1 if, at the default share and in 200 keys, power or false alarm miss their targets on any page.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scipy.stats import binom

from mtf.annotation import attention
from mtf.config import Review

PAGE_FACES = 40
DECISIONS = 200
OTHERS_AGREE = 0.98 * 0.95
MIN_POWER = 0.95
GOLD_SHARES = (0.02, 0.04, 0.05)
REAL_EXCEPTIONS = (0, 1, 2, 4)


def answered(
    overlooked: float, real: int, gold_share: float, *, by_keys: bool, random: np.random.Generator
) -> tuple[list[bool], list[int], list[bool]]:
    """Exceptions that a reviewer met in DECISIONS decisions: all, how many after each page, and the gold ones alone."""
    found: list[bool] = []
    gold: list[bool] = []
    pages: list[int] = []
    decisions, faces = 0, 0
    while decisions < DECISIONS:
        faces += PAGE_FACES
        planted = max(int(gold_share / (1 - gold_share) * faces + 0.5) - len(gold), 1)
        missed_gold = (random.random(planted) < overlooked).tolist()
        missed_real = random.random(real) < overlooked
        known = random.random(real) < OTHERS_AGREE
        gold += missed_gold
        found += [*missed_gold, *missed_real[known].tolist()]
        pages.append(len(found))
        picked = planted - sum(missed_gold) + real - int(missed_real.sum())
        decisions += 1 + picked if by_keys else PAGE_FACES
    return found, pages, gold


def exact(missed: int, exceptions: int) -> bool:
    """True if an exact binomial test at the same level names a reviewer."""
    return bool(binom.sf(missed - 1, exceptions, attention.HONEST) <= attention.FALSE_ALARM)


def rates(overlooked: float, real: int, gold_share: float, *, by_keys: bool, runs: int) -> dict[str, float]:
    """Shares of the runs in which each test named the reviewer, and mean numbers of exceptions and of gold."""
    random = np.random.default_rng([int(1000 * overlooked), real, int(1000 * gold_share)])
    sums = dict.fromkeys(("named", "by gold", "exact once", "exact after each page", "exceptions", "gold"), 0.0)
    for _ in range(runs):
        found, pages, gold = answered(overlooked, real, gold_share, by_keys=by_keys, random=random)
        sums["named"] += attention.tested(found).is_named
        sums["by gold"] += attention.tested(gold).is_named
        sums["exact once"] += exact(sum(found), len(found))
        missed = np.cumsum(found)
        sums["exact after each page"] += any(exact(int(missed[end - 1]), end) for end in pages if end)
        sums["exceptions"] += len(found)
        sums["gold"] += len(gold)
    return {name: total / runs for name, total in sums.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=4000)
    asked = parser.parse_args()
    default = Review().gold_share
    met = True
    for by_keys in (True, False):
        print(f"{DECISIONS} decisions, counted in {'keys' if by_keys else 'verdicts on faces'}")
        for gold_share in GOLD_SHARES:
            for real in REAL_EXCEPTIONS:
                rate = {
                    share: rates(share, real, gold_share, by_keys=by_keys, runs=asked.runs)
                    for share in (attention.CARELESS, attention.HONEST)
                }
                power, alarm = rate[attention.CARELESS], rate[attention.HONEST]
                print(
                    f"  gold {gold_share:.0%}, {real} real exceptions a page: {power['exceptions']:.0f} exceptions, "
                    f"{power['gold']:.0f} of them gold; "
                    + "; ".join(
                        f"{name} {power[name]:.3f} / {alarm[name]:.3f}"
                        for name in ("named", "by gold", "exact once", "exact after each page")
                    ),
                    flush=True,
                )
                if by_keys and gold_share == default:
                    met &= power["named"] >= MIN_POWER and alarm["named"] <= attention.FALSE_ALARM
    print("power / false alarm")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
