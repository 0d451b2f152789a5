"""Copies of strangers: bombs, links out of the tree and broken archives cost little, and are named."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from copies import Copies, add, encoded

from mtf.recall.one_file import one_file


def test_a_link_out_of_the_copy_is_named_and_not_followed(copies: Copies) -> None:
    folder = copies.root / "copy"
    folder.mkdir()
    outside = copies.root / "outside.jpg"
    outside.write_bytes(copies.files[0])
    (folder / "inside.jpg").symlink_to(outside)
    code, output = copies.run(folder, "--apply")
    assert code == 2
    assert "a link out of the copy" in output
    assert outside.read_bytes() == copies.files[0]


def test_a_loop_of_links_and_a_pipe_end_the_search(copies: Copies) -> None:
    folder = copies.root / "copy"
    folder.mkdir()
    (folder / "up").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    os.mkfifo(folder / "pipe")
    (folder / "one.jpg").write_bytes(copies.files[0])
    code, output = copies.run(folder)
    assert code == 2
    assert "not a regular file" in output
    assert "withdrawn: one.jpg" in output


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size; its pixels are all the same and packed into next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_picture_bomb_is_named_and_not_decoded(copies: Copies) -> None:
    folder = copies.root / "copy"
    folder.mkdir()
    (folder / "bomb.png").write_bytes(png_of(60_000, 60_000))
    code, output = copies.run(folder)
    assert code == 2
    assert "178956970 pixels" in output


def test_a_broken_picture_is_named(copies: Copies) -> None:
    path = copies.root / "half.jpg"
    path.write_bytes(encoded(__import__("PIL.Image").Image.effect_noise((90, 90), 99))[:700])
    code, output = copies.run(path)
    assert code == 2
    assert "not looked at: half.jpg" in output


def test_a_tar_that_claims_a_huge_header_or_member_is_refused(copies: Copies) -> None:
    for name, kind in (("header.tar.gz", tarfile.XHDTYPE), ("member.tar.gz", tarfile.REGTYPE)):
        info = tarfile.TarInfo("a.jpg")
        info.type, info.size = kind, 1 << 40
        with gzip.open(copies.root / name, "wb") as file:
            file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(512))
        code, output = copies.run(copies.root / name)
        assert code == 2, output


def test_what_hides_behind_the_end_of_a_tar_or_in_an_archive_in_it_is_named(copies: Copies) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        add(tar, "5.jpg", copies.files[5])
    first = buffer.getvalue()
    (copies.root / "two.tar").write_bytes(first + first)
    assert "something follows the end of the tar" in copies.run(copies.root / "two.tar")[1]
    (copies.root / "damaged.tar").write_bytes(first[:-10240] + b"x" * 1024)
    assert copies.run(copies.root / "damaged.tar")[0] == 2
    with tarfile.open(copies.root / "nested.tar", "w") as tar:
        add(tar, "inner.tar", first)
    assert "inside an archive" in copies.run(copies.root / "nested.tar")[1]


def test_a_zip_bomb_and_an_encrypted_zip_are_named(copies: Copies) -> None:
    path = copies.root / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"\xff\xd8\xff" + bytes(1 << 28))
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = (0xFFFFFFFE).to_bytes(4, "little")  # the size that it claims
    path.write_bytes(data)
    assert copies.run(path)[0] == 2
    data[place + 8] |= 1  # encrypted
    path.write_bytes(data)
    assert copies.run(path)[0] == 2


@pytest.mark.parametrize("head", [b"\x89HDF\r\n\x1a\n", b"\x80\x04", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd"])
def test_a_container_that_is_not_opened_is_never_called_clean(copies: Copies, head: bytes) -> None:
    path = copies.root / "container"
    path.write_bytes(head + bytes(100))
    assert copies.run(path)[0] == 2


def test_a_name_cannot_write_to_the_terminal(copies: Copies) -> None:
    folder = copies.root / "copy"
    folder.mkdir()
    (folder / "\x1b[2Jx\u202e.jpg").write_bytes(copies.files[0])
    _, output = copies.run(folder)
    assert "\x1b" not in output
    assert "\u202e" not in output


def test_without_pyarrow_a_table_is_named_and_the_rest_is_looked_at(copies: Copies) -> None:
    copies.table()
    (copies.root / "tables" / "one.jpg").write_bytes(copies.files[0])
    (copies.root / "pyarrow.py").write_text("raise ImportError('none here')")
    command = [sys.executable, "recall.py", "tables"]
    environment = {**os.environ, "PYTHONPATH": str(copies.root)}
    done = subprocess.run(command, cwd=copies.root, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert "pyarrow is needed" in done.stdout
    assert "withdrawn: one.jpg" in done.stdout


def test_the_program_imports_pillow_numpy_and_the_standard_library_alone(tmp_path: Path) -> None:
    import ast

    tree = ast.parse(one_file())
    imported = {
        name.name.partition(".")[0] if isinstance(node, ast.Import) else (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert imported - set(sys.stdlib_module_names) == {"PIL", "numpy", "pyarrow"}
    top = {each.module or "" for each in tree.body if isinstance(each, ast.ImportFrom)}
    assert "pyarrow" not in top


def test_a_killed_run_leaves_each_file_old_or_new_and_the_next_one_ends_the_work(copies: Copies) -> None:
    for number in range(12):
        copies.shards(f"{number:02d}.tar")
    shards = copies.root / "shards"
    whole = {path: path.read_bytes() for path in shards.glob("*.tar")}

    def shortened() -> int:
        return sum(path.stat().st_size != len(data) for path, data in whole.items())

    command = [sys.executable, "-I", str(copies.root / "recall.py"), "shards", "--apply", "--workers", "1"]
    killed = 0
    for _ in range(60):
        if shortened() == len(whole):
            for path, data in whole.items():
                path.write_bytes(data)
        before = shortened()
        process = subprocess.Popen(command, cwd=copies.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and shortened() == before:
            time.sleep(0.001)
        if process.poll() is None:
            process.kill()
            killed += 1
        process.wait()
        for path in shards.glob("*.tar"):
            with tarfile.open(path) as tar:
                assert len(tar.getnames()) in (2 * copies.count, 2 * (copies.count - copies.withdrawn))
        if killed == 8:
            break
    assert killed
    assert copies.run(shards, "--apply", "--receipt", "last.json")[0] in (0, 1)
    assert copies.run(shards)[0] == 0
    assert shortened() == len(whole)
    assert not list(shards.glob(".*"))
