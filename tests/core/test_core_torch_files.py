"""Torch files of strangers: code in them is not run, and whatever they are, they cost one line."""

from __future__ import annotations

import os
import pickle
import zipfile

import pytest
import torch

from mtf.core import torch_files
from mtf.core.errors import BadInput


class RunsCode:
    """A pickle that makes a folder when it is loaded without care."""

    def __init__(self, folder):
        self._folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self._folder),)


def archive(path, *, data, members=()):
    """An archive as torch writes it, with `data` as its pickle."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {"archive/data.pkl": data, "archive/version": b"3\n", **dict(members)}.items():
            file.writestr(name, content)


def test_tensors_and_plain_values_are_read(tmp_path):
    torch.save({"weights": torch.arange(3), "card": {"labels": ["a", "b"]}}, tmp_path / "good.pt")
    content = torch_files.read(tmp_path / "good.pt", wanted="a model")
    assert content["weights"].tolist() == [0, 1, 2]
    assert content["card"] == {"labels": ["a", "b"]}


@pytest.mark.parametrize("is_archive", [True, False], ids=["archive", "bare pickle"])
def test_code_in_a_pickle_is_not_run(tmp_path, is_archive):
    trace, path = tmp_path / "trace", tmp_path / "bad.pt"
    data = pickle.dumps(RunsCode(trace), protocol=2)
    archive(path, data=data) if is_archive else path.write_bytes(data)
    with pytest.raises(
        BadInput, match=r"bad\.pt: not a model: no torch file, a damaged one, or one with more than tensors$"
    ):
        torch_files.read(path, wanted="a model")
    assert not trace.exists()


def test_every_truncation_of_a_file_is_one_line(tmp_path):
    whole = tmp_path / "whole.pt"
    torch.save({"weights": torch.arange(100.0)}, whole)
    data = whole.read_bytes()
    path = tmp_path / "part.pt"
    for size in range(0, len(data) - 1, 97):
        path.write_bytes(data[:size])
        with pytest.raises(BadInput, match=r"part\.pt: not a model: [^\n]+$"):
            torch_files.read(path, wanted="a model")


def test_an_archive_that_grows_beyond_the_bound_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_files, "MAX_BYTES", 10_000)
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data/0", bytes(1_000_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(BadInput, match=r"not a model: 1,000,000 bytes; permitted: up to 10,000"):
        torch_files.read(path, wanted="a model")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for name in ("none.pt", "."):
        with pytest.raises(BadInput, match=r": (No such file or directory|Is a directory)$"):
            torch_files.read(tmp_path / name, wanted="a model")
