"""UTKFace, the AGE CSV, LFW and plain folders, as they are published and as they come out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split

from mtf import config as typed
from mtf import schemas
from mtf.config import Params, Task
from mtf.core import csv_files, shards
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import age_csv, labelled, lfw, project_files, protocol_splits, utkface
from mtf.datasets import tables as layout
from mtf.sources.folder import Folder, FolderFiles


def picture(seed: int, px: int = 40) -> bytes:
    random = np.random.default_rng(seed)
    return cv2.imencode(".jpg", random.integers(0, 256, (px, px, 3), dtype=np.uint8))[1].tobytes()


def test_utkface_says_age_gender_race_and_part_in_its_paths() -> None:
    data_set = utkface.load(["part1/26_1_2_20170116174525125.jpg", "part2/61_0_4_20170109150557335.jpg.chip.jpg"])
    assert data_set.pictures.select("part", "race", "gender", "age").rows() == [
        ("1", "Asian", "Female", "Young"),
        ("2", "Others", "Male", "Senior"),
    ]
    assert data_set.license.startswith("LicenseRef-")


def test_utkface_files_without_the_race_are_reported() -> None:
    names = ["61_1_20170109150557335.jpg", "39_1_20170116174525125.jpg.chip.jpg", "notes.txt", "me.jpg"]
    data_set = utkface.load(["26_1_2_20170116174525125.jpg", *names])
    assert data_set.pictures.height == 1
    assert data_set.summary()[1:] == [
        "left out, a name that is not AGE_GENDER_RACE_DATE.jpg: 1",
        "left out, no race in its name: 2",
    ]


@pytest.mark.parametrize(
    ("age", "group"),
    [
        (0, "Baby"),
        (3, "Baby"),
        (4, "Child"),
        (13, "Teenager"),
        (20, "Young"),
        (31, "Adult"),
        (60, "Middle"),
        (61, "Senior"),
    ],
)
def test_the_seven_age_groups_are_those_of_das(age: int, group: str) -> None:
    assert utkface.load([f"{age}_1_2_20170116174525125.jpg"]).pictures["age"].to_list() == [group]


OWN = Task(column="age", labels=["Young", "Old"], years={"Young": (18, 49), "Old": (50, 120)})


def test_ages_are_grouped_by_the_years_of_a_task_and_others_left_out(tmp_path: Path) -> None:
    names = [f"{age}_1_2_20170116174525125.jpg" for age in (17, 18, 49, 50)]
    data_set = utkface.load(names, ages=OWN)
    assert data_set.pictures["age"].to_list() == ["Young", "Young", "Old"]
    assert data_set.summary()[1:] == ["left out, an age outside all groups: 1"]
    assert data_set.years == {"age": {"Young": (18, 49), "Old": (50, 120)}}
    rows = [f"{age},0,0,x,{numbers(age)}" for age in (5, 60)]
    data_set, pictures = age_csv.load(age_file(tmp_path / "age.csv", rows), ages=OWN)
    assert data_set.pictures["age"].to_list() == ["Old"]
    assert list(pictures) == ["000002.png"]


def age_file(path: Path, rows: list[str]) -> Path:
    path.write_text("age,ethnicity,gender,img_name,pixels\n" + "".join(f"{row}\n" for row in rows))
    return path


def numbers(level: int) -> str:
    return " ".join([str(level)] * 2304)


def test_the_age_csv_gives_pictures_and_labels(tmp_path: Path) -> None:
    levels = " ".join(str(number % 256) for number in range(2304))
    path = age_file(tmp_path / "age.csv", [f"1,2,0,20161219203650636.jpg.chip.jpg,{levels}", f"109,4,1,x,{numbers(7)}"])
    data_set, pictures = age_csv.load(path)
    assert data_set.pictures.select("ethnicity", "gender", "decade").rows() == [
        ("Asian", "Male", "0-9"),
        ("Others", "Female", "100-109"),
    ]
    stored = cv2.imdecode(np.frombuffer(pictures["000001.png"], np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(stored.reshape(-1), np.arange(2304) % 256)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"x,2,0,a,{numbers(1)}", r"age\.csv row 2 column age: 'x' is not permitted; permitted: 0 to 119"),
        (f"1,5,0,a,{numbers(1)}", r"row 2 column ethnicity: '5' is not permitted; permitted: 0 to 4"),
        ("1,2,0,a,1 2 3", r"row 2 column pixels: '3 values' is not permitted; permitted: 2304 grey levels"),
        (f"1,2,0,a,{numbers(256)}", r"row 2 column pixels: 256 is not permitted"),
    ],
)
def test_a_bad_value_of_the_age_csv_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        age_csv.load(age_file(tmp_path / "age.csv", [row]))


def test_lfw_files_belong_to_the_person_of_their_folder() -> None:
    files = ["lfw/Zoë_Ball/Zoë_Ball_0001.jpg", "lfw/AJ_Cook/AJ_Cook_0001.jpg", "lfw/AJ_Cook/AJ_Cook_0002.jpg"]
    data_set = lfw.load([*files, "lfw/AJ_Cook/other.jpg", "lfw/README"])
    assert data_set.pictures.select("identity", "name").unique(maintain_order=True).rows() == [
        ("aj-cook", "AJ Cook"),
        ("zoe-ball", "Zoë Ball"),
    ]
    assert data_set.summary()[1:] == ["left out, a name that is not Name/Name_0001.jpg: 1"]


def test_two_folders_of_one_slug_are_refused() -> None:
    with pytest.raises(BadInput, match="'A b' and 'a-b' both give the identity 'a-b'"):
        lfw.load_folder(["A b/1.jpg", "a-b/1.jpg"], license_id=None, creator="me")


def test_people_whose_names_have_no_form_in_ascii_are_an_identity_each() -> None:
    names = ["王伟", "李娜", "Иван", "عمر", "Ж Smith", "Я Smith", "a" * 150, "a" * 151]
    data_set = lfw.load_folder([f"{name}/1.jpg" for name in names], license_id=None, creator="me")
    assert data_set.pictures["identity"].n_unique() == len(names)
    assert set(data_set.pictures["name"]) == set(names)


def test_pictures_of_every_format_are_taken_and_other_files_counted() -> None:
    kinds = ("jpg", "JPEG", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "ppm", "pgm")
    files = [f"ann/1.{kind}" for kind in kinds]
    data_set = lfw.load_folder([*files, "ann/raw.heic", "ann/notes.txt"], license_id=None, creator="me")
    assert sorted(data_set.pictures["file"]) == sorted(files)
    assert data_set.summary()[1:] == ["left out, a name with no ending of a picture that is read: 2"]


def test_a_name_that_the_roster_would_split_or_trim_is_read_back(tmp_path: Path) -> None:
    files = ["ann/1;2.jpg", "ann/ 3.jpg", "ann/4.jpg ", "ann/a[1].jpg", "ann/b.jpg"]
    table = project_files.roster_table(lfw.load_folder(files, license_id=None, creator="me"))
    csv_files.write(tmp_path / "roster.csv", table)
    (row,) = csv_files.read(tmp_path / "roster.csv")
    for name in files:
        (tmp_path / "pictures" / "ann").mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).write_text(name)
    opened = FolderFiles(Folder(kind="folder", path="pictures"), tmp_path)
    found = [opened.read(each.url, max_bytes=99).decode() for each in opened.find(row.text("files"))]
    assert sorted(found) == sorted(files)


def test_a_name_with_a_line_break_is_refused() -> None:
    with pytest.raises(BadInput, match=r"file: 'ann/a\\nb.jpg' is not permitted; permitted: a name without control"):
        project_files.roster_table(lfw.load_folder(["ann/a\nb.jpg"], license_id=None, creator="me"))


@pytest.mark.parametrize(
    "name",
    ["24_0_1_20170116.jpg ", " 24_0_1_20170116.jpg", "24_0_1_20170116.jpg.jpg", "24_0_1_20170116.jpg.chip.jpg.jpg"],
)
def test_utkface_with_blanks_or_doubled_endings_is_read_with_a_note(name: str) -> None:
    data_set = utkface.load([name, "30_1_0_20170117.jpg", "31_1_0_20170117.jpg.chip.jpg"])
    assert data_set.pictures.height == 3
    assert data_set.repairs == ["1 name with a blank around it or a doubled ending: read"]


def test_a_plain_folder_states_no_license_unless_its_owner_does() -> None:
    assert lfw.load_folder(["s1/1.pgm", "top.jpg"], license_id=None, creator="me").license == "LicenseRef-Unstated"
    data_set = lfw.load_folder(["s1/1.pgm", "s1/2.pgm"], license_id="CC0-1.0", creator="me")
    assert data_set.license == "CC0-1.0"
    assert project_files.roster_table(data_set) == [["identity", "name", "files"], ["s1", "s1", "s1/1.pgm;s1/2.pgm"]]


def test_a_person_with_two_labels_cannot_be_a_roster_row() -> None:
    rows = [{"file": f"{age}.jpg", "identity": "p", "name": "P", "part": None, "age": age} for age in ("Young", "Old")]
    table = labelled.checked(rows, {"age": ["Young", "Old"]}, where="x")
    data_set = labelled.DataSet("x", "CC0-1.0", "me", table, {"age": ["Young", "Old"]})
    with pytest.raises(BadInput, match=r"x: p has the labels \['Young', 'Old'\] of age; import it with --crops"):
        project_files.roster_table(data_set)


@pytest.fixture
def utk_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "UTKFace"
    for number in range(30):
        path = folder / f"part{1 + number % 3}" / f"{5 + number}_{number % 2}_{number % 5}_2017{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number if number != 29 else 0))
    (folder / "part1" / "20_0_0_20170000001.jpg").write_bytes(b"no picture")
    return folder


def test_a_picture_that_costs_too_much_is_left_out_and_the_rest_laid_out(
    utk_folder: Path, tmp_path: Path, sample_params: Params
) -> None:
    (utk_folder / "part1" / "20_0_0_20170000001.jpg").write_bytes(b"\xff\xd8" + b"\xff" * 1_000_000 + picture(1)[2:])
    (utk_folder / "part1" / "21_0_0_20170000002.jpg").write_bytes(
        cv2.imencode(".png", np.zeros((300, 300)))[1].tobytes()
    )
    files = layout.Files(utk_folder)
    data_set = utkface.load(files.names())
    params, workspace = project_for(data_set, sample_params), ProjectPaths(tmp_path / "project")
    params = params.model_copy(update={"crawl": params.crawl.model_copy(update={"max_pixels": 80_000})})
    summary = layout.write(
        data_set, files.read, protocol_splits.by_part(data_set.pictures), workspace, params, source="utk"
    )
    assert summary == [
        "laid out: 29",
        "left out, byte-identical to another: 1",
        "left out, more pixels than crawl.max_pixels: 1",
        "left out, decoding takes too much time: 1",
    ]
    fetches = schemas.read(schemas.FETCHES, workspace.table("crawl", "fetches"))
    assert set(fetches["outcome"]) == {"stored", "duplicate", "undecodable", "too_large"}


def project_for(data_set: labelled.DataSet, sample_params: Params) -> Params:
    return typed.parse(
        project_files.project_settings(sample_params.model_dump(mode="json"), data_set, Path("here"), root=Path())
    )


def test_utkface_is_laid_out_as_das_divides_it(utk_folder: Path, tmp_path: Path, sample_params: Params) -> None:
    files = layout.Files(utk_folder)
    data_set = utkface.load(files.names())
    params, workspace = project_for(data_set, sample_params), ProjectPaths(tmp_path / "project")
    split = protocol_splits.by_part(data_set.pictures)
    summary = layout.write(data_set, files.read, split, workspace, params, source="utk")
    assert summary == [
        "laid out: 29",
        "left out, byte-identical to another: 1",
        "left out, not readable as a picture: 1",
    ]
    table = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    assert dict(table["split"].value_counts().iter_rows()) == {"train": 10, "test": 10, "val": 9}
    row = table.row(3, named=True)
    data = shards.read(workspace.shard("crop", row["identity"]), row["offset"], row["size_bytes"])
    assert hashlib.sha256(data).hexdigest() == row["image_id"]
    assert set(table["license"]) == {utkface.LICENSE}
    images = schemas.read(schemas.IMAGES, workspace.table("crawl", "images"))
    schemas.check_refers(images, table, on=["identity", "image_id"], where="images")
    image = images.row(3, named=True)
    (source,) = csv_files.read(workspace.local_sources)
    assert (source.text("prefix"), source.text("name"), source.text("kind"), source.text("files")) == (
        "file:", "utk", "utkface", "31",
    )  # fmt: skip
    assert (image["media_type"], image["width"], image["url"].split("_")[0]) == ("image/jpeg", 40, "file:part1/20")
    evidence = schemas.read(schemas.EVIDENCE, workspace.table("crawl", "evidence"))
    assert set(evidence["license"]) == {utkface.LICENSE}
    assert set(evidence["creator"]) == {utkface.CREATOR}


def test_the_split_of_efrs_is_72_8_20_and_stratified() -> None:
    random = np.random.default_rng(1)
    gender = np.where(random.random(23_705) < 0.523, "Male", "Female")
    pictures = pl.DataFrame({"gender": gender})
    split = protocol_splits.stratified(pictures, "gender", seed=42, order=["Male", "Female"])
    assert dict(split.value_counts().iter_rows()) == {"train": 17_067, "val": 1_897, "test": 4_741}
    for part in ("train", "val", "test"):
        share = (pictures.filter(split == part)["gender"] == "Male").mean()
        assert share == pytest.approx((gender == "Male").mean(), abs=0.001)
    # The split that others get with the CSV's numbers, 0 for male and 1 for female.
    _, test = train_test_split(np.arange(23_705), test_size=0.2, stratify=(gender == "Female") * 1, random_state=42)
    assert set(np.flatnonzero((split == "test").to_numpy())) == set(test)


def test_a_part_of_utkface_that_is_missing_is_named() -> None:
    pictures = pl.DataFrame({"file": ["part1/a.jpg", "part3/b.jpg"], "part": ["1", "3"]})
    with pytest.raises(BadInput, match="UTKFace: no picture in part2, which is to test; all three parts are needed"):
        protocol_splits.by_part(pictures)


def fairface_parts(train: int, val: int) -> labelled.DataSet:
    parts = ["train"] * train + ["val"] * val
    pictures = pl.DataFrame(
        {
            "file": [f"{part}/{number}.jpg" for number, part in enumerate(parts)],
            "part": parts,
            "gender": ["Male", "Female"] * (len(parts) // 2) + ["Male"] * (len(parts) % 2),
        }
    )
    return labelled.DataSet("fairface", "CC-BY-4.0", "x", pictures, {"gender": ["Male", "Female"]})


def test_fairface_is_divided_as_published_if_asked() -> None:
    split, said = protocol_splits.divided(fairface_parts(100, 20), protocol_splits.Division.PARTS, seed=1)
    assert said.endswith("90 train / 10 val / 20 test")
    assert (split[100:] == "test").all()
    with pytest.raises(BadInput, match="FairFace: no picture in val/; the published division needs train/ and val/"):
        protocol_splits.divided(fairface_parts(100, 0), protocol_splits.Division.PARTS, seed=1)


def test_the_protocol_of_efrs_counts_every_row_of_23705_though_many_are_alike(
    tmp_path: Path, sample_params: Params
) -> None:
    """Pictures of one pixel: what counts here is how many there are."""
    encoded = [cv2.imencode(".png", np.full((1, 1), level, np.uint8))[1].tobytes() for level in range(5)]
    rows = 23_705
    table = pl.DataFrame(
        {
            "file": [f"{number:06}.png" for number in range(rows)],
            **{"identity": [f"age-{number}" for number in range(rows)], "name": ["x"] * rows},
            "part": pl.Series([None] * rows, dtype=pl.String),
            "gender": [utkface.GENDERS[number % 2] for number in range(rows)],
        }
    )
    data_set = labelled.DataSet("age-csv", utkface.LICENSE, "x", table, {"gender": utkface.GENDERS})
    params, workspace = project_for(data_set, sample_params), ProjectPaths(tmp_path)
    split, said = protocol_splits.divided(data_set, None, seed=42)
    assert said.endswith("(EFRS): 17,067 train / 1,897 val / 4,741 test")
    read = lambda file: encoded[int(file[:6]) % 5]  # noqa: E731
    summary = layout.write(data_set, read, split, workspace, params, source="age.csv", keep_duplicates=True)
    assert summary == ["laid out: 23705"]
    splits = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    assert dict(splits["split"].value_counts().iter_rows()) == {"train": 17_067, "val": 1_897, "test": 4_741}
    # Without the papers' way of counting, five pictures are left.
    summary = layout.write(data_set, read, split, ProjectPaths(tmp_path / "unique"), params, source="age.csv")
    assert summary == ["laid out: 5", "left out, byte-identical to another: 23700"]


def test_too_few_pictures_to_divide_are_told_so() -> None:
    with pytest.raises(BadInput, match="3 pictures cannot be divided 72/8/20 by gender"):
        protocol_splits.stratified(
            pl.DataFrame({"gender": ["Male", "Female", "Male"]}), "gender", seed=1, order=["Male", "Female"]
        )


def test_a_label_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "age.csv"
    path.write_bytes(b"age,ethnicity,gender,img_name,pixels\n1,0,0,\xff.jpg,0\n")
    with pytest.raises(BadInput, match=r"age\.csv: not UTF-8 at byte"):
        age_csv.load(path)


@pytest.mark.parametrize(
    ("pictures", "people", "changes"),
    [
        (400, 40, {}),
        (1500, 200, {("train", "recipe"): "modern"}),
        (1500, 1500, {("curate", "min_images_per_identity"): 1}),
    ],
)
def test_many_pictures_of_people_are_learnt_by_the_recipe_that_is_better_at_them(
    pictures: int, people: int, changes: dict[tuple[str, str], object]
) -> None:
    rows = pl.DataFrame({"identity": [f"p{number % people}" for number in range(pictures)]})
    data_set = labelled.DataSet("folder", "CC-BY-4.0", "nobody", rows, {})
    assert project_files.roster_changes(data_set) == changes
