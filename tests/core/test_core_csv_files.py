"""One reader for every table that people write, and one writer that no spreadsheet takes for a program."""

from __future__ import annotations

import csv
import os
import unicodedata
from itertools import groupby
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtf.core import csv_files
from mtf.core.errors import BadInput


def read(path: Path, data: str | bytes) -> list[csv_files.Row]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(csv_files.read(path))


def as_others_read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", '\ufeffname,age\r\n\r\n"One\r\nTwo",1\r\n,\r\n , \r\nThree,3\r\n')
    assert [(row.number, row.cells["name"]) for row in rows] == [(3, "One\r\nTwo"), (6, "Three")]
    assert rows[1].where == "a.csv row 6"
    assert rows[1].column("age") == "a.csv row 6 column age"


def test_names_of_columns_have_no_blanks_around_them(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", " name , age\nOne, 1 \n")[0].text("age") == "1"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a,b,a\n", r"^x\.csv row 1: column a stands there twice"),
        ("a, a\n", r"^x\.csv row 1: column a stands there twice"),
        (
            "a,b\n1,2\n\n1\n",
            r"^x\.csv row 4: 1 values where the header has 2 columns; quote a value that holds a comma$",
        ),
        ("a,b\n1,2,3\n", r"^x\.csv row 2: 3 values where the header has 2 columns; quote a value that holds a comma$"),
        ('a,b\n1,"2\n', r"^x\.csv row 2: not readable as CSV: unexpected end of data$"),
        ('a,b\n"1"2,3\n', r"^x\.csv row 2: not readable as CSV: "),
        ("a,b\n1,2\0\n", r"^x\.csv row 2 column b: '2\\x00' is not permitted; permitted: text without control"),
        ("a,b\n\n1\x1b[2J,2\n", r"^x\.csv row 3 column a: '1\\x1b\[2J' is not permitted"),
        ("a\x07,b\n", r"^x\.csv row 1: 'a\\x07' is not permitted"),
        (f"a\n{'x' * (csv_files.MAX_CELL_CHARS + 1)}\n", r"^x\.csv row 2: not readable as CSV: field larger"),
        ("a\nñ\n".encode("latin-1"), r"^x\.csv: not UTF-8 at byte 2; save it as UTF-8$"),
        (b"a\n" + b"b\n" * 10_000 + b"\xc3\n", r"^x\.csv: not UTF-8 at byte 20002;"),
        ("a,b\n".encode("utf-16"), r"^x\.csv: not UTF-8 at byte 0;"),
    ],
)
def test_a_broken_table_is_named_by_file_row_and_column(tmp_path: Path, data: str | bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message) as raised:
        read(tmp_path / "x.csv", data)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 300


def test_columns_that_are_wanted_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a;b\n")
    with pytest.raises(BadInput, match=r"^x\.csv row 1: missing column a, c; the header has a;b; a CSV split"):
        csv_files.read(tmp_path / "x.csv").requiring(["a", "c"])
    with pytest.raises(BadInput, match=r"^x\.csv row 1: the columns are a;b; permitted: a, b, in this order$"):
        csv_files.read(tmp_path / "x.csv").requiring_exactly(["a", "b"])


def test_only_a_file_on_disk_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path, message in [
        (tmp_path / "pipe.csv", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "no.csv", "No such file or directory; `dvc pull` fetches it"),
    ]:
        with pytest.raises(BadInput, match=message):
            csv_files.read(path, hint="`dvc pull` fetches it")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.csv").open("wb") as file:
        file.truncate(csv_files.MAX_FILE_BYTES + 1)
    with pytest.raises(BadInput, match=r"x\.csv: larger than 2147483648 bytes"):
        csv_files.read(tmp_path / "x.csv")


def test_a_search_for_rows_passes_over_what_is_broken(tmp_path: Path) -> None:
    rows = csv_files.read_leniently(b"\xef\xbb\xbfkind,value\n\nidentity\npage,a,b\n\xff,'=x\n")
    assert [(row.number, dict(row.cells)) for row in rows] == [
        (3, {"kind": "identity", "value": ""}),
        (4, {"kind": "page", "value": "a"}),
        (5, {"kind": "\ufffd", "value": "=x"}),
    ]


FORMULAS = [
    *["=1+1", " =1+1", "\n=1+1", "\t=1", "\r=1", "\u00a0=1", "\u3000=1", "+1", "-2", "@SUM(A1)", "|calc", "%x"],
    *["＝1+1", "＋1", "－1", "＠A", "｜calc", "﹦1", "﹣1", "﹢1"],
    *[f"{hidden}=1+1" for hidden in "\u202e\ufeff\u200b\u2066\u00ad\u200f\u2060\x1b\x00\x85\u2028\ufe0f\U000e0041"],
    "\u200b \u202e\t＝1",
]


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_formula_gets_an_apostrophe(tmp_path: Path, text: str) -> None:
    for number, rows in enumerate((pl.DataFrame({"a": [text]}), [["a"], [text]])):
        path = tmp_path / f"{number}.csv"
        csv_files.write(path, rows)
        assert as_others_read(path)[1][0].startswith("'")


@pytest.mark.parametrize("text", ["a=1", "it's", "'quoted'", "1-2", "Ámbár 線", "", "#1", "a|b", "'"])
def test_other_text_stands_as_it_is(tmp_path: Path, text: str) -> None:
    csv_files.write(tmp_path / "a.csv", [["a", "b"], [text, "x"]])
    assert as_others_read(tmp_path / "a.csv") == [["a", "b"], [text, "x"]]


def test_numbers_stay_numbers_and_nothing_stays_nothing(tmp_path: Path) -> None:
    rows = [("number", "nothing"), (-1.5, None), (-2, None)]
    csv_files.write(tmp_path / "a.csv", rows)
    csv_files.write(tmp_path / "b.csv", pl.DataFrame({"number": [-1.5, -2], "nothing": [None, None]}))
    assert as_others_read(tmp_path / "a.csv")[1:] == [["-1.5", ""], ["-2", ""]]
    assert as_others_read(tmp_path / "b.csv")[1:] == [["-1.5", ""], ["-2.0", ""]]


def test_a_table_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    csv_files.write(tmp_path / "a.csv", [["a"], ["before"]])

    def broken():
        yield ["a"]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        csv_files.write(tmp_path / "a.csv", broken())
    assert (tmp_path / "a.csv").read_text() == "a\nbefore\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


CELLS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([*FORMULAS, "'=1", "''=1", "'", "'a"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=8))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("csv", numbered=True)
    expected = [(on_one_line(a), on_one_line(b)) for a, b in rows]
    csv_files.write(folder / "rows.csv", [("a", "b"), *rows])
    csv_files.write(folder / "frame.csv", pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row"))
    for name in ("rows.csv", "frame.csv"):
        read = [(row.cells["a"], row.cells["b"]) for row in csv_files.read(folder / name)]
        assert read == [row for row in expected if any(cell.strip() for cell in row)]  # a blank row is no row


def on_one_line(text: str) -> str:
    """`text` with a blank in place of each run of control characters, tabs apart, and line separators."""
    runs = groupby(text, key=lambda char: char != "\t" and unicodedata.category(char) in ("Cc", "Zl", "Zp"))
    return "".join(" " if breaks else "".join(run) for breaks, run in runs)
