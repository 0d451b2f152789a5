"""Recipients of a release, and messages to them on withdrawn pictures.

`data/recipients.csv` (recipient, contact, version, received_at) is written by people: one row for each release that
somebody received. `data/acknowledgements.csv` (recipient, withdrawals, acknowledged_at, receipt) has one row for each
answer: the number of withdrawals in the list that the recipient's copy was checked against.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from pathlib import Path

from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.core.regular_files import check_regular
from mtf.recall.withdrawal_list import parse
from mtf.release import withdrawals

RECIPIENTS = ("recipient", "contact", "version", "received_at")
ACKNOWLEDGEMENTS = ("recipient", "withdrawals", "acknowledged_at", "receipt")
MAX_RECEIPT_BYTES = 1 << 30
_UNSAFE = re.compile(r"[^\w-]+")


@dataclass(frozen=True)
class Recipient:
    """Recipient of one or more releases.

    - `name`, `contact`: as the table has them;
    - `versions`: releases that they received, with the dates;
    - `acknowledged`: number of withdrawals that they last said to have removed.
    """

    name: str
    contact: str
    versions: tuple[tuple[str, str], ...]
    acknowledged: int = 0


def load(workspace: ProjectPaths) -> list[Recipient]:
    """Recipients in the order of the table; none if there is no table. Raises BadInput."""
    if not workspace.recipients.is_file():
        return []
    found: dict[str, Recipient] = {}
    for row in csv_files.read(workspace.recipients).requiring_exactly(RECIPIENTS):
        name, contact = row.text("recipient"), row.text("contact")
        for column in RECIPIENTS:
            if not row.text(column):
                raise BadInput(f"{row.column(column)}: empty; permitted: text, and a date in received_at")
        _check_date(row.column("received_at"), row.text("received_at"))
        earlier = found.get(name, Recipient(name, contact, ()))
        versions = (*earlier.versions, (row.text("version"), row.text("received_at")))
        found[name] = Recipient(name, contact, versions, _acknowledged(workspace).get(name, 0))
    return list(found.values())


def acknowledge(name: str, receipt: Path | None, workspace: ProjectPaths, params: Params) -> int:
    """Record that a recipient removed the withdrawn pictures; returns the number of withdrawals that this covers.

    receipt: the file that recall.py wrote for them; None takes the newest list. Raises BadInput for an unknown
    recipient, a file that is no receipt, or one that does not say that all is removed.
    """
    known = [each.name for each in load(workspace)]
    if name not in known:
        raise bad_value(
            "recipient", name, f"a recipient of {workspace.relative(workspace.recipients)}: {listed(known)}"
        )
    text = withdrawals.list_text(workspace, params)
    count = len(parse(text).withdrawals) if receipt is None else _covered(receipt, len(parse(text).withdrawals))
    rows: list[tuple[str, ...]] = []
    if workspace.acknowledgements.is_file():
        table = csv_files.read(workspace.acknowledgements).requiring_exactly(ACKNOWLEDGEMENTS)
        rows = [tuple(row.cells[column] for column in ACKNOWLEDGEMENTS) for row in table]
    at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows.append((name, str(count), at, "" if receipt is None else receipt.name))
    csv_files.write(workspace.acknowledgements, [ACKNOWLEDGEMENTS, *rows])
    return count


def message(recipient: Recipient, workspace: ProjectPaths, params: Params) -> str:
    """Message to a recipient: what was withdrawn, how to find it in a copy, and what to send back."""
    count = len(parse(withdrawals.list_text(workspace, params)).withdrawals)
    versions = ", ".join(f"{version} (received {day})" for version, day in recipient.versions)
    url = params.release.withdrawals_url
    where = (
        f"The list is at {url}; the program fetches it." if url else "The list is enclosed: add --list withdrawals.txt."
    )
    return (
        f"To: {recipient.contact}\n"
        f"Subject: {params.project.title}: {count - recipient.acknowledged} withdrawn files to remove\n\n"
        f"You received {params.project.title} {versions}. Since you last answered, "
        f"{count - recipient.acknowledged} files of it were withdrawn, {count} in all.\n\n"
        "Please remove them from every copy that you hold, also from data sets that you derived from it:\n\n"
        "    python recall.py PATH --apply\n\n"
        "recall.py lies in the folder recall/ of the release. It finds the pictures in folders, tar and zip archives, "
        f"Parquet and Arrow files, also renamed, resized or recompressed. {where}\n\n"
        "It writes a receipt, recall-TIME.json. Please send it back, and ask the same of those to whom you passed the "
        f"pictures on.\n\nQuestions: {params.project.contact}\n"
    )


def write_messages(to: Path, workspace: ProjectPaths, params: Params) -> list[tuple[Recipient, int, Path | None]]:
    """Write a message to the folder `to` for each recipient who has not acknowledged all withdrawals.

    Returns each recipient, the number of withdrawals still to acknowledge, and the file of the message.
    """
    count = len(parse(withdrawals.list_text(workspace, params)).withdrawals)
    found: list[tuple[Recipient, int, Path | None]] = []
    for number, recipient in enumerate(load(workspace), 1):
        left = max(count - recipient.acknowledged, 0)
        path = to / f"{number:03d}-{_UNSAFE.sub('_', recipient.name)[:60]}.txt" if left else None
        if path is not None:
            atomic_files.write_text(path, message(recipient, workspace, params))
        found.append((recipient, left, path))
    return found


def _acknowledged(workspace: ProjectPaths) -> dict[str, int]:
    if not workspace.acknowledgements.is_file():
        return {}
    found: dict[str, int] = {}
    for row in csv_files.read(workspace.acknowledgements).requiring_exactly(ACKNOWLEDGEMENTS):
        if not row.text("withdrawals").isdecimal():
            raise bad_value(row.column("withdrawals"), row.text("withdrawals"), "a number")
        found[row.text("recipient")] = max(int(row.text("withdrawals")), found.get(row.text("recipient"), 0))
    return found


def _covered(receipt: Path, count: int) -> int:
    """Number of withdrawals that a receipt of recall.py covers. Raises BadInput."""
    try:
        check_regular(receipt, MAX_RECEIPT_BYTES)
        found = json.loads(receipt.read_bytes())
        covered, open_parts = int(found["list"]["withdrawals"]), len(found["not_looked_at"])
        is_done = bool(found["applied"]) or not found["found"]
    except OSError as error:
        raise BadInput(f"{receipt}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(f"{receipt.name}: not a receipt of recall.py; permitted: the file recall-TIME.json") from None
    if open_parts or not is_done:
        why = f"{open_parts} parts of the copy were not looked at" if open_parts else "it removed nothing (no --apply)"
        raise BadInput(f"{receipt.name}: {why}; ask for a receipt of a run that ends with 0 or 1")
    if not 0 <= covered <= count:
        raise bad_value(f"{receipt.name}: withdrawals", covered, f"0 to {count}, as in the list here")
    return covered


def _check_date(where: str, value: str) -> None:
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        raise bad_value(where, value, "a date or time in ISO 8601") from None
