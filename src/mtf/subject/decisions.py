"""Decisions of reviewers about one person, without the reviewers' names.

Only the lines that name the person are parsed, so the cost hardly grows with the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtf.annotation.ledger import JOINT_REVIEWER

# Fields of a decision that the person gets; a ledger of another version may lack some.
FIELDS = (
    "time",
    "kind",
    "image_id",
    "box",
    "other_image_id",
    "other_box",
    "step",
    "verdict",
    "reason",
    "labels",
    "joint",
)


def about(identity: str, review: Path) -> list[dict[str, Any]]:
    """Decisions about `identity` in the ledger at `review`, oldest first; a torn or foreign line is skipped.

    `reviewer` is `reviewer 1`, `reviewer 2`, … in the order of their first decision about the person.
    """
    found = sorted(_lines(identity, review), key=lambda line: str(line.get("time")))
    names: dict[str, str] = {JOINT_REVIEWER: "joint session"}
    for line in found:
        names.setdefault(str(line.get("reviewer")), f"reviewer {len(names)}")
    return [
        {"reviewer": names[str(line.get("reviewer"))]} | {name: line[name] for name in FIELDS if line.get(name)}
        for line in found
    ]


def _lines(identity: str, review: Path) -> Iterator[dict[str, Any]]:
    needle = json.dumps(identity).encode("ascii")
    # Gold answers and pairs of duplicates lie in subfolders.
    for path in sorted(review.glob("*/**/*.jsonl")):
        for line in _with(needle, path.read_bytes()):
            try:
                decision = json.loads(line)
            except ValueError:
                continue
            # A gold answer is about the person whose picture was shown.
            if isinstance(decision, dict) and decision.get("source", decision.get("identity")) == identity:
                yield decision


def _with(needle: bytes, data: bytes) -> Iterator[bytes]:
    """Lines of `data` that contain `needle`."""
    place = data.find(needle)
    while place >= 0:
        start, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place)
        end = len(data) if end < 0 else end
        yield data[start:end]
        place = data.find(needle, end)
