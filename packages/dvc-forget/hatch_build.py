"""Build hook: the wheel has the modules of `mtf.forget`, and those of `mtf.core` that they import, as `dvc_forget`.

Under a name of its own it can be installed beside mtf, and nobody edits a second copy.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path(__file__).resolve().parents[2]
IMPORTED = re.compile(r"^\s*from mtf\.core\.(\w+) import", re.MULTILINE)
CORE = "Foundations: errors and atomic files."


class ForgetModules(BuildHookInterface):
    """Writes the package `dvc_forget` and adds it to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatchling's signature)
        self._folder = tempfile.TemporaryDirectory(prefix="dvc-forget-")
        package = Path(self._folder.name) / "dvc_forget"
        (package / "core").mkdir(parents=True)
        texts = [_copy(path, package) for path in sorted((SOURCE / "src/mtf/forget").glob("*.py"))]
        (package / "core" / "__init__.py").write_text(f'"""{CORE}"""\n', encoding="utf-8")
        waiting, done = {name for text in texts for name in IMPORTED.findall(text)}, set()
        while waiting:
            name = waiting.pop()
            done.add(name)
            text = _copy(SOURCE / f"src/mtf/core/{name}.py", package / "core")
            waiting |= {*IMPORTED.findall(text)} - done
        shutil.copy(SOURCE / "LICENSE", package)
        build_data["force_include"][str(package)] = "dvc_forget"
        build_data["pure_python"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 (likewise)
        self._folder.cleanup()


def _copy(path: Path, to: Path) -> str:
    """Copy a module under its new name. Returns its text before."""
    text = path.read_text(encoding="utf-8")
    renamed = text.replace("mtf.forget", "dvc_forget").replace("mtf.core", "dvc_forget.core")
    (to / path.name).write_text(renamed, encoding="utf-8")
    return text
