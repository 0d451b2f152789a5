"""Shards, atomic files, digests and the engine: what makes only the changed identity cost anything."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import polars as pl
import pytest

from mtf.config import Compute
from mtf.core import atomic_files, parallel_map, shards
from mtf.core.hashing import fingerprint
from mtf.pipeline import incremental
from projects import ROOT, run_in

ROWS = pl.DataFrame({"name": ["x"], "value": [1]})


def write_shard(path: Path, digest: str = "d1", **files: bytes) -> dict[str, tuple[int, int]]:
    with shards.writing(path, digest) as shard:
        places = {name: shard.add(name, data) for name, data in files.items()}
        shard.finish(ROWS)
    return places


def test_members_are_read_by_offset_by_name_and_by_any_tar(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    files = {"one": b"1" * 700, "two": b"", "three": os.urandom(512)}
    places = write_shard(path, **files)
    for name, data in files.items():
        assert shards.read(path, *places[name]) == data == shards.read_member(path, name)
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["digest", "one", "two", "three", "rows.parquet"]
    assert shards.members(path)["three"] == places["three"]
    assert shards.rows_of(path).equals(ROWS)
    assert shards.digest_of(path) == "d1"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        write_shard(tmp_path / name, one=b"1")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_shard_has_the_bytes_and_the_members_that_tarfile_writes_and_finds(tmp_path: Path) -> None:
    names = ["a.jpg", "n" * 100, "n" * 101, "ü.jpg", f"{'0' * 64}.page.gz"]
    sizes = (0, 1, 512, 513, 20_000)
    files = [(name, bytes([size % 251]) * size) for name, size in zip(names, sizes, strict=True)]
    ascii_files = [each for each in files if each[0].isascii() and len(each[0]) <= 100]
    for number, content in enumerate((files, ascii_files)):
        path, other = tmp_path / f"{number}.tar", tmp_path / f"{number}-other.tar"
        with shards.writing(path, "d" * 64) as shard:
            places = [shard.add(*each) for each in content]
            shard.finish(pl.DataFrame({"x": [1]}))
        rows = shards.read_member(path, shards.ROWS)
        with tarfile.TarFile(other, "w", format=tarfile.PAX_FORMAT) as tar:
            for name, data in ((shards.DIGEST, b"d" * 64), *content, (shards.ROWS, rows)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        assert path.read_bytes() == other.read_bytes()
        with tarfile.open(path) as tar:
            assert shards.members(path) == {info.name: (info.offset_data, info.size) for info in tar}
        assert [shards.members(path)[name] for name, _ in content] == places


@pytest.mark.parametrize("can_kernel_copy", [True, False])
def test_a_shard_that_copies_from_another_has_the_bytes_of_one_that_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_kernel_copy: bool
) -> None:
    if not can_kernel_copy:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    files = {f"m{number}": os.urandom(size) for number, size in enumerate((700, 0, 512, 2_500_000, 1, 512, 90))}
    old, other, new, anew = (tmp_path / f"{name}.tar" for name in ("old", "other", "new", "anew"))
    kept = {name: shards.Member(old, *place) for name, place in write_shard(old, **files).items()}
    foreign = {name: shards.Member(other, *place) for name, place in write_shard(other, **files).items()}
    wanted: list[tuple[str, bytes, object]] = [
        ("m0", files["m0"], kept["m0"]),
        ("m1", files["m1"], kept["m1"]),
        ("m2", b"changed", lambda: b"changed"),
        ("m3", files["m3"], kept["m3"]),
        ("m4", files["m4"], foreign["m4"]),
        ("another name", files["m5"], kept["m5"]),
        ("m6", files["m6"], kept["m6"]),
        ("m5", files["m5"], kept["m5"]),
    ]
    with shards.writing(new, "d2") as shard:
        places = [shard.add_from(name, read) for name, _, read in wanted]
        shard.finish(ROWS)
    with shards.writing(anew, "d2") as shard:
        assert places == [shard.add(name, data) for name, data, _ in wanted]
        shard.finish(ROWS)
    assert new.read_bytes() == anew.read_bytes()


def test_a_member_with_a_header_of_another_program_is_written_anew(tmp_path: Path) -> None:
    old, new, anew = tmp_path / "old.tar", tmp_path / "new.tar", tmp_path / "anew.tar"
    with tarfile.open(old, "w") as tar:
        info = tarfile.TarInfo("one")
        info.size, info.mtime = 3, 5
        tar.addfile(info, io.BytesIO(b"one"))
    with shards.writing(new, "d1") as shard:
        shard.add_from("one", shards.Member(old, *shards.members(old)["one"]))
        shard.finish(ROWS)
    write_shard(anew, one=b"one")
    assert new.read_bytes() == anew.read_bytes()


def test_a_shard_that_is_cut_while_it_is_copied_ends_the_copy(tmp_path: Path) -> None:
    old, new = tmp_path / "old.tar", tmp_path / "new.tar"
    places = write_shard(old, one=b"1" * 5120)
    with pytest.raises(EOFError, match="shorter"), shards.writing(new, "d2") as shard:
        shard.add_from("one", shards.Member(old, *places["one"]))
        os.truncate(old, 2000)
        shard.finish(ROWS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.tar"]


@pytest.mark.parametrize("damage", [b"", b"\0" * 10_240, b"no tar" * 200])
def test_members_of_what_is_no_shard_are_those_that_tarfile_finds(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "ana.tar"
    path.write_bytes(damage)
    if any(damage) or not damage:
        with pytest.raises(tarfile.TarError):
            shards.members(path)
    else:
        assert shards.members(path) == {}


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden"])
def test_a_member_name_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain names"):
        write_shard(tmp_path / "a.tar", **{name: b""})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_shard_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_shard(path)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), shards.writing(path, "d2") as shard:
        shard.add("one", b"1")
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", [b"", b"not a tar", b"\0" * 2048])
def test_a_damaged_shard_has_no_digest_and_is_made_again(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(damage)
    assert shards.digest_of(path) is None


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.99])
def test_a_shard_that_was_cut_has_no_digest(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.tar"
    with shards.writing(path, "d") as shard:
        shard.add("one", b"1" * 20_000)
        shard.finish(pl.DataFrame({"a": [1]}))
    assert shards.digest_of(path) == "d"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert shards.digest_of(path) is None


def test_a_file_that_dvc_has_linked_keeps_its_bytes(tmp_path: Path) -> None:
    path, cached = tmp_path / "t.json", tmp_path / "cached"
    atomic_files.write_json(path, {"a": 1})
    os.link(path, cached)
    atomic_files.write_json(path, {"a": 2})
    assert '"a": 1' in cached.read_text()


def test_a_fingerprint_changes_with_its_parts_and_its_code() -> None:
    assert fingerprint("a", 1) == fingerprint("a", 1)
    assert fingerprint("a", 1) != fingerprint("a", 2)
    assert fingerprint("a", code=["mtf.core.shards"]) != fingerprint("a", code=["mtf.core.atomic_files"])
    assert fingerprint(Compute(workers=1)) != fingerprint(Compute(workers=2))


def square(number: int) -> int:
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_items_order_from_any_number_of_workers(workers: int) -> None:
    compute = Compute(workers=workers)
    assert parallel_map.map_items(square, range(20), compute=compute, title="squares") == [n * n for n in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_in_a_worker_is_raised_here(workers: int) -> None:
    with pytest.raises(ValueError, match="three"):
        parallel_map.map_items(fail_at_three, range(9), compute=Compute(workers=workers), title="fails")


def make_shard(job: tuple[Path, str]) -> None:
    path, digest = job
    write_shard(path, digest)


def test_only_the_changed_identity_is_made_again(tmp_path: Path) -> None:
    def refresh(digests: dict[str, str]) -> incremental.Refreshed:
        return incremental.refresh(
            tmp_path,
            digests,
            lambda identity: (tmp_path / f"{identity}.tar", digests[identity]),
            make_shard,
            compute=Compute(workers=1),
            title="test",
        )

    assert refresh({"a": "1", "b": "1", "c": "1"}).made == ["a", "b", "c"]
    inodes = {path.stem: path.stat().st_ino for path in tmp_path.glob("*.tar")}
    second = refresh({"a": "1", "b": "2"})
    assert (second.made, second.kept, second.removed) == (["b"], ["a"], ["c"])
    assert (tmp_path / "a.tar").stat().st_ino == inodes["a"]
    assert not (tmp_path / "c.tar").exists()
    assert incremental.gather(tmp_path, ["a", "b"]).height == 2


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from mtf.core import shards
with shards.writing(Path(sys.argv[1]), "d2") as shard:
    shard.add("one", b"1")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_writer(path: Path) -> Path:
    """The file that is left beside `path` by a process that is killed while it writes the shard."""
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = path.parent.glob(f".{path.name}.*")
    return left


def test_what_a_killed_writer_left_goes_when_the_next_run_of_the_stage_begins(tmp_path: Path) -> None:
    folder = tmp_path / "stage" / "shards"
    write_shard(folder / "a.tar")
    left = [killed_writer(folder / "a.tar"), killed_writer(folder / "b.tar"), killed_writer(tmp_path / "stage" / "t.x")]
    done = incremental.refresh(
        folder,
        {"a": "d1"},
        lambda identity: (folder / f"{identity}.tar", "d1"),
        make_shard,
        compute=Compute(workers=1),
        title="test",
    )
    assert done.kept == ["a"]
    assert [path.exists() for path in left] == [False, False, False]
    assert shards.rows_of(folder / "a.tar").equals(ROWS)


@pytest.mark.dvc
def test_what_a_killed_writer_left_is_never_versioned(tmp_path: Path) -> None:
    run_in(tmp_path, "git", "init", "-q")
    run_in(tmp_path, "dvc", "init", "-q", "-f")
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    write_shard(tmp_path / "kept" / "a.tar")
    left = killed_writer(tmp_path / "kept" / "b.tar")
    run_in(tmp_path, "dvc", "add", "-q", "kept")
    (listing,) = (tmp_path / ".dvc" / "cache").rglob("*.dir")
    assert left.exists()
    assert [entry["relpath"] for entry in json.loads(listing.read_text())] == ["a.tar"]
