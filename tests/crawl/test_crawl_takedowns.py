from pathlib import Path

import pytest

from mtf.core.errors import BadInput
from mtf.schemas import takedown_file

HEADER = "added_at,kind,value,reason,requested_by,reference\n"
IMAGE_ID = "a" * 64


def loaded(tmp_path: Path, *rows: str) -> takedown_file.Takedowns:
    path = tmp_path / "takedowns.csv"
    path.write_text("\ufeff" + HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return takedown_file.load(path)


def test_without_a_file_nothing_is_taken_down(tmp_path: Path):
    assert takedown_file.load(tmp_path / "takedowns.csv").records == ()


def test_each_kind_is_found_by_its_own_value(tmp_path: Path):
    found = loaded(
        tmp_path,
        "2026-01-02,identity,ana,asked,Ana,mail 1",
        "2026-01-03T10:00:00+00:00,page,https://A.example/p#top,asked,,",
        "2026-01-04,picture,https://a.example/x.jpg?y=1,asked,,",
        f"2026-01-05,image_id,{IMAGE_ID},asked,,",
        "2026-01-06,perceptual_hash,00000000000000ff,asked,,",
    )
    assert found.of_identity("ana").reference == "mail 1"
    assert found.of_page("http://a.example/p").kind == "page"
    assert found.of_picture("http://a.example/x.jpg?y=1").added_at == "2026-01-04"
    assert found.of_image(IMAGE_ID).kind == "image_id"
    assert found.perceptual_hashes == {255}
    assert found.of_address(identity="bo", url="https://a.example/x.jpg", page_url=None) is None
    assert found.of_address(identity="bo", url="https://b.example/", page_url="https://a.example/p").kind == "page"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2026-01-02,face,x,,,", "row 2 column kind: 'face' is not permitted; permitted: identity, page, picture"),
        ("2026-01-02,image_id,xyz,,,", "row 2 column value: 'xyz' is not permitted; permitted: for kind image_id: 64"),
        ("2026-01-02,page,/p,,,", "row 2 column value: '/p' is not permitted"),
        ("yesterday,identity,ana,,,", "row 2 column added_at: 'yesterday' is not permitted"),
        ("2026-01-02,identity,ana", "row 2: 3 values where the header has 6 columns"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, message: str):
    with pytest.raises(BadInput) as refusal:
        loaded(tmp_path, row)
    assert message in str(refusal.value)


def test_a_bad_header_is_named(tmp_path: Path):
    path = tmp_path / "takedowns.csv"
    path.write_text("kind,value\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"takedowns\.csv row 1: the columns are kind, value; permitted: added_at"):
        takedown_file.load(path)
