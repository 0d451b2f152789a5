import io
import os
import tarfile
import unicodedata
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from mtf.core.errors import BadInput
from mtf.schemas import FetchOutcome
from mtf.sources import folder as folder_source
from mtf.sources.fetch_failure import FetchFailed
from mtf.sources.folder import Folder, FolderFiles
from mtf.sources.local_sources import LocalSources, relative_address, relative_addresses

NAMES = ["a b.jpg", 'it\'s "x".jpg', "安娜/ü.jpg", "bo/1.jpg", "bo/2.jpg", "[x].jpg", "percent%20.jpg"]


def in_folder(root: Path) -> str:
    for name in NAMES:
        path = root / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return "pictures"


def in_tar(root: Path) -> str:
    with tarfile.open(root / "pictures.tar", "w") as tar:
        for name in NAMES:
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(name.encode())
            tar.addfile(info, io.BytesIO(name.encode()))
        for name, target in (("link.jpg", "/etc/passwd"), ("hard.jpg", "bo/1.jpg")):
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE if name == "link.jpg" else tarfile.LNKTYPE
            info.linkname = target
            tar.addfile(info)
        info = tarfile.TarInfo("../out.jpg")
        tar.addfile(info, io.BytesIO())
    return "pictures.tar"


@pytest.fixture(params=[in_folder, in_tar])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> FolderFiles:
    return FolderFiles(Folder(kind="folder", path=request.param(tmp_path), license="CC0-1.0"), tmp_path)


def contents(folder: FolderFiles, files: str) -> list[str]:
    return [folder.read(candidate.url, max_bytes=100).decode() for candidate in folder.find(files)]


@pytest.mark.parametrize("name", NAMES)
def test_names_with_spaces_quotes_and_other_letters_are_found(folder: FolderFiles, name: str):
    assert contents(folder, name) == [name]
    (candidate,) = folder.find(name)
    assert (candidate.claim, candidate.source, candidate.url.isascii()) == ("CC0-1.0", "folder", True)


def test_names_and_patterns_stand_side_by_side(folder: FolderFiles):
    assert contents(folder, "bo/*.jpg; a b.jpg ;bo/1.jpg") == ["bo/1.jpg", "bo/2.jpg", "a b.jpg"]
    assert [candidate.rank for candidate in folder.find("bo/*.jpg;a b.jpg")] == [0, 1, 2]
    assert folder.find(None) == []


@pytest.mark.parametrize(
    ("name", "outcome", "detail"),
    [
        ("../secret.jpg", FetchOutcome.REFUSED_ADDRESS, "leads out of the folder"),
        ("bo/../../secret.jpg", FetchOutcome.REFUSED_ADDRESS, "leads out of the folder"),
        ("/etc/passwd", FetchOutcome.REFUSED_ADDRESS, "an absolute name"),
        ("gone.jpg", FetchOutcome.MISSING, "no such file in pictures"),
        ("gone-*.jpg", FetchOutcome.MISSING, "no such file in pictures"),
    ],
)
def test_hostile_and_missing_names_say_why(folder: FolderFiles, name: str, outcome: FetchOutcome, detail: str):
    (candidate,) = folder.find(name)
    with pytest.raises(FetchFailed) as failure:
        folder.read(candidate.url, max_bytes=100)
    assert failure.value.outcome == outcome
    assert detail in failure.value.detail


def test_links_are_refused_in_a_folder_and_in_a_tar(tmp_path: Path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    in_folder(tmp_path)
    (tmp_path / "pictures" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "pictures" / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pictures" / "pipe.jpg")
    in_tar(tmp_path)
    for path, names in (("pictures", ["link.jpg", "pipe.jpg", "up"]), ("pictures.tar", ["link.jpg", "hard.jpg"])):
        folder = FolderFiles(Folder(kind="folder", path=path), tmp_path)
        for name in names:
            with pytest.raises(FetchFailed, match="refused_address: a link, or not a plain file"):
                folder.read(folder.find(name)[0].url, max_bytes=100)
    with pytest.raises(FetchFailed, match="missing_file"):
        folder = FolderFiles(Folder(kind="folder", path="pictures"), tmp_path)
        folder.read(folder.find("up/secret.jpg")[0].url, max_bytes=100)


def test_a_name_that_is_not_utf_8_is_refused_in_a_folder_and_in_a_tar(tmp_path: Path):
    name = os.fsdecode(b"M\xfcller.jpg")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / name).write_bytes(b"picture")
    with tarfile.open(tmp_path / "pictures.tar", "w") as tar:
        tar.add(tmp_path / "pictures" / name, arcname=name)
    for path in ("pictures", "pictures.tar"):
        folder = FolderFiles(Folder(kind="folder", path=path), tmp_path)
        (candidate,) = folder.find("M*.jpg")
        assert (candidate.url, candidate.title) == (f"file:{path}/M%FCller.jpg", "M?ller")
        assert folder.stamp("M*.jpg") != folder.stamp("none.jpg")
        with pytest.raises(FetchFailed, match="refused_address: a name that is not UTF-8"):
            folder.read(candidate.url, max_bytes=100)


def test_a_file_belongs_to_the_innermost_of_nested_folders(tmp_path: Path):
    in_folder(tmp_path)
    outer = Folder(kind="folder", path="pictures", name="outer", license="CC0-1.0")
    inner = Folder(kind="folder", path="./pictures/bo/", name="inner", license="CC-BY-4.0")
    for sources in ((outer, inner), (inner, outer)):
        folders = LocalSources(sources, tmp_path)
        found = [found for folder in folders for found in folders.find(folder, "bo/1.jpg;a b.jpg;2.jpg")]
        claims = {found.url: found.claim for found in found}
        assert claims["file:@inner/1.jpg"] == claims["file:@inner/2.jpg"] == "CC-BY-4.0"
        assert claims["file:@outer/a%20b.jpg"] == "CC0-1.0"
        owners = [folders.of(f"file:{name}") for name in ("@inner/1.jpg", "@outer/a%20b.jpg")]
        assert [owner and owner.source for owner in owners] == [inner, outer]
    assert folders.of("file:1.jpg") is None


def test_addresses_are_relative_to_their_source_and_name_the_second_one(tmp_path: Path):
    in_folder(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a b.jpg").write_bytes(b"another")
    folders = LocalSources(
        [Folder(kind="folder", path=str(tmp_path / each)) for each in ("pictures", "more")], tmp_path
    )
    first, second = (folders.find(folder, "a b.jpg")[0].url for folder in folders)
    assert (first, second) == ("file:a%20b.jpg", "file:@2/a%20b.jpg")
    contents = [owner.read(url, max_bytes=100) for url in (first, second) if (owner := folders.of(url))]
    assert contents == [b"a b.jpg", b"another"]
    assert folders.path_address(second) == f"file:{tmp_path}/more/a%20b.jpg"
    assert folders.path_address("https://a.example/a%20b.jpg") is None


def test_a_name_that_begins_with_the_sign_of_a_source_is_not_mistaken_for_one(tmp_path: Path):
    for folder in ("pictures", "more"):
        (tmp_path / folder / "@2").mkdir(parents=True)
        (tmp_path / folder / "@2" / "x.jpg").write_bytes(folder.encode())
    folders = LocalSources([Folder(kind="folder", path=path) for path in ("pictures", "more")], tmp_path)
    urls = [folders.find(folder, "@2/x.jpg")[0].url for folder in folders]
    assert urls == ["file:%402/x.jpg", "file:@2/%402/x.jpg"]
    assert [owner.read(url, max_bytes=9) for url in urls if (owner := folders.of(url))] == [b"pictures", b"more"]


def test_two_sources_of_one_name_are_a_bad_input(tmp_path: Path):
    in_folder(tmp_path)
    sources = [Folder(kind="folder", path=path, name="mine") for path in ("pictures", "pictures/bo")]
    with pytest.raises(BadInput, match="two sources are named 'mine'; give each a name of its own"):
        LocalSources(sources, tmp_path)


def test_addresses_of_an_older_crawl_are_read_as_relative_and_a_strangers_path_is_refused():
    sources = [Folder(kind="folder", path="/home/a/pictures"), Folder(kind="folder", path="/home/a/pictures/bo/")]
    urls = [
        "file:/home/a/pictures/x%20y.jpg",
        "file:/home/a/pictures/bo/1.jpg",
        "https://a.example/1.jpg",
        "file:z.jpg",
    ]
    table = pl.DataFrame({"url": urls})
    corrected, count = relative_addresses(table, sources, where="images.parquet")
    assert (corrected["url"].to_list(), count) == (
        ["file:x%20y.jpg", "file:@2/1.jpg", "https://a.example/1.jpg", "file:z.jpg"],
        2,
    )
    for stranger in ("file:/home/b/1.jpg", "file:../b/1.jpg"):
        with pytest.raises(BadInput, match=r"images\.parquet: 1 addresses are paths of this machine.*run `mtf crawl`"):
            relative_addresses(pl.DataFrame({"url": [stranger]}), sources, where="images.parquet")


def test_an_address_by_path_is_told_apart_from_any_other():
    sources = [Folder(kind="folder", path="data/mine"), Folder(kind="folder", path="/home/a/more", name="more")]
    assert relative_address("file:data/mine/x%20y.jpg", sources) == "file:x%20y.jpg"
    assert relative_address("file:/home/a/more/1.jpg", sources) == "file:@more/1.jpg"
    for other in ("file:x%20y.jpg", "https://a.example/data/mine/1.jpg", "a" * 64):
        assert relative_address(other, sources) is None


def test_the_listing_of_a_source_is_that_of_its_files_wherever_it_lies(tmp_path: Path):
    for place in ("one", "two"):
        in_folder(tmp_path / place)
    in_tar(tmp_path)
    paths = ("one/pictures", "two/pictures", "pictures.tar")
    one, two, tar = (LocalSources([Folder(kind="folder", path=path)], tmp_path).listings()[0] for path in paths)
    assert one == two == replace(tar, name="pictures")
    assert (one.prefix, one.name, one.files, one.size_bytes) == (
        "file:",
        "pictures",
        len(NAMES),
        sum(map(len, map(str.encode, NAMES))),
    )
    (tmp_path / "two" / "pictures" / "bo" / "1.jpg").write_bytes(b"longer than it was")
    changed = LocalSources([Folder(kind="folder", path="two/pictures")], tmp_path).listings()[0]
    assert changed.listing_sha256 != one.listing_sha256


class CountedNames(list):
    """Names that count how often one of them is looked at."""

    looked_at = 0

    def __getitem__(self, place):
        self.looked_at += 1
        return super().__getitem__(place)


def test_a_pattern_for_each_of_many_people_does_not_go_through_all_names(tmp_path, monkeypatch):
    in_folder(tmp_path)
    nothing = folder_source._File(tmp_path, 0, 0, "")
    listed = {f"p{person}/{number}.jpg": nothing for person in range(1500) for number in range(20)}
    monkeypatch.setattr(folder_source, "_listed", lambda *_: listed)
    folder = FolderFiles(Folder(kind="folder", path="pictures"), tmp_path)
    folder._names = names = CountedNames(folder._names)
    assert sum(len(folder.find(f"p{person}/*.jpg")) for person in range(1500)) == 30_000
    assert names.looked_at < 100_000, "of 45 million names 30,000 are needed, and a search for the first of each person"


def test_a_file_over_the_bound_is_not_read(folder: FolderFiles):
    with pytest.raises(FetchFailed, match="too_large: 8 bytes; permitted: 4"):
        folder.read(folder.find("bo/1.jpg")[0].url, max_bytes=4)


def test_a_stamp_changes_with_its_own_files_only(tmp_path: Path):
    source = Folder(kind="folder", path=in_folder(tmp_path))
    before = {files: FolderFiles(source, tmp_path).stamp(files) for files in ("bo/*", "a b.jpg")}
    (tmp_path / "pictures" / "bo" / "2.jpg").write_bytes(b"changed")
    assert FolderFiles(source, tmp_path).stamp("a b.jpg") == before["a b.jpg"]
    assert FolderFiles(source, tmp_path).stamp("bo/*") != before["bo/*"]


def test_a_source_that_is_not_there_or_no_tar_is_a_bad_input(tmp_path: Path):
    with pytest.raises(BadInput, match=r"crawl\.sources: 'gone' is neither a folder nor a tar"):
        FolderFiles(Folder(kind="folder", path="gone"), tmp_path)
    (tmp_path / "x.tar").write_bytes(b"not a tar" * 200)
    with pytest.raises(BadInput, match=r"crawl\.sources: 'x\.tar': not an uncompressed tar"):
        FolderFiles(Folder(kind="folder", path="x.tar"), tmp_path)


def test_two_files_of_one_name_in_two_forms_of_unicode_are_both_read(tmp_path: Path):
    composed, split = (unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD"))
    for name in (composed, split):
        (tmp_path / name).write_text(name)
    opened = FolderFiles(Folder(kind="folder", path=str(tmp_path)), Path("/"))

    def read(cell: str) -> set[str]:
        return {opened.read(each.url, max_bytes=99).decode() for each in opened.find(cell)}

    assert read("*.jpg") == {composed, split}
    assert read(f"{composed};{split}") == {composed, split}
    assert (read(composed), read(split)) == ({composed}, {split})
    (tmp_path / split).unlink()
    opened = FolderFiles(Folder(kind="folder", path=str(tmp_path)), Path("/"))
    assert read(split) == {composed}
