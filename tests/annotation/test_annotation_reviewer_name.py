"""Reviewers have any name that a person has; the ledger's folder is derived from it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtf.annotation import ledger
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.reviewer_name import checked_reviewer, is_reviewer_name, reviewer_folder
from mtf.core.errors import BadInput
from mtf.schemas import SLUG, Step

NAMES = ("anna", "panel-a", "Jürgen Groß", "José O'Neill-Díaz", "李小龙", "Łukasz", "ᏓᎳ", "J. R. Smith Jr.", "N’Golo")


def decision(reviewer: str) -> Decision:
    return Decision(
        image_id="a" * 64,
        box=(1, 2, 3, 4),
        identity="ada",
        step=Step.FACE,
        verdict=Verdict.ACCEPT,
        reviewer=reviewer,
    )


def test_every_name_has_a_folder_of_its_own_and_its_decisions_are_read_back(tmp_path: Path) -> None:
    for name in NAMES:
        with ledger.LedgerWriter(tmp_path, name) as writer:
            writer.append(decision(name))
    folders = {path.name for path in tmp_path.iterdir()}
    assert len(folders) == len(NAMES)
    assert all(re.fullmatch(SLUG, folder) for folder in folders)
    assert set(ledger.read(tmp_path).decisions["reviewer"]) == set(NAMES)
    assert {"anna", "panel-a"} <= folders, "a name that was permitted before keeps its folder"


@pytest.mark.parametrize(("first", "second"), [("anna", "Anna"), ("Anna", "anna"), ("Jürgen Groß", "jürgen groß")])
def test_another_spelling_of_a_reviewer_in_the_ledger_is_refused(tmp_path: Path, first: str, second: str) -> None:
    with ledger.LedgerWriter(tmp_path, first) as writer:
        writer.append(decision(first))
    with pytest.raises(BadInput, match=f"reviewer: '{second}' is not permitted; permitted: '{first}', as the ledger"):
        ledger.LedgerWriter(tmp_path, second)


def test_spaces_and_composed_letters_have_one_spelling() -> None:
    assert checked_reviewer(unicodedata.normalize("NFD", "  Jürgen   Groß ")) == "Jürgen Groß"


@pytest.mark.parametrize(
    "name", ["", " ", "../anna", "a/b", "a\\b", "-rf", "a..b", "x" * 101, "a\nb\0", "anna;", "<b>"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="a name as people write it"):
        checked_reviewer(name)


@given(st.text(max_size=30))
def test_a_folder_is_a_slug_for_every_name_that_is_permitted(name: str) -> None:
    if is_reviewer_name(name):
        assert re.fullmatch(SLUG, reviewer_folder(name))
        assert len(reviewer_folder(name)) <= 100
