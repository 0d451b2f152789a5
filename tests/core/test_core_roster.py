"""The roster as people write it, and each way it may be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.schemas import roster_file

HEADER = "identity,name,race,gender,age"


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "roster.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def test_names_may_have_spaces_quotes_and_any_letters(tmp_path: Path, sample_params: Params) -> None:
    path = write(tmp_path, HEADER, 'a-1,"O\'Dot  ""Line"", Ámbár 線 ",Amber,Males,Old')
    rows = roster_file.load(path, sample_params)
    assert rows["name"].to_list() == ['O\'Dot "Line", Ámbár 線']
    assert rows["query"].to_list() == rows["name"].to_list()


def test_a_byte_order_mark_and_empty_lines_do_no_harm(tmp_path: Path, sample_params: Params) -> None:
    path = write(tmp_path, HEADER, "", "a-1,One,Amber,Males,Old", " ", encoding="utf-8-sig")
    assert roster_file.load(path, sample_params)["identity"].to_list() == ["a-1"]


@pytest.mark.parametrize("between", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_a_row_ends_at_a_line_break_and_at_nothing_that_only_looks_like_one(
    tmp_path: Path, sample_params: Params, between: str
) -> None:
    path = write(tmp_path, HEADER, f"a-1,Ana{between}Bo,Amber,Males,Old", "a-2,Two,Amber,Males,Old")
    assert roster_file.load(path, sample_params)["name"].to_list() == ["Ana Bo", "Two"]


@pytest.mark.parametrize("line_break", ["\r\n", "\r"])
def test_line_breaks_may_be_those_of_any_system(tmp_path: Path, sample_params: Params, line_break: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(line_break.join([HEADER, 'a-1,"One\nTwo",Amber,Males,Old', "a-2,Two,Amber,Males,Old"]).encode())
    assert roster_file.load(path, sample_params)["name"].to_list() == ["One Two", "Two"]


def test_the_longest_name_and_query_are_taken(tmp_path: Path, sample_params: Params) -> None:
    path = write(tmp_path, HEADER + ",query", f"a-1,{'n' * 200},Amber,Males,Old,{'q' * 400}")
    assert roster_file.load(path, sample_params).select("name", "query").row(0) == ("n" * 200, "q" * 400)


def test_an_age_group_is_worked_out_from_dates(tmp_path: Path, sample_params: Params) -> None:
    path = write(
        tmp_path,
        "identity,name,race,gender,birth_date,pictured",
        "day-before,One,Amber,Males,1971-05-02,2021-05-01",
        "birthday,Two,Amber,Males,1971-05-02,2021-05-02",
        "years,Three,Amber,Males,1990,2021",
    )
    assert roster_file.load(path, sample_params)["age"].to_list() == ["Young", "Old", "Young"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([HEADER, "a,One,Amber,Males,Old", "a,Two,Amber,Males,Old"], ["row 3", "identity", "'a'", "row 2 has it"]),
        (["identity,name,race,gender", "a,One,Amber,Males"], ["row 1", "missing column age"]),
        ([HEADER, "a,One,Teal,Males,Old"], ["row 2", "column race", "'Teal'", "Amber, Blue, Green, Violet"]),
        ([HEADER, "../etc,One,Amber,Males,Old"], ["row 2", "column identity", "'../etc'"]),
        ([HEADER, "a b,One,Amber,Males,Old"], ["row 2", "column identity", "'a b'"]),
        ([HEADER, "a,,Amber,Males,Old"], ["row 2", "column name", "''"]),
        ([HEADER, "a,One,Amber,Males"], ["row 2", "4 values", "5 columns"]),
        ([HEADER + ",race", "a,One,Amber,Males,Old,Blue"], ["row 1", "race", "twice"]),
        ([HEADER, 'a,"One,Amber,Males,Old'], ["not readable as CSV"]),
        ([HEADER], ["no identities"]),
        ([HEADER, f"a,{'n' * 201},Amber,Males,Old"], ["row 2", "column name", "'nnn", "at most 200 characters", "201"]),
        (
            [HEADER + ",query", f"a,One,Amber,Males,Old,{'q' * 401}"],
            ["row 2", "column query", "'qqq", "at most 400 characters", "401"],
        ),
        *[
            (
                [f"identity,name,race,gender,{columns}", f"a,One,Amber,Males,{dates}"],
                ["row 2", f"column {column}", value],
            )
            for columns, dates, column, value in [
                ("birth_date,pictured", "1960-13-45,2020", "birth_date", "'1960-13-45'"),
                ("birth_date,pictured", "1960-00-10,2020", "birth_date", "'1960-00-10'"),
                ("birth_date,pictured", "1960,2021-99-99", "pictured", "'2021-99-99'"),
                ("birth_date,pictured", "1960,2021-02-29", "pictured", "'2021-02-29'"),
                ("birth_date,pictured", "0000,2021", "birth_date", "'0000'"),
            ]
        ],
        (
            ["identity,name,race,gender,birth_date,pictured", "a,One,Amber,Males,1990,1980"],
            ["row 2", "column pictured", "after birth_date"],
        ),
        (
            ["identity,name,race,gender,birth_date,pictured", "a,One,Amber,Males,May 1990,2020"],
            ["row 2", "column birth_date", "'May 1990'", "YYYY"],
        ),
        (
            ["identity,name,race,gender,birth_date,pictured", "a,One,Amber,Males,2010,2020"],
            ["row 2", "column age", "Young"],
        ),
    ],
)
def test_a_bad_roster_is_named_by_row_and_column(
    tmp_path: Path, sample_params: Params, lines: list[str], says: list[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        roster_file.load(write(tmp_path, *lines), sample_params)
    message = str(caught.value)
    assert message.startswith("roster.csv") and "\n" not in message
    assert [word for word in says if word not in message] == []


def test_a_roster_in_another_encoding_is_refused_with_the_place(tmp_path: Path, sample_params: Params) -> None:
    path = write(tmp_path, HEADER, "a,Jalapeño,Amber,Males,Old", encoding="latin-1")
    with pytest.raises(BadInput, match="not UTF-8 at byte 38"):
        roster_file.load(path, sample_params)
