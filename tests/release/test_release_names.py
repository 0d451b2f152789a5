"""Folder names: one label, one folder, whatever a label is called."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from mtf.release.layout import folder_names

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NEAR = st.text(st.sampled_from("aA._- /ßſsıİ\u0301é"), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS | NEAR, unique=True, max_size=8))
def test_no_two_labels_share_a_folder_even_where_case_is_ignored(labels: list[str]) -> None:
    names = folder_names(labels)
    # A label may be called as another one's folder is.
    names = folder_names([*labels, *names.values()])
    assert len({name.casefold() for name in names.values()}) == len(names)
    for name in names.values():
        assert name == name.strip(".- ") and name.isprintable()
        assert not set(name) & set('/\\:*?"<>|\0') and len(name.encode()) < 255
        assert name == unicodedata.normalize("NFC", name)


def test_a_label_that_is_spelled_as_anothers_folder_has_one_of_its_own() -> None:
    tagged = folder_names(["a", "A"])["a"]
    assert len({name.casefold() for name in folder_names(["a", "A", tagged]).values()}) == 3
