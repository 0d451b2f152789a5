"""recall.py finds withdrawn pictures in every form of a copy, and removes them and nothing else."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from copies import Copies, add, cut, drawn, encoded, name_of


def test_a_folder_loses_the_pictures_and_the_rows_that_name_them(copies: Copies) -> None:
    folder = copies.folder()
    kept = {path: path.read_bytes() for path in folder.rglob("*.jpg")}
    assert copies.run(folder) == (1, copies.run(folder)[1])
    assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == kept, "without --apply nothing changes"

    code, output = copies.run(folder, "--apply")
    assert code == 1
    assert "2 withdrawn, 0 not looked at" in output
    assert "removed: 2 pictures" in output
    gone = {folder / "Train" / f"{n % 2}" / f"{name_of(n)}.jpg" for n in range(copies.withdrawn)}
    assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == {
        path: data for path, data in kept.items() if path not in gone
    }
    text = (folder / "metadata.csv").read_text()
    assert "person 1" not in text
    assert "person 2" in text
    assert "https://x.example/1>" not in (folder / "CREDITS.md").read_text()
    assert pa.parquet.read_table(folder / "metadata.parquet")["age"].to_pylist() == list(range(2, copies.count))
    assert [each["by"] for each in copies.receipt()["found"]] == ["bytes", "bytes"]
    assert copies.run(folder)[0] == 0


@pytest.mark.parametrize(
    ("change", "by"),
    [
        (lambda _, data: data, "bytes"),
        (lambda picture, _: encoded(picture, quality=50), "looks"),
        (lambda picture, _: encoded(picture.resize((112, 112))), "looks"),
        (lambda picture, _: encoded(picture.convert("L"), "PNG"), "looks"),
        (lambda picture, _: encoded(cut(picture, 0.1, 0.1, 0.1, 0.1)), "looks"),
        (lambda picture, _: encoded(cut(picture, 0.1, 0, 0.03, 0.07).resize((112, 150)), quality=50), "looks"),
    ],
    ids=["renamed", "q50", "112 px", "grey PNG", "crop", "crop, resized, q50"],
)
def test_a_derived_set_with_other_names_is_recognised(copies: Copies, change, by: str) -> None:
    folder = copies.root / "derived"
    folder.mkdir()
    for number, data in enumerate(copies.files):
        (folder / f"img{number}").write_bytes(change(drawn(number), data))
    code, output = copies.run(folder, "--receipt", "recall-2.json")
    assert code == 1, output
    found = copies.receipt()["found"]
    assert [each["path"] for each in found] == ["img0", "img1"]
    assert {each["by"] for each in found} == {by}


def test_a_png_of_the_same_pixels_is_known_by_its_pixels(copies: Copies) -> None:
    from io import BytesIO

    from PIL import Image

    path = copies.root / "one.png"
    path.write_bytes(encoded(Image.open(BytesIO(copies.files[0])), "PNG"))
    assert "(by pixels, entry 1)" in copies.run(path)[1]


def test_a_picture_too_plain_for_its_looks_is_known_by_its_pixels_alone(tmp_path: Path) -> None:
    from PIL import Image

    from mtf.recall.picture_matcher import Match, PictureMatcher
    from mtf.recall.withdrawal_list import empty_list, parse

    plain, other = Image.new("RGB", (64, 64), (200, 10, 10)), Image.new("RGB", (64, 64), (200, 10, 11))
    listed = parse(empty_list(bytes(16)))
    listed.withdrawals.append(listed.describe(encoded(plain, "PNG")))
    assert listed.withdrawals[0].code is None
    given = [("same", encoded(plain, "BMP")), ("other", encoded(other, "BMP")), ("picture", encoded(drawn(3)))]
    assert list(PictureMatcher(listed).matches(given)) == [Match("same", "pixels", 1)]


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz")])
def test_a_shard_loses_the_samples_and_the_other_members_keep_their_bytes(copies: Copies, name: str, mode: str) -> None:
    path = copies.shards(name, mode)
    with tarfile.open(path) as tar:
        before = {each.name: (each.get_info(), tar.extractfile(each).read()) for each in tar}
    assert copies.run(path.parent, "--apply")[0] == 1
    with tarfile.open(path) as tar:
        after = {each.name: (each.get_info(), tar.extractfile(each).read()) for each in tar}
    gone = {f"{name_of(number)}.{end}" for number in range(copies.withdrawn) for end in ("jpg", "json")}
    assert after == {name: each for name, each in before.items() if name not in gone}
    assert copies.receipt()["removed"][0]["belongings"] == [f"{name_of(number)}.json" for number in (0, 1)]
    assert copies.run(path.parent)[0] == 0


def test_members_with_long_names_and_links_to_removed_ones_are_handled(copies: Copies) -> None:
    path = copies.root / "long.tar"
    long = "x" * 150 + "/" + "ä" * 120
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        add(tar, f"{long}0.jpg", copies.files[0])
        link = tarfile.TarInfo("again.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, f"{long}0.jpg"
        tar.addfile(link)
        add(tar, f"{long}5.jpg", copies.files[5])
    assert copies.run(path, "--apply")[0] == 1
    with tarfile.open(path) as tar:
        assert tar.getnames() == [f"{long}5.jpg"]
        assert tar.extractfile(f"{long}5.jpg").read() == copies.files[5]


def test_tables_lose_the_rows_and_keep_schema_and_metadata(copies: Copies) -> None:
    path = copies.table()
    stream, file = copies.root / "tables" / "cache.arrow", copies.root / "tables" / "file.arrow"
    rows = copies.rows()
    with pa.ipc.new_stream(str(stream), rows.schema) as writer:
        writer.write_table(rows, max_chunksize=3)
    with pa.ipc.new_file(str(file), rows.schema) as writer:
        writer.write_table(rows, max_chunksize=3)
    schema = pa.parquet.read_schema(path)
    code, output = copies.run(path.parent, "--apply")
    assert code == 1, output
    left = pa.parquet.read_table(path)
    assert left["label"].to_pylist() == list(range(2, copies.count))
    assert left.schema.equals(schema, check_metadata=True)
    for arrow, opened in ((stream, pa.ipc.open_stream), (file, pa.ipc.open_file)):
        with pa.memory_map(str(arrow)) as source:
            assert opened(source).read_all()["label"].to_pylist() == list(range(2, copies.count))
    assert copies.run(path.parent)[0] == 0


def test_a_zip_loses_the_members(copies: Copies) -> None:
    path = copies.zipped()
    assert copies.run(path, "--apply")[0] == 1
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"pictures/{number}.jpg" for number in range(2, copies.count)]


def test_a_hub_cache_loses_the_blobs_and_the_links_to_them(copies: Copies) -> None:
    folder = copies.hub_cache()
    assert copies.run(folder, "--apply")[0] == 1
    assert len(list((folder / "blobs").iterdir())) == copies.count - 2
    links = list((folder / "snapshots").rglob("*.jpg"))
    assert len(links) == copies.count - 2
    assert all(link.exists() for link in links)


def test_many_files_are_looked_at_by_several_processes(copies: Copies) -> None:
    folder = copies.root / "many"
    folder.mkdir()
    for number in range(2_000):
        (folder / f"{number}.txt").write_bytes(b"no picture")
    (folder / "picture").write_bytes(copies.files[1])
    code, output = copies.run(folder, "--workers", "2")
    assert code == 1
    assert "2,001 files with 1 pictures: 1 withdrawn, 0 not looked at" in output
