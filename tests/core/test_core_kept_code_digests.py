"""A digest of code that is kept equals one that is computed, whatever has changed, and is computed only then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mtf.core import import_closure

SOURCE = import_closure.source(import_closure.PACKAGE).parent
ROOT = "mtf.core.slugs"
PROGRAM = f"""
import sys
from pathlib import Path
from mtf.core.import_closure import code_digest
from mtf.core.kept_code_digests import kept_code_digest
kept = kept_code_digest({ROOT!r}, file=Path(sys.argv[1]))
print(kept, "grimp" in sys.modules, kept == code_digest({ROOT!r}))
"""


class Package:
    """Copy of the package whose code may be changed, and the file of its digests."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / SOURCE.name
        self.file = folder / "room" / "code.json"
        shutil.copytree(SOURCE, self.source, ignore=shutil.ignore_patterns("__pycache__"))

    def started(self) -> tuple[str, bool]:
        """Digest that a new process gets, and whether it had to compute it; equal to the computed one in any case."""
        command = [sys.executable, "-c", PROGRAM, self.file]
        environment = {**os.environ, "PYTHONPATH": str(self.source.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digest, computed, is_equal = done.stdout.split()
        assert is_equal == "True"
        return digest, computed == "True"

    def module(self, name: str) -> Path:
        return self.source.parent.joinpath(*name.split(".")).with_suffix(".py")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_the_second_process_does_not_compute_it_until_the_code_changes(package: Package) -> None:
    first, computed = package.started()
    assert computed
    assert package.started() == (first, False)

    path = package.module(ROOT)
    text = path.read_text()
    path.write_text(f"# A comment.\n{text}")
    assert package.started() == (first, True)
    path.write_text(f"{text}\nADDED = 1\n")
    second, computed = package.started()
    assert computed and second != first

    # A module that the code imports from then on, and a table beside it.
    (path.parent / "added.py").write_text("VALUE = 1\n")
    path.write_text(f"{text}\nfrom mtf.core import added\n")
    third, _ = package.started()
    (path.parent / "added.py").write_text("VALUE = 2\n")
    fourth, _ = package.started()
    (path.parent / "table.csv").write_text("a\n")
    fifth, _ = package.started()
    assert len({first, second, third, fourth, fifth}) == 5
    assert package.started() == (fifth, False)


def test_a_change_that_keeps_size_and_time_of_the_bytes_is_noticed(package: Package) -> None:
    path = package.module(ROOT)
    path.write_text(path.read_text() + "\nADDED = 1\n")
    before, _ = package.started()
    state = path.stat()
    path.write_text(path.read_text().replace("ADDED = 1", "ADDED = 2"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    assert package.started()[0] != before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"package": 1}', "\udcff"])
def test_a_damaged_file_is_written_again(package: Package, text: str) -> None:
    digest, _ = package.started()
    package.file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert package.started() == (digest, True)
    assert package.started() == (digest, False)


@pytest.mark.parametrize("digests", [{ROOT: 1}, [ROOT], None])
def test_a_file_of_other_values_is_written_again(package: Package, digests: object) -> None:
    digest, _ = package.started()
    kept = json.loads(package.file.read_text())
    package.file.write_text(json.dumps(kept | {"digests": digests}))
    assert package.started() == (digest, True)


def test_without_a_place_to_keep_it_it_is_computed(package: Package) -> None:
    package.file.parent.write_text("a file where a folder should be")
    first = package.started()
    assert package.started() == first
    assert first[1]
