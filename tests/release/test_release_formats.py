"""The release in the field's tools: each loads it, and counts and labels are those of the metadata."""

from __future__ import annotations

import json
import pathlib
import re
import resource
import tarfile
from collections import Counter
from itertools import combinations
from pathlib import Path

import made_project
import polars as pl
import pytest
import torchvision
from made_project import made_params
from torchvision.datasets import ImageFolder

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import release
from mtf.release import formats
from mtf.release.formats import ReleaseFormat, export
from mtf.release.layout import folder_names, task_folder

LABELS = {task.column: list(task.labels) for task in made_params().tasks.values()}


@pytest.fixture(scope="module")
def table(data_set: ProjectPaths) -> pl.DataFrame:
    return pl.read_parquet(data_set.stage("release") / "metadata.parquet")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


def tallied(table: pl.DataFrame, split: str, column: str) -> Counter:
    return Counter(table.filter(pl.col("split") == split)[column])


@pytest.mark.parametrize(
    ("folder", "column"),
    [("race_classification", "race"), ("face_recognition", "identity"), ("age_classification", "age")],
)
def test_torchvision_opens_every_task_as_an_image_folder(data_set: ProjectPaths, table: pl.DataFrame, folder, column):
    names = folder_names(table[column].unique())
    for split, name in (("train", "Train"), ("val", "Val"), ("test", "Test")):
        opened = ImageFolder(data_set.stage("release") / "single_task" / folder / name)
        counted = Counter(opened.classes[target] for target in opened.targets)
        assert counted == {names[label]: n for label, n in tallied(table, split, column).items()}
        assert opened[0][0].size == (64, 64)


def test_a_class_that_a_split_lacks_bears_the_same_number_there_as_the_card_says(project: ProjectPaths, tmp_path: Path):
    import datasets

    path = project.table("split", "splits")
    leaves = (pl.col("identity") == "bo.b") & (pl.col("split") == "test")
    splits = pl.read_parquet(path).with_columns(split=pl.when(leaves).then(pl.lit("train")).otherwise("split"))
    splits.write_parquet(path)
    made_project.release(project, made_params(split={"min_test": 0}))
    root = project.stage("release")
    assert (root / "single_task/age_classification/classes.txt").read_text() == "Old\nYoung\n"
    text = (root / "README.md").read_text()
    assert "- age_classification: Old is not in Test.\n" in text
    code = next(part for part in text.split("```") if "find_classes" in part).removeprefix("python\n")
    known = {"torchvision": torchvision, "pathlib": pathlib}
    exec(code.replace('"single_task/', f'"{root}/single_task/'), known)  # noqa: S102 (as a reader of the card would)
    for split in ("Train", "Val", "Test"):
        opened = known["Faces"](root / "single_task/age_classification" / split, allow_empty=True)
        labels = {opened.classes[number] for number in opened.targets}
        assert opened.class_to_idx == {"Old": 0, "Young": 1}
        assert labels == ({"Young"} if split == "Test" else {"Old", "Young"})
    loaded = datasets.load_dataset(str(root), "age_classification", cache_dir=str(tmp_path / "cache"))
    assert {tuple(rows.features["label"].names) for rows in loaded.values()} == {("Old", "Young")}


def hub_names(place: Path, name: str | None, cache: Path) -> dict[str, list[str]]:
    """Column → names of its class labels in a configuration; `label` is named as the column of its task."""
    import datasets

    opened = datasets.load_dataset(str(place), name, cache_dir=str(cache))
    every = [rows.features for rows in opened.values()]
    assert all(features == every[0] for features in every), "the splits number labels differently"
    columns = {task_folder(column): column for column in LABELS}
    return {
        columns.get(name or "", column) if column == "label" else column: feature.names
        for column, feature in every[0].items()
        if isinstance(feature, datasets.ClassLabel)
    }


def numbered_labels(root: Path, tmp_path: Path) -> dict[str, dict[str, list[str]]]:
    """Form or configuration → column → labels in the order of their numbers, each read by its own tool."""
    cache = tmp_path / "cache"
    for form in ReleaseFormat:
        export(root, tmp_path / form, form, labels=LABELS)
    tasks = {column: root / "single_task" / task_folder(column) for column in LABELS}
    configurations = ["default", "multi_task", *map(task_folder, LABELS), "non_curated"]
    places = {"folders": root, "parquet": tmp_path / "parquet"}
    return {
        **{
            f"ImageFolder {split}": {column: ImageFolder(tasks[column] / split).classes for column in LABELS}
            for split in ("Train", "Val", "Test")
        },
        "classes.txt": {column: (tasks[column] / "classes.txt").read_text().split("\n")[:-1] for column in LABELS},
        **{
            f"{form}, {name}": hub_names(place, name, cache)
            for form, place in places.items()
            for name in configurations
        },
        "multi_task alone": hub_names(root / "multi_task", None, cache),
        "non_curated alone": hub_names(root / "non_curated", None, cache),
        "FiftyOne": json.loads((tmp_path / "fiftyone/metadata.json").read_text())["classes"],
        **{
            f"label_names.json of {place.name}": json.loads((place / "label_names.json").read_text())
            for place in (root, root / "non_curated", *(tmp_path / form for form in ReleaseFormat))
        },
    }


def test_a_label_has_the_same_number_in_each_two_forms(data_set: ProjectPaths, tmp_path: Path):
    found = numbered_labels(data_set.stage("release"), tmp_path)
    assert len(found) == 26
    for column, permitted in LABELS.items():
        names = folder_names(permitted or found["FiftyOne"][column])
        numbers = {
            form: [names.get(label, label) for label in labels[column]]
            for form, labels in found.items()
            if column in labels
        }
        assert len(numbers) == 20
        for one, other in combinations(numbers, 2):
            assert numbers[one] == numbers[other], (one, other, column)


def test_hugging_face_numbers_the_pictures_of_all_configurations_alike(data_set: ProjectPaths, tmp_path: Path):
    """The same picture, by its bytes, has the same number in the folders and in the form parquet."""
    import datasets

    root, cache = data_set.stage("release"), str(tmp_path / "cache")
    export(root, tmp_path / "parquet", ReleaseFormat.PARQUET, labels=LABELS)

    def numbers(place: Path, name: str, column: str) -> dict[tuple[str, bytes], int]:
        opened = datasets.load_dataset(str(place), name, cache_dir=cache)
        return {(split, row["image"].tobytes()): row[column] for split, rows in opened.items() for row in rows}

    wanted = numbers(root, "gender_classification", "label")
    assert len(wanted) == 15 and set(wanted.values()) == {0, 1}
    for place in (root, tmp_path / "parquet"):
        assert numbers(place, "default", "gender") == numbers(place, "multi_task", "gender") == wanted
    assert numbers(tmp_path / "parquet", "gender_classification", "gender") == wanted
    everything = numbers(root, "non_curated", "gender")
    assert {picture: everything["train", picture] for _, picture in wanted} == {
        picture: number for (_, picture), number in wanted.items()
    }


def test_webdataset_opens_in_hugging_face_with_its_splits_and_without_a_type_error_where_credits_are_missing(
    data_set: ProjectPaths, tmp_path: Path
):
    import datasets

    export(data_set.stage("release"), tmp_path / "wds", ReleaseFormat.WEBDATASET, labels=LABELS)
    opened = datasets.load_dataset(str(tmp_path / "wds"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in opened.items()} == {"train": 9, "val": 3, "test": 3}


def test_hugging_face_opens_a_task_as_an_image_folder_with_its_splits(
    data_set: ProjectPaths, table: pl.DataFrame, tmp_path: Path
):
    import datasets

    root = str(data_set.stage("release"))
    opened = datasets.load_dataset(root, "gender_classification", cache_dir=str(tmp_path / "cache"))
    for split in ("train", "val", "test"):
        names = opened[split].features["label"].names
        assert Counter(names[label] for label in opened[split]["label"]) == tallied(table, split, "gender")
        assert opened[split][0]["image"].size == (64, 64)


def test_hugging_face_opens_the_parquet_form_with_pictures_and_classes(
    data_set: ProjectPaths, table: pl.DataFrame, tmp_path: Path
):
    import datasets

    done = export(data_set.stage("release"), tmp_path / "hf", ReleaseFormat.PARQUET, labels=LABELS)
    assert done == (15, 18)
    opened = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    for split in ("train", "val", "test"):
        rows = opened[split]
        for column in LABELS:
            names = rows.features[column].names
            assert Counter(names[label] for label in rows[column]) == tallied(table, split, column)
        assert rows[0]["image"].size == (64, 64)


def test_webdataset_reads_the_tars_with_pictures_and_labels(
    data_set: ProjectPaths, table: pl.DataFrame, tmp_path: Path
):
    import webdataset

    export(data_set.stage("release"), tmp_path / "wds", ReleaseFormat.WEBDATASET, labels=LABELS)
    for split in ("train", "val", "test"):
        pattern = str(tmp_path / "wds" / f"{split}-000000.tar")
        samples = list(webdataset.WebDataset(pattern, shardshuffle=False).decode("pil").to_tuple("jpg", "json"))
        for column in LABELS:
            assert Counter(labels[column] for _, labels in samples) == tallied(table, split, column)
        assert {picture.size for picture, _ in samples} == {(64, 64)}


def test_fiftyones_form_has_every_face_with_its_labels_and_split(
    data_set: ProjectPaths, table: pl.DataFrame, tmp_path: Path
):
    export(data_set.stage("release"), tmp_path / "fo", ReleaseFormat.FIFTYONE, labels=LABELS)
    samples = json.loads((tmp_path / "fo/samples.json").read_text())["samples"]
    assert all((tmp_path / "fo" / sample["filepath"]).is_file() for sample in samples)
    for split in ("train", "val", "test"):
        tagged = [sample for sample in samples if sample["tags"] == [split]]
        for column in LABELS:
            assert Counter(sample[column]["label"] for sample in tagged) == tallied(table, split, column)


@pytest.mark.parametrize("form", list(ReleaseFormat))
def test_a_form_has_the_same_bytes_when_it_is_made_again(
    data_set: ProjectPaths, tmp_path: Path, files_of, form: ReleaseFormat
):
    for name in ("one", "two"):
        export(data_set.stage("release"), tmp_path / name, form, labels=LABELS)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def credits_in(form: ReleaseFormat, folder: Path) -> list[dict]:
    """Labels of each face in one form of the release, read from that form alone."""
    if form is ReleaseFormat.PARQUET:
        return pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("data/*.parquet"))]).to_dicts()
    if form is ReleaseFormat.FIFTYONE:
        return json.loads((folder / "samples.json").read_text())["samples"]
    rows = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            rows += [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")]
    return rows


@pytest.mark.parametrize("form", list(ReleaseFormat))
def test_each_form_credits_every_face_and_encloses_terms_credits_and_card(
    data_set: ProjectPaths, table: pl.DataFrame, tmp_path: Path, form: ReleaseFormat
):
    export(data_set.stage("release"), tmp_path / "form", form, labels=LABELS)
    said = ("title", "creator", "license", "license_url", "page_url")
    rows = {row["face_id"]: tuple(row[name] for name in said) for row in credits_in(form, tmp_path / "form")}
    assert rows == {row["face_id"]: tuple(row[name] for name in said) for row in table.iter_rows(named=True)}
    for name in ("LICENSE.txt", "CREDITS.md", "CREDITS.html"):
        assert (tmp_path / "form" / name).read_bytes() == (data_set.stage("release") / name).read_bytes()
    _, header, body = (tmp_path / "form/README.md").read_text().split("---\n", 2)
    assert "license: cc-by-sa-4.0" in header
    assert f"\n## Files\n\nThis is the form `{form}`: " in body
    assert not re.search("multi_task/|single_task/|metadata.csv|croissant", body)
    named = set(re.findall(r"^- `([^`]+)`", body, re.MULTILINE))
    assert {"label_names.json", "CREDITS.md", "LICENSE.txt", "CITATION.cff", "recall/"} <= named
    sums = (tmp_path / "form/SHA256SUMS").read_text()
    files = {
        path.relative_to(tmp_path / "form").as_posix() for path in (tmp_path / "form").rglob("*") if path.is_file()
    }
    assert {line.split("  ", 1)[1] for line in sums.splitlines()} == files - {"SHA256SUMS"}


def test_a_split_of_many_faces_is_written_in_several_files_that_hold_each_face_once(
    data_set: ProjectPaths, table: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import datasets

    monkeypatch.setattr(formats, "FACES_PER_FILE", 4)
    for form in (ReleaseFormat.PARQUET, ReleaseFormat.WEBDATASET):
        export(data_set.stage("release"), tmp_path / form, form, labels=LABELS)
        assert sorted(row["face_id"] for row in credits_in(form, tmp_path / form)) == sorted(table["face_id"])
    assert sorted(path.name for path in (tmp_path / "parquet/data").iterdir()) == [
        "test-00000-of-00001.parquet",
        *(f"train-{number:05d}-of-00003.parquet" for number in range(3)),
        "val-00000-of-00001.parquet",
    ]
    assert sorted(path.name for path in (tmp_path / "webdataset").glob("train*")) == [
        f"train-{number:06d}.tar" for number in range(3)
    ]
    opened = datasets.load_dataset(str(tmp_path / "parquet"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in opened.items()} == {"train": 9, "val": 3, "test": 3}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"gender": ["Men", "Females"]}, r"gender 'Males' is not a label of params\.yaml \(Men, Females\); build"),
        ({"sex": ["Males", "Females"]}, "it has no column sex; build the release again"),
    ],
)
def test_labels_renamed_since_the_release_was_built_are_named(data_set: ProjectPaths, tmp_path: Path, labels, message):
    with pytest.raises(BadInput, match=message):
        export(data_set.stage("release"), tmp_path / "new", ReleaseFormat.PARQUET, labels=labels)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_empty_is_left_alone(data_set: ProjectPaths, tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="is not empty; name a new folder"):
        export(data_set.stage("release"), tmp_path, ReleaseFormat.PARQUET, labels=LABELS)


@pytest.mark.parametrize("form", list(ReleaseFormat))
def test_a_form_that_a_full_disk_stopped_is_made_by_the_same_command(
    data_set: ProjectPaths, tmp_path: Path, form: ReleaseFormat
) -> None:
    """`ulimit -f` in place of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            export(data_set.stage("release"), tmp_path / "to", form, labels=LABELS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.filename == str(tmp_path / "to")
    assert list(tmp_path.iterdir()) == []
    assert export(data_set.stage("release"), tmp_path / "to", form, labels=LABELS).faces > 0


def test_a_form_that_a_kill_stopped_leaves_nothing_once_it_is_made(data_set: ProjectPaths, tmp_path: Path) -> None:
    killed = tmp_path / ".to.0a1b2c3d.part"
    killed.mkdir()
    (killed / "train-000000.tar").write_bytes(b"half")
    export(data_set.stage("release"), tmp_path / "to", ReleaseFormat.WEBDATASET, labels=LABELS)
    assert [path.name for path in tmp_path.iterdir()] == ["to"]


def test_without_a_release_there_is_nothing_to_convert(project: ProjectPaths, tmp_path: Path):
    with pytest.raises(BadInput, match="build a release first"):
        export(project.stage("release"), tmp_path / "new", ReleaseFormat.PARQUET, labels=LABELS)


def test_an_unknown_form_is_named_with_the_known_ones(data_set: ProjectPaths, tmp_path: Path):
    with pytest.raises(
        BadInput, match="--format: 'tfrecord' is not permitted; permitted: parquet, webdataset, fiftyone"
    ):
        release.export(data_set, made_params(), form="tfrecord", to=tmp_path / "new")
