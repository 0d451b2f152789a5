"""The folders of MTF, Figure 2, and what the pictures in them are."""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from pathlib import Path

import made_project
import numpy as np
import polars as pl
import pytest
from made_project import made_params, make
from PIL import Image

from mtf.core.project_paths import ProjectPaths
from mtf.faces.box import Box
from mtf.release import layout
from mtf.release.encoding import Encoding, published_square, square
from mtf.release.layout import folder_names


def tree(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))


def test_the_multi_task_tree_is_that_of_figure_2(data_set: ProjectPaths):
    paths = tree(data_set.stage("release") / "multi_task")
    assert len(paths) == 15
    assert {path.rsplit("/", 1)[0] for path in paths} == {
        f"{split}/{person}"
        for split in ("Train", "Val", "Test")
        for person in ("Asian_indian/Females/Young/ada", "_CON/Males/Old/bo.b", "White/Males/Young/_nul")
    }
    assert Counter(path.split("/")[0] for path in paths) == {"Train": 9, "Val": 3, "Test": 3}


def test_a_project_without_a_task_lacks_its_level(tmp_path: Path):
    params = made_params(tasks=("race",))
    made_project.release(workspace := make(tmp_path / "p", params), params)
    root = workspace.stage("release")
    assert {path.rsplit("/", 1)[0] for path in tree(root / "non_curated")} == {
        "Asian_indian/ada",
        "_CON/bo.b",
        "White/_nul",
    }
    assert [path.name for path in (root / "single_task").iterdir()] == ["race_classification"]


def test_every_task_of_the_single_task_variant_has_all_pictures(data_set: ProjectPaths):
    root = data_set.stage("release")
    counts = {folder.name: len(tree(folder)) for folder in (root / "single_task").iterdir()}
    assert counts == dict.fromkeys(
        ["race_classification", "gender_classification", "age_classification", "face_recognition"],
        len(tree(root / "multi_task")),
    )
    genders = Counter(path.rsplit("/", 1)[0] for path in tree(root / "single_task/gender_classification"))
    assert genders == {
        "Train/Males": 6, "Train/Females": 3, "Val/Males": 2, "Val/Females": 1, "Test/Males": 2, "Test/Females": 1,
    }  # fmt: skip


def test_the_non_curated_variant_has_every_automatic_crop_and_no_splits(data_set: ProjectPaths):
    paths = tree(data_set.stage("release") / "non_curated")
    assert len(paths) == 18
    assert {path.split("/")[0] for path in paths} == {"Asian_indian", "_CON", "White"}


def test_one_face_has_the_same_bytes_in_every_variant_and_takes_their_room_once(data_set: ProjectPaths):
    by_name: dict[str, list[Path]] = {}
    for path in data_set.stage("release").rglob("*.jpg"):
        by_name.setdefault(path.name, []).append(path)
    assert sorted({len(paths) for paths in by_name.values()}) == [1, 6]
    assert all(len({path.stat().st_ino for path in paths}) == 1 for paths in by_name.values())


def test_published_pictures_have_the_size_asked_for_and_nothing_but_pixels(data_set: ProjectPaths):
    for path in (data_set.stage("release") / "multi_task").rglob("*.jpg"):
        data = path.read_bytes()
        assert not re.search(rb"SECRET|Exif|GPS|ICC_PROFILE|http", data)
        with Image.open(io.BytesIO(data)) as picture:
            assert (picture.size, picture.mode, dict(picture.getexif())) == ((64, 64), "RGB", {})
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(
    ("crop", "face", "expected"),
    [
        ((100, 100), Box(20, 20, 60, 60), (0, 0, 100)),
        ((80, 100), Box(0, 20, 60, 60), (0, 10, 80)),  # at the left edge: the box is nearer to it
        ((100, 70), Box(20, 0, 60, 60), (15, 0, 70)),
        ((90, 60), Box(30, 0, 60, 60), (30, 0, 60)),  # at the right and the top edge
    ],
)
def test_a_crop_cut_by_the_pictures_edge_becomes_a_square_that_holds_the_whole_face(crop, face, expected):
    left, top, side = square(*crop, face)
    assert (left, top, side) == expected
    assert left <= face.x and face.x + face.width <= left + side <= crop[0]
    assert top <= face.y and face.y + face.height <= top + side <= crop[1]


def test_nothing_is_stretched_when_a_crop_is_no_square():
    pixels = np.zeros((100, 60, 3), np.uint8)
    rows, columns = np.ogrid[:100, :60]
    pixels[(rows - 50) ** 2 + (columns - 30) ** 2 <= 20**2] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    encoding = Encoding(240, jpeg_quality=95, enlarge=True)
    data, side_px, crop_px = published_square(buffer.getvalue(), face=Box(5, 25, 50, 50), encoding=encoding)
    assert (side_px, crop_px) == (240, 60)
    disc = np.asarray(Image.open(io.BytesIO(data)).convert("L")) > 127
    assert np.ptp(np.nonzero(disc.any(axis=0))) == pytest.approx(160, abs=6)
    assert np.ptp(np.nonzero(disc.any(axis=1))) == pytest.approx(160, abs=6)


HOSTILE = [
    "..", ".", "../../etc", "CON", "con", "aux.txt", "a b", "A_B", "tab\there", "…", "日本", "-rf", " x ", "x" * 400,
    "é" * 400, "end.", "a:b*c?", "~root", "\u202egpj.exe",
]  # fmt: skip


def test_folder_names_are_safe_and_differ_even_where_case_is_ignored():
    names = folder_names(HOSTILE)
    assert set(names) == set(HOSTILE)
    assert len({name.casefold() for name in names.values()}) == len(HOSTILE)
    for name in names.values():
        assert re.fullmatch(r"\w[\w.-]*", name)
        assert name not in ("", ".", "..") and not name.endswith(".") and len(name.encode()) < 255
        assert name.split(".")[0].casefold() not in {"con", "aux", "nul"}


def test_folder_names_do_not_depend_on_the_order_of_the_labels():
    assert folder_names(HOSTILE) == folder_names(reversed(HOSTILE))


@pytest.mark.parametrize("first", ["Asian (Chinese/Korean)", "Asian (Chinese, Korean)"])
def test_the_papers_labels_have_the_folders_of_its_figure_2(first):
    names = folder_names([first, "Asian (Indian)", "Black", "White"])
    assert list(names.values()) == ["Asian_chinese_korean", "Asian_indian", "Black", "White"]


def test_one_face_found_for_two_identities_gets_two_names_where_no_folder_tells_them_apart():
    row = {"race": "White", "gender": "Males", "age": "Old", "split": "train", "face_id": "f" * 32}
    rows = pl.DataFrame([row | {"identity": "ada"}, row | {"identity": "bob"}])
    paths = layout.planned(rows, rows.clear(), made_params())["path"].to_list()
    assert len(set(paths)) == len(paths) == 10
    assert f"single_task/race_classification/Train/White/{'f' * 32}-ada.jpg" in paths
    assert f"multi_task/Train/White/Males/Old/bob/{'f' * 32}.jpg" in paths


def test_the_checksums_hold_for_every_file(data_set: ProjectPaths):
    root = data_set.stage("release")
    lines = (root / "SHA256SUMS").read_text().splitlines()
    listed = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    present = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert set(listed) == present - {"SHA256SUMS"}
    assert all(hashlib.sha256((root / path).read_bytes()).hexdigest() == digest for path, digest in listed.items())
