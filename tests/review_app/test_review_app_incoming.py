"""Whatever stands in another tool's file is either read or refused in one line that says where and why."""

from __future__ import annotations

import copy
import csv
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtf.core.errors import BadInput
from mtf.review_app.exchange import import_formats

IMAGE = "ab" * 32
ROW = {"identity": "ada", "image_id": IMAGE, "x": "16", "y": "16", "width": "64", "height": "64"}
ROW |= {"step": "face", "verdict": "reject", "reason": "not_a_face", "reviewer": "anna"}
HEADER = ",".join(ROW)
LINE = ",".join(ROW.values())
DECISION = {"reviewer": "anna", "step": "task_fit", "verdict": "label", "labels": {"age": "Old"}, "joint": True}
DECISION |= {"time": "2026-01-02T03:04:05+02:00"}
COCO = {
    "categories": [{"id": 1, "name": "ada"}],
    "images": [{"id": 7, "file_name": f"data/{IMAGE}.jpg"}],
    "annotations": [
        {"category_id": 1, "image_id": 7, "bbox": [16, 16.4, 64, 64], "decisions": [DECISION, "ben face accept"]}
    ],
}
FIFTYONE = {
    "classes": None,
    "labels": {
        IMAGE: [
            {
                "label": "ada",
                "attributes": {"box": [16, 16.4, 64, 64], "decisions": [DECISION, "ben face accept"]},
            }
        ]
    },
}
FOLDERS = {"coco": COCO, "fiftyone": FIFTYONE}


def nested(depth: int, inmost: Any = 5) -> Any:
    return [nested(depth - 1, inmost)] if depth else inmost


def as_csv(folder: Path, text: str | bytes) -> list[import_formats.ImportedDecision]:
    (folder / "in.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_formats.read(folder / "in.csv", format="csv", reviewer=None)


def as_folder(folder: Path, format: str, content: str | bytes | Any) -> list[import_formats.ImportedDecision]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "labels.json").write_bytes(raw)
    return import_formats.read(folder, format=format, reviewer=None)


@pytest.mark.parametrize("format", FOLDERS)
def test_objects_and_texts_on_a_box_are_read(tmp_path: Path, format: str) -> None:
    label, accept = (one.decision for one in as_folder(tmp_path, format, FOLDERS[format]))
    assert (label.labels, label.joint, label.time) == ({"age": "Old"}, True, datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC))
    assert (accept.reviewer, accept.box, accept.image_id) == ("ben", (16, 16, 64, 64), IMAGE)


def test_a_spreadsheets_habits_are_read(tmp_path: Path) -> None:
    """A mark at the file's start, CRLF, rows of nothing, and rows that nobody decided."""
    undecided = LINE.replace("reject", "").replace("not_a_face", "")
    text = "\r\n".join([f"\ufeff{HEADER}", "", "," * (len(ROW) - 1), LINE, undecided, ""])
    assert [one.where for one in as_csv(tmp_path, text)] == ["in.csv row 4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "in.csv row 1: missing column identity, "),
        (HEADER.replace(",", ";"), "in.csv row 1: missing column .* split by commas"),
        (json.dumps(COCO), "in.csv row 1: missing column"),
        (f"{HEADER},x\n", "in.csv row 1: column x stands there twice"),
        (f'{HEADER}\n\n"ada,{IMAGE}\n', "in.csv row 3: not readable as CSV: unexpected end of data"),
        (f'{HEADER}\n"ada"b,\n', "in.csv row 2: not readable as CSV: "),
        (f"{HEADER}\n{LINE}\n{'x' * 1_100_000}\n", r"in.csv row 3: not readable as CSV: field larger .* \(1048576\)"),
        (f"{HEADER}\nada,{IMAGE}\n", "in.csv row 2: 2 values where the header has 10 columns"),
        (f"{HEADER}\n{LINE},more\n", "in.csv row 2: 11 values"),
        (f"{HEADER}\n{LINE.replace('reject', '')}\n", "in.csv row 2: verdict: '' is not permitted"),
        (f"{HEADER}\n{LINE}\n".encode("utf-16"), "in.csv: not UTF-8 at byte 0"),
        (f"{HEADER}\n{LINE}\n".encode() + b"\xff", "in.csv: not UTF-8 at byte"),
        (
            f"{HEADER}\nada\0,{LINE[4:]}\n",
            r"in.csv row 2 column identity: 'ada\\x00' is not permitted; permitted: text",
        ),
    ],
)
def test_a_broken_csv_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        as_csv(tmp_path, text)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x", "nan", "x: 'nan' is not permitted; permitted: a number of pixels from 0 to 1000000"),
        ("x", "-5", "x: '-5' is not permitted"),
        ("y", "1e999", "y: '1e999' is not permitted"),
        ("width", "0", "width: '0' is not permitted; permitted: a number of pixels from 1 to"),
        ("height", "9" * 5000, "height: '9999.* is not permitted"),
        ("height", "", "height: '' is not permitted"),
        ("height", "1_0", "height: '1_0' is not permitted"),
        ("width", "１２", "width: '１２' is not permitted"),
        ("image_id", "picture", "image_id: 'picture' is not permitted; permitted: string should match"),
        ("reviewer", "<anna>", "reviewer: '<anna>' is not permitted; permitted: a name as people write it"),
        ("reviewer", "together", "reviewer: 'together' is not permitted; permitted: a person's name"),
        ("reviewer", "", "no reviewer; name one with --reviewer"),
        ("labels", "{", 'labels: .* is not permitted; permitted: as JSON, such as {"age": "Old"}'),
        ("labels", "[" * 100_000, "labels: .* is not permitted"),
        ("labels", '{"age": NaN}', "labels: {'age': nan} is not permitted"),
        ("labels", '{"age": "\\ud800"}', ".* is not permitted; permitted: text that can be written as UTF-8"),
        ("joint", "yes", "joint: 'yes' is not permitted; permitted: true, false, or nothing"),
        ("time", "yesterday", "time: 'yesterday' is not permitted; permitted: a time with its zone, such as 2026-"),
        ("time", "1700000000", "time: '1700000000' is not permitted; permitted: a time with its zone"),
        ("time", "2026-01-02T03:04:05", "time: .* is not permitted; permitted: a time with its zone"),
        (
            "time",
            "9999-12-31T23:59:59-14:00",
            "time: .* is not permitted; permitted: from 1970 until 5 minutes from now",
        ),
        (
            "time",
            "0001-01-01T00:00:00+14:00",
            "time: .* is not permitted; permitted: from 1970 until 5 minutes from now",
        ),
    ],
)
def test_a_bad_cell_is_named_with_its_value_and_what_is_permitted(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    with (tmp_path / "in.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROW | {"labels": "", "joint": "", "time": ""}))
        writer.writeheader()
        writer.writerow(ROW | {column: value})
    with pytest.raises(BadInput, match=f"^in.csv row 2: {message}") as raised:
        import_formats.read(tmp_path / "in.csv", format="csv", reviewer=None)
    assert_one_line(raised.value)


@pytest.mark.parametrize("value", [5, ["anna"], {}, True])
def test_a_reviewer_that_is_no_text_is_named(tmp_path: Path, value: Any) -> None:
    content = copy.deepcopy(COCO)
    content["annotations"][0]["decisions"][0]["reviewer"] = value
    with pytest.raises(BadInput, match=r"labels.json annotations\[0\]: decisions\[0\]: reviewer: .* is not permitted"):
        as_folder(tmp_path, "coco", content)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "labels.json: not JSON: EOF"),
        (b"[" * 100_000, "labels.json: not JSON: recursion limit exceeded"),
        (b"[1, 2]", r"labels.json: \[1, 2\] is not permitted; permitted: "),
        (b"{}", "labels.json: (categories|labels): missing"),
        (b"\xff", "labels.json: not UTF-8 at byte 0"),
    ],
)
@pytest.mark.parametrize("format", FOLDERS)
def test_a_file_of_another_shape_is_named(tmp_path: Path, format: str, raw: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        as_folder(tmp_path, format, raw)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["categories", 0, "name"], 5, r"categories\[0\].name: 5 is not permitted"),
        (["annotations", 0, "category_id"], 9, r"annotations\[0\]: category_id: 9 .* an id of the categories"),
        (["annotations", 0, "image_id"], 9, r"annotations\[0\]: image_id: 9 .* an id of the images"),
        (["annotations", 0, "bbox"], "16 16 64 64", r"annotations\[0\]: bbox: .* four numbers: x, y, width, height"),
        (["annotations", 0, "bbox", 2], "wide", r"annotations\[0\]: bbox: width: 'wide' is not permitted"),
        (
            ["annotations", 0, "decisions", 0, "hue"],
            "red",
            r".*decisions\[0\]: 'hue' is not permitted; permitted: step",
        ),
        (["annotations", 0, "decisions", 1], ["ben", "face", "accept"], r".*decisions\[1\]: .* REVIEWER STEP VERDICT"),
    ],
)
def test_a_wrong_place_in_a_coco_file_is_named(tmp_path: Path, path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(BadInput, match=f"^labels.json:? {message}"):
        as_folder(tmp_path, "coco", with_value(COCO, path, value))


BAD: list[Any] = [None, 5, -1, 10**400, 1.5, float("nan"), float("inf"), True, "", "x", "\ud800", "a\nb" * 999]
BAD += [[], {}, [[]], nested(10), nested(190), {"a": {"b": [1]}}, {"\n" * 999: 1}]


@pytest.mark.parametrize("format", FOLDERS)
def test_no_value_anywhere_is_more_than_a_line(tmp_path: Path, format: str) -> None:
    content = FOLDERS[format]
    refused = 0
    for path in paths(content):
        for value in BAD:
            try:
                as_folder(tmp_path, format, with_value(content, path, value))
            except BadInput as error:
                assert_one_line(error)
                refused += 1
    assert refused > 300


def paths(content: Any, so_far: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in nested lists and objects, the whole included."""
    yield so_far
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from paths(value, (*so_far, key))


def with_value(content: Any, path: Any, value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(content)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def assert_one_line(error: BadInput) -> None:
    text = str(error)
    assert text.isprintable()
    assert len(text) < 900, text


@pytest.mark.parametrize("format", FOLDERS)
def test_a_decision_from_the_future_is_refused_and_a_clock_that_is_a_little_fast_is_not(
    tmp_path: Path, format: str
) -> None:
    content = copy.deepcopy(FOLDERS[format])
    said = content["annotations"][0] if format == "coco" else content["labels"][IMAGE][0]["attributes"]
    first = said["decisions"][0]
    first["time"] = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    assert len(as_folder(tmp_path, format, content)) == 2
    first["time"] = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    with pytest.raises(
        BadInput, match=r"decisions\[0\]: time: '20.* is not permitted; permitted: from 1970 until 5 minutes from now"
    ):
        as_folder(tmp_path, format, content)


@pytest.mark.parametrize(
    ("made", "format", "message"),
    [
        (Path.mkdir, "csv", "there: Is a directory"),
        (Path.touch, "coco", "coco: .*there' is not permitted; permitted: a folder with labels.json"),
        (Path.touch, "fiftyone", "fiftyone: .* is not permitted; permitted: a folder with labels.json"),
        (Path.mkdir, "coco", "labels.json: No such file or directory"),
        (lambda path: path.symlink_to(path), "csv", "there: Too many levels of symbolic links"),
        (lambda _: None, "csv", "there: No such file or directory"),
        (os.mkfifo, "csv", "there: not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "csv", "there: not a regular file"),
        (lambda path: (path.mkdir(), os.mkfifo(path / "labels.json")), "coco", "labels.json: not a regular file"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(
    tmp_path: Path, made: Callable[[Path], object], format: str, message: str
) -> None:
    made(tmp_path / "there")
    with pytest.raises(BadInput, match=message):
        import_formats.read(tmp_path / "there", format=format, reviewer=None)


def test_the_reviewer_on_the_command_line_is_checked_before_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^reviewer: '../anna' is not permitted"):
        import_formats.read(tmp_path / "nothing.csv", format="csv", reviewer="../anna")
