"""Section on the changes since the last release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtf.report.parts import Section, Table, number


def changes(found: Mapping[str, Any] | None, previous: str | None) -> Section:
    """Section of changes; `found` is `Changes.as_json()`, None if there is no previous release."""
    if found is None:
        return Section("changes", "Since the last release", ["There is no earlier release to compare with."])
    faces, people = found["faces"], found["identities"]
    counted = {f"faces {what}": faces[what] for what in ("added", "removed", "moved", "relabelled")}
    rows = [[title, why, number(count)] for title, reasons in counted.items() for why, count in reasons.items()]
    named = {f"identities {what}": people[what] for what in ("added", "removed")}
    rows += [[title, f"{name}: {why}", "1"] for title, reasons in named.items() for name, why in reasons.items()]
    if people["taken_down"]:
        rows.append(["identities removed", "taken down", number(people["taken_down"])])
    unknown = [f"Not known: {each}." for each in found["unknown"]]
    if not rows:
        return Section("changes", "Since the last release", [f"Nothing differs from {previous}.", *unknown])
    table = Table(["Change", "Reason", "Count"], rows)
    return Section("changes", "Since the last release", [f"Against {previous}.", *unknown], tables=[("Changes", table)])
