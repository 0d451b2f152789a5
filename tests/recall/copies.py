"""Pictures, a withdrawal list of some of them, and copies of them in several forms."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from mtf.recall.one_file import one_file
from mtf.recall.withdrawal_list import KEY_NAME, LIST_NAME, SIGNATURE_NAME, empty_list, parse, withdrawal_line

SALT = bytes(range(16))


def drawn(seed: int, side_px: int = 256) -> Image.Image:
    """Picture of smooth random blots, unlike that of any other seed."""
    noise = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), np.uint8)
    return Image.fromarray(noise).resize((side_px, side_px), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **({"quality": 90} if form == "JPEG" else {}) | options)
    return buffer.getvalue()


def cut(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Picture without these shares of its sides."""
    width, height = picture.size
    box = (round(left * width), round(top * height), round(width * (1 - right)), round(height * (1 - bottom)))
    return picture.crop(box)


@dataclass
class Copies:
    """Pictures number 0 to `count` - 1, of which the first `withdrawn` are on the list.

    - `root`: folder with recall.py, the list, and what a test makes.
    """

    root: Path
    count: int = 8
    withdrawn: int = 2
    files: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files = [encoded(drawn(seed)) for seed in range(self.count)]
        listed = parse(empty_list(SALT))
        lines = [withdrawal_line(listed.describe(data)) for data in self.files[: self.withdrawn]]
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "recall.py").write_text(one_file(), encoding="utf-8")
        (self.root / LIST_NAME).write_bytes(empty_list(SALT) + b"".join(lines))

    def run(self, path: Path, *options: str) -> tuple[int, str]:
        """Run recall.py as somebody without mtf would; returns its exit code and all that it prints."""
        command = [sys.executable, "-I", str(self.root / "recall.py"), str(path), *options]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    def receipt(self) -> dict:
        (path,) = self.root.glob("recall-2*.json")
        return json.loads(path.read_text())

    def folder(self) -> Path:
        """Folder tree with a table and checksums that name each file."""
        folder = self.root / "tree"
        for number, data in enumerate(self.files):
            path = folder / "Train" / f"{number % 2}" / f"{name_of(number)}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        rows = [f"Train/{n % 2}/{name_of(n)}.jpg,person {n},https://x.example/{n}" for n in range(self.count)]
        (folder / "metadata.csv").write_text("file,name,url\n" + "".join(f"{row}\n" for row in rows))
        table = pa.table({"face_id": [name_of(n) for n in range(self.count)], "age": list(range(self.count))})
        pa.parquet.write_table(table, folder / "metadata.parquet")
        (folder / "CREDITS.md").write_text("".join(f"- [{n}](<https://x.example/{n}>)\n" for n in range(self.count)))
        return folder

    def shards(self, name: str = "train-000000.tar", mode: str = "w") -> Path:
        """WebDataset shard with a .jpg and a .json for each picture."""
        path = self.root / "shards" / name
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, mode) as tar:
            for number, data in enumerate(self.files):
                add(tar, f"{name_of(number)}.jpg", data)
                add(tar, f"{name_of(number)}.json", json.dumps({"name": f"person {number}"}).encode())
        return path

    def table(self, name: str = "train.parquet") -> Path:
        """Parquet file as Hugging Face writes it, in row groups of three."""
        path = self.root / "tables" / name
        path.parent.mkdir(exist_ok=True)
        table = self.rows()
        pa.parquet.write_table(table, path, row_group_size=3, compression="zstd")
        return path

    def rows(self) -> pa.Table:
        images = [{"bytes": data, "path": f"{n}.jpg"} for n, data in enumerate(self.files)]
        table = pa.table({"image": images, "label": list(range(self.count))})
        return table.replace_schema_metadata({"huggingface": "{}"})

    def zipped(self) -> Path:
        path = self.root / "copy.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, data in enumerate(self.files):
                archive.writestr(f"pictures/{number}.jpg", data)
        return path

    def hub_cache(self) -> Path:
        """Cache of the Hugging Face hub: blobs by digest, and snapshots of links to them."""
        folder = self.root / "hub" / "datasets--them--faces"
        snapshot = folder / "snapshots" / "0123" / "data"
        (folder / "blobs").mkdir(parents=True)
        snapshot.mkdir(parents=True)
        for number, data in enumerate(self.files):
            blob = folder / "blobs" / f"{number:064x}"
            blob.write_bytes(data)
            (snapshot / f"{number}.jpg").symlink_to(os.path.relpath(blob, snapshot))
        return folder

    def sign(self) -> None:
        """Sign the list with a new ssh key."""
        key = self.root / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        command = ["ssh-keygen", "-Y", "sign", "-f", key, "-n", "mtf-recall", self.root / LIST_NAME]
        subprocess.run(command, check=True, capture_output=True)
        (self.root / KEY_NAME).write_bytes((self.root / "key.pub").read_bytes())
        assert (self.root / SIGNATURE_NAME).is_file()


def name_of(number: int) -> str:
    return f"{number:032x}"


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
