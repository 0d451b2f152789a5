"""State of each takedown request: what a person asked for, with the rows that were written down for it."""

from __future__ import annotations

from dataclasses import dataclass

from mtf.core.counts import number
from mtf.core.project_paths import ProjectPaths
from mtf.schemas.takedown_file import RequestKind, Takedown, Takedowns
from mtf.takedown import receipt
from mtf.takedown.requests import Meaning

KIND_CHARS = max(len(kind) for kind in RequestKind)
_VALUE_CHARS = 60


@dataclass(frozen=True)
class RequestState:
    """Request with its state.

    - `records`: rows of takedowns.csv that were written down at once for one person; what they asked for is the first;
    - `state`: what has been done, and what comes next.
    """

    records: tuple[Takedown, ...]
    state: str

    @property
    def line(self) -> str:
        """Date, who asks for what, reference and state, on one line."""
        first = self.records[0]
        value = first.value if len(first.value) <= _VALUE_CHARS else f"{first.value[: _VALUE_CHARS - 1]}…"
        words = (first.added_at[:10], f"{first.kind} {value}", f"by {first.requested_by}", first.reference, self.state)
        return "  ".join(word for word in words if word)


def of_requests(takedowns: Takedowns, counts: dict[Meaning, int | None], workspace: ProjectPaths) -> list[RequestState]:
    """Requests in the order of the file. `counts`: pictures of the current version that each row names."""
    groups: dict[tuple[str, ...], list[Takedown]] = {}
    for record in takedowns.records:
        key = (record.added_at, record.reason, record.requested_by, record.reference)
        groups.setdefault(key, []).append(record)
    erased, begun = _receipts(workspace)
    return [RequestState(tuple(records), _state(records, counts, erased, begun)) for records in groups.values()]


def _receipts(workspace: ProjectPaths) -> tuple[dict[Meaning, str], set[Meaning]]:
    """Requests of finished receipts, with the day, and those of unfinished ones."""
    erased: dict[Meaning, str] = {}
    begun: set[Meaning] = set()
    for _, one in receipt.load_all(workspace.data):
        for each in one["requests"]:
            kind = "perceptual_hash" if each["kind"] == "content_hash" else each["kind"]
            meaning = (RequestKind(kind), each["value"])
            if one["finished_at"]:
                erased[meaning] = one["finished_at"][:10]
            else:
                begun.add(meaning)
    return erased, begun


def _state(
    records: list[Takedown], counts: dict[Meaning, int | None], erased: dict[Meaning, str], begun: set[Meaning]
) -> str:
    meanings = [(record.kind, record.value) for record in records]
    known = [count for meaning in meanings if (count := counts[meaning]) is not None]
    left = max(known, default=0)
    if left:
        return f"{number(left, 'picture')} left: run `dvc repro`"
    if any(meaning in begun for meaning in meanings):
        return "erasure not finished: run `mtf takedown erase` again"
    if all(meaning in erased for meaning in meanings):
        return f"erased {erased[meanings[0]]}"
    if len(known) < len(meanings):
        return "? pictures left: run `dvc repro`"
    return "in the current version no more; not erased"
