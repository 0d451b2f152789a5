"""Modules of mtf as a package of another name, for the build hooks of the wheels in this folder.

Under a name of its own a wheel can be installed beside mtf, and nobody edits a second copy.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ROOT / "src/mtf"
_IMPORT = re.compile(r"^\s*from mtf\.(\w+)(?:\.(\w+))? import ([\w, ]+)", re.MULTILINE)


def write(package: Path, source: str, others: Mapping[str, str]) -> None:
    """Write the package of mtf named `source` to the folder `package`, whose name is the new one.

    others: other packages of mtf → the docstring of their part; of these, only the modules that are imported are
        written, as packages within the new one.
    """
    names = {f"mtf.{source}": package.name, **{f"mtf.{name}": f"{package.name}.{name}" for name in others}}
    shutil.copytree(MODULES / source, package, ignore=shutil.ignore_patterns("__pycache__"))
    texts = [_rename(path, names) for path in sorted(package.rglob("*.py"))]
    for name, says in others.items():
        (package / name).mkdir()
        (package / name / "__init__.py").write_text(f'"""{says}"""\n', encoding="utf-8")
    waiting, done = {found for text in texts for found in _imported(text, others)}, set()
    while waiting:
        folder, name = found = waiting.pop()
        done.add(found)
        copy = package / folder / f"{name}.py"
        shutil.copy(MODULES / folder / f"{name}.py", copy)
        waiting |= {*_imported(_rename(copy, names), others)} - done
    shutil.copy(ROOT / "LICENSE", package)


def _imported(text: str, others: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Package and module of each import of the other packages, by name or from the package itself."""
    for folder, module, names in _IMPORT.findall(text):
        if folder in others:
            yield from ((folder, name.split()[0]) for name in ([module] if module else names.split(",")))


def _rename(path: Path, names: Mapping[str, str]) -> str:
    """Give the modules their new names in a file. Returns its text before."""
    text = path.read_text(encoding="utf-8")
    renamed = text
    for old, new in names.items():
        renamed = renamed.replace(old, new)
    path.write_text(renamed, encoding="utf-8")
    return text
