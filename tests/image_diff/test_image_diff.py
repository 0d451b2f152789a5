"""`dvc-image-diff` in repositories of images that have nothing to do with faces, in the layouts of DVC 2 and 3."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from dvc.repo import Repo
from PIL import Image

from mtf.image_diff import command, page
from mtf.image_diff.command import main
from mtf.image_diff.comparison import compare
from mtf.image_diff.thumbnails import Thumbnails
from projects import ROOT, environment, run_in

HOSTILE = "photos/</script><img src=x onerror=alert(1)>\u202egpj.exe.jpg"


def picture(colour: str, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(buffer, kind)
    return buffer.getvalue()


class Album:
    """A DVC repository with a folder of photos and one file of its own, in two versions."""

    def __init__(self, base: Path) -> None:
        self.root, self.remote = base / "album", base / "far"

    def make(self) -> None:
        self.root.mkdir()
        self.remote.mkdir()
        run_in(self.root, "git", "init", "-q", "-b", "main")
        Repo.init(str(self.root))
        config = "[core]\n    remote = far\n    analytics = false\n['remote \"far\"']\n    url = ../../far\n"
        (self.root / ".dvc/config").write_text(config)
        self.add("v1", {"a.jpg": picture("red"), "b.jpg": picture("green"), "c.png": picture("blue", "PNG")})
        run_in(self.root, "git", "commit", "-qm", "v1")
        run_in(self.root, "git", "tag", "v1")
        shutil.move(self.root / "photos/b.jpg", self.root / "photos/sub-b.jpg")
        (self.root / "photos/c.png").unlink()
        strange = HOSTILE.removeprefix("photos/")
        self.add("v2", {"a.jpg": picture("orange"), strange: b"no picture", "notes.txt": b"words"})

    def add(self, cover: str, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            path = self.root / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(data)
        (self.root / "cover.jpg").unlink(missing_ok=True)
        (self.root / "cover.jpg").write_bytes(picture("white" if cover == "v1" else "black"))
        with Repo(str(self.root)) as repo:
            repo.add([str(self.root / "photos"), str(self.root / "cover.jpg")])
            repo.push()
        run_in(self.root, "git", "add", "-A")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    base = tmp_path_factory.mktemp("original")
    Album(base).make()
    return base


@pytest.fixture
def album(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dvc: str) -> Album:
    for name, value in environment().items():
        if name.startswith(("GIT_", "DVC_")):
            monkeypatch.setenv(name, value)
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "album")
    return Album(tmp_path)


def differences(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[tuple[str | None, str | None]]]:
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = ("added", "gone", "changed", "moved")
    return {name: [(each["old_path"], each["path"]) for each in found[name]] for name in kinds} | {
        "notes": found["notes"]
    }


EXPECTED = {
    "added": [(None, HOSTILE)],
    "gone": [("photos/c.png", None)],
    "changed": [("cover.jpg", "cover.jpg"), ("photos/a.jpg", "photos/a.jpg")],
    "moved": [("photos/b.jpg", "photos/sub-b.jpg")],
    "notes": ["differences of files that are no images by their names are left out: 1"],
}


def test_two_versions_differ_by_path_and_digest_also_before_the_second_is_committed(album: Album, capsys) -> None:
    index = (album.root / ".git/index").read_bytes()
    assert differences(capsys, "v1") == EXPECTED
    assert (album.root / ".git/index").read_bytes() == index
    run_in(album.root, "git", "commit", "-qm", "v2")
    assert differences(capsys, "v1", "HEAD") == EXPECTED
    assert differences(capsys, "HEAD")["changed"] == []
    assert differences(capsys, "v1", "--path", "photos/a.jpg")["changed"] == [("photos/a.jpg", "photos/a.jpg")]
    assert main(["v9"]) == 2 and "revision 'v9': no such revision" in capsys.readouterr().err


def test_the_page_shows_both_images_from_a_remote_alone_and_takes_no_name_for_markup(album: Album, capsys) -> None:
    run_in(album.root, "git", "commit", "-qm", "v2")
    shutil.rmtree(album.root / ".dvc/cache")
    assert main(["v1", "HEAD", "--html", "page.html"]) == 0
    assert "images: 1 added, 1 gone, 2 changed, 1 moved" in (said := capsys.readouterr().out)
    assert "\\u202e" in said and "\u202e" not in said
    text = (album.root / "page.html").read_text()
    assert "<img src=x" not in text and "\u202e" not in text and "</script><img" not in text
    rows = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    added, gone, changed, moved = rows
    assert [bool(each) for each in changed[1][3:]] == [True, True] and changed[1][0] == "photos/a.jpg"
    assert [bool(each) for each in gone[0][3:]] == [True, False] and [bool(each) for each in moved[0][3:]] == [
        False,
        True,
    ]
    assert added[0][3:] == [-1, 0], "what is no picture has none, and the page says so"


def test_the_layout_of_dvc_2_is_read_and_a_lost_listing_is_named(album: Album, capsys) -> None:
    run_in(album.root, "git", "commit", "-qm", "v2")
    for file in (album.root / "photos.dvc", album.root / "cover.jpg.dvc"):
        file.write_text(file.read_text().replace("  hash: md5\n", ""))
    cache = album.root / ".dvc/cache"
    for folder in (cache / "files/md5").iterdir():
        shutil.move(folder, cache / folder.name)
    shutil.rmtree(cache / "files")
    shutil.rmtree(album.remote)
    run_in(album.root, "git", "commit", "-qam", "as DVC 2 wrote it")
    assert differences(capsys, "v1", "HEAD") == EXPECTED
    shutil.rmtree(cache)
    found = differences(capsys, "v1", "HEAD")
    assert found["changed"] == [("cover.jpg", "cover.jpg")]
    assert found["notes"] == [
        f"{revision}: photos: not compared: its list of files is in no store; `dvc fetch` may bring it"
        for revision in ("v1", "HEAD")
    ]


def test_a_folder_that_one_version_does_not_list_is_not_gone(album: Album, capsys) -> None:
    run_in(album.root, "git", "commit", "-qm", "v2")
    oid = re.search(r"md5: (\w+\.dir)", (album.root / "photos.dvc").read_text())
    assert oid is not None
    listings = [*album.root.glob(f".dvc/cache/**/{oid[1][2:]}"), *album.remote.glob(f"**/{oid[1][2:]}")]
    assert len(listings) == 2
    for listing in listings:
        listing.unlink()
    assert differences(capsys, "v1", "HEAD") == {
        "added": [],
        "gone": [],
        "changed": [("cover.jpg", "cover.jpg")],
        "moved": [],
        "notes": ["HEAD: photos: not compared: its list of files is in no store; `dvc fetch` may bring it"],
    }


def test_bad_paths_are_one_line(album: Album, capsys) -> None:
    run_in(album.root, "git", "commit", "-qm", "v2")
    assert main(["v1", "HEAD", "--path", "fotos"]) == 2
    said = f"dvc-image-diff: --path: 'fotos': no file of DVC in either version; paths begin at {album.root}\n"
    assert capsys.readouterr().err == said
    assert main(["v1", "HEAD", "--html", "."]) == 2
    assert capsys.readouterr().err == "dvc-image-diff: .: is a directory\n"
    assert main(["v1", "HEAD", "--html", "photos.dvc/page.html"]) == 2
    assert capsys.readouterr().err == "dvc-image-diff: photos.dvc: file exists\n"
    pipe = album.root.parent / "pipe"
    os.mkfifo(pipe)
    assert main(["v1", "HEAD", "--html", str(pipe)]) == 2
    assert "is a device or a pipe" in capsys.readouterr().err
    assert pipe.is_fifo()


@pytest.mark.parametrize("path", ["photos/", "./photos", "photos/../photos", "{root}/photos"])
def test_a_path_is_the_same_however_it_is_written(album: Album, capsys, path: str) -> None:
    expected = {**EXPECTED, "changed": [("photos/a.jpg", "photos/a.jpg")]}
    assert differences(capsys, "v1", "--path", path.format(root=album.root)) == expected
    assert differences(capsys, "v1", "--path", ".") == EXPECTED


def test_outputs_of_stages_for_each_item_have_the_paths_of_their_own_folders(album: Album, capsys) -> None:
    for place, colour in (("north", "red"), ("south", "blue")):
        (album.root / place).mkdir()
        (album.root / f"{place}/{colour}.jpg").write_bytes(picture(colour))
    pipeline = (
        "stages: {take: {foreach: [north, south], do: {wdir: '${item}', cmd: cp *.jpg out.jpg, outs: [out.jpg]}}}"
    )
    (album.root / "dvc.yaml").write_text(pipeline + "\n")
    with Repo(str(album.root)) as repo:
        repo.reproduce()
    expected = EXPECTED["added"] + [(None, "north/out.jpg"), (None, "south/out.jpg")]
    assert sorted(differences(capsys, "v1")["added"]) == sorted(expected)


def test_an_interrupt_is_one_line(album: Album, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(command, "compare", interrupted)
    assert main(["v1"]) == 130
    assert capsys.readouterr().err == "dvc-image-diff: interrupted\n"


def bomb(side_px: int) -> bytes:
    """PNG of side_px × side_px black pixels, in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    squeeze = zlib.compressobj(9)
    body = b"".join(squeeze.compress(bytes(side_px + 1)) for _ in range(side_px)) + squeeze.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_hostile_file_costs_no_more_than_its_own_thumbnail() -> None:
    with Thumbnails() as thumbnails:
        assert thumbnails.of(bomb(12_000)) is None
        assert thumbnails.of(b"\xff\xd8\xff" + bytes(99)) is None
        assert thumbnails.of(picture("red")[:200]) is None
        process = thumbnails._started()
        process.kill()
        process.wait()
        assert thumbnails.of(picture("red")) is None
        made = thumbnails.of(picture("red", "WEBP"))
    assert made is not None
    with Image.open(io.BytesIO(made)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (96, 64))


def test_a_page_stays_in_its_size_and_names_what_it_leaves_out() -> None:
    noise = bytes(range(256)) * 40
    rows = [page.Row(f"photos/{n:06d}.jpg", "md5 " + "0" * 32, pictures=lambda: (noise, noise)) for n in range(60_000)]
    groups = [
        page.Group("added", "Added", len(rows), [(f"in {n}", 1) for n in range(900)], rows),
        page.Group("gone", "Gone", 1, [], [page.Row("x" * 999, "gone")]),
    ]
    text = page.rendered(groups, title="t", says=["s"])
    assert len(text.encode()) < page.MAX_PAGE_BYTES
    assert "of 60,000 are listed" in text and "870 more" in text and "x" * 301 not in text
    assert re.search(r"Rows whose pictures are not on this page, for its size: [1-9][\d,]+\.", text)
    few = [page.Group("added", "Added", 3, [], rows[:3])]
    assert "for its size: 1." in page.rendered(few, title="t", says=["s"], max_pictures=2)
    assert "for its size" not in page.rendered(few, title="t", says=["s"])


def test_a_content_that_two_files_share_moves_once() -> None:
    found = compare({"a.jpg": "1", "b.jpg": "1"}, {"c.jpg": "1"})
    assert [each.title for each in found.moved] == ["a.jpg → c.jpg"] and [each.title for each in found.gone] == [
        "b.jpg"
    ]


STAND_IN = """
import sys, types
for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
    sys.modules[name] = types.ModuleType(name)
interface = types.ModuleType("interface")
interface.BuildHookInterface = object
sys.modules["hatchling.builders.hooks.plugin.interface"] = interface
sys.path.insert(0, sys.argv[1])
import hatch_build
hook = next(each for name, each in vars(hatch_build).items() if name.endswith("Modules"))()
build_data = {"force_include": {}}
hook.initialize("standard", build_data)
(folder, name), = build_data["force_include"].items()
sys.path.insert(0, str(hatch_build.Path(folder).parent))
for module in sorted(hatch_build.Path(folder).rglob("*.py")):
    if module.stem not in ("__main__", "__init__"):
        __import__(".".join((name, *module.relative_to(folder).with_suffix("").parts)))
if name == "dvc_image_diff":
    from dvc_image_diff import page, thumbnails
    assert page.rendered([], title="t", says=[])
    with thumbnails.Thumbnails() as made:
        assert made.of(sys.stdin.buffer.read())
print([name for name in sys.modules if name.partition(".")[0] == "mtf"])
"""


@pytest.mark.parametrize("package", ["dvc-forget", "dvc-image-diff"])
def test_a_wheel_has_all_that_its_command_needs_under_its_own_name(dvc: str, tmp_path: Path, package: str) -> None:
    """Without the builder of wheels, which only calls the hook and packs what it writes."""
    command = (sys.executable, "-I", "-c", STAND_IN, str(ROOT / "packages" / package))
    done = subprocess.run(command, cwd=tmp_path, input=picture("red"), capture_output=True, check=False)
    assert done.stdout.strip() == b"[]", done.stderr.decode()
