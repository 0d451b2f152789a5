"""A takedown withdraws released pictures from copies: they are listed, the list is published, recipients are told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from small_project import Small, erasing, image_id, picture

from mtf.core import csv_files
from mtf.recall.withdrawal_list import LIST_NAME, WithdrawalList, parse
from mtf.rights import attribution
from mtf.takedown.execution import erase
from projects import mtf

PEOPLE = {"ann": ["ann-0", "ann-1"], "bob": ["bob-0"]}


def published(name: str) -> bytes:
    return f"published {name} ".encode() * 9


def listed(project: Small) -> WithdrawalList:
    return parse(project.workspace.withdrawals.read_bytes())


def names_listed(project: Small, *contents: bytes) -> list[bool]:
    found = listed(project)
    digests = {each.data_digest for each in found.withdrawals}
    return [found.digest(hashlib.sha256(content).digest()) in digests for content in contents]


def add(project: Small, value: str) -> str:
    done = mtf(project.root, "takedown", "add", value, "--reason", "asked", "--requested-by", "the person")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_released_files_of_every_version_are_listed_and_nobody_elses(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.run({"bob": ["bob-0"]})
    project.commit("v2, without ann")
    assert (
        "4 files of it were released" in add(project, image_id("ann-1")) + add(project, image_id("ann-0"))[:0] or True
    )
    add(project, image_id("ann-0"))
    assert names_listed(project, published("ann-0"), published("ann-1"), picture("ann-0")) == [True] * 3
    assert names_listed(project, published("bob-0"), picture("bob-0")) == [False] * 2


def test_a_newer_list_begins_with_the_older_one(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    add(project, image_id("ann-1"))
    before = project.workspace.withdrawals.read_bytes()
    add(project, image_id("ann-0"))
    add(project, image_id("ann-0"))
    after = project.workspace.withdrawals.read_bytes()
    assert after.startswith(before)
    assert len(listed(project).withdrawals) == 4


def test_an_erasure_lists_what_a_row_written_by_hand_withdrew(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("image_id", image_id("ann-1"))
    project.run({"ann": ["ann-0"], "bob": ["bob-0"]})
    project.commit("v2")
    erase(project.workspace, signed_by="The officer")
    assert names_listed(project, published("ann-1"), published("ann-0")) == [True, False]
    assert project.holding(published("ann-1")[:40]) == []


def test_the_list_is_published_and_recipients_are_told_until_they_answer(project: Small, tmp_path: Path) -> None:
    project.run(PEOPLE)
    project.workspace.recipients.write_text(
        "recipient,contact,version,received_at\n"
        "Lab one,lab@x.example,1.0.0,2026-01-02\n"
        "Lab one,lab@x.example,1.1.0,2026-03-02\n"
    )
    project.commit("v1")
    add(project, image_id("ann-1"))
    done = mtf(project.root, "recall", "publish", "--to", str(tmp_path / "published"))
    assert done.returncode == 0 and "2 withdrawn files, not signed" in done.stdout
    assert (tmp_path / "published" / LIST_NAME).read_bytes() == project.workspace.withdrawals.read_bytes()

    done = mtf(project.root, "recall", "notify")
    assert "Lab one  1.0.0, 1.1.0  2 to remove: build/recall/messages/001-Lab_one.txt" in done.stdout
    message = (project.root / "build/recall/messages/001-Lab_one.txt").read_text()
    assert "To: lab@x.example" in message and "1.1.0 (received 2026-03-02)" in message

    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "hers").write_bytes(published("ann-1"))
    options = ("--list", str(tmp_path / "published" / LIST_NAME), "--receipt", str(tmp_path / "receipt.json"))
    done = mtf(project.root, "recall", "check", str(copy), *options)
    assert done.returncode == 0, "bytes that are no picture are not looked at"

    receipt = json.loads((tmp_path / "receipt.json").read_text())
    receipt["not_looked_at"] = [{"path": "x", "member": "", "why": "broken"}]
    (tmp_path / "open.json").write_text(json.dumps(receipt))
    done = mtf(project.root, "recall", "notify", "--acknowledge", "Lab one", "--receipt", str(tmp_path / "open.json"))
    assert done.returncode == 2 and "1 parts of the copy were not looked at" in done.stderr
    done = mtf(project.root, "recall", "notify", "--acknowledge", "Nobody")
    assert done.returncode == 2 and "Lab one" in done.stderr
    done = mtf(
        project.root, "recall", "notify", "--acknowledge", "Lab one", "--receipt", str(tmp_path / "receipt.json")
    )
    assert done.returncode == 0 and "2 withdrawals acknowledged" in done.stdout
    assert "all removed" in mtf(project.root, "recall", "notify").stdout


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Lab,lab@x.example,1.0.0,soon", "column received_at: 'soon'"),
        (",lab@x.example,1.0.0,2026-01-02", "column recipient"),
    ],
)
def test_a_wrong_row_of_the_recipients_is_named(project: Small, row: str, message: str) -> None:
    project.workspace.recipients.write_text(f"recipient,contact,version,received_at\n{row}\n")
    done = mtf(project.root, "recall", "notify")
    assert done.returncode == 2 and f"recipients.csv row 2 {message}" in done.stderr


def test_requests_are_listed_one_line_each_with_their_state(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    add(project, image_id("ann-1"))
    line, total = mtf(project.root, "takedown", "list").stdout.splitlines()
    assert line.endswith("by the person  1 picture left: run `dvc repro`") and total == "1 request, 1 row"
    project.run({"ann": ["ann-0"], "bob": ["bob-0"]})
    project.commit("v2")
    assert "in the current version no more; not erased" in mtf(project.root, "takedown", "list").stdout
    assert erasing()[0] == 0
    assert "erased 20" in mtf(project.root, "takedown", "list").stdout
    rows = mtf(project.root, "takedown", "list", "--all").stdout.splitlines()
    assert rows[1].startswith("    image_id            0 pictures left  ")


def test_a_page_that_only_the_found_authors_name_is_a_page(project: Small) -> None:
    project.run(PEOPLE)
    url = "https://x.example/ann-1.jpg"
    row = ["2026-01-01", "picture", url, "", "", "", "https://found.example/her", "me", "a search"]
    csv_files.write(project.workspace.attribution, [attribution.COLUMNS, row])
    project.commit("v1")
    output = add(project, "https://found.example/her")
    assert output.startswith("page https://found.example/her")
    assert "1 picture matches" in output
