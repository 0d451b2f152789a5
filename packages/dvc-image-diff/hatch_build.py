"""Build hook: the wheel has the modules of `mtf.image_diff`, and those of mtf that they import, as `dvc_image_diff`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import own_modules

OTHERS = {"core": "Foundations: errors and atomic files.", "forget": "Versions and stores of a DVC repository."}


class ImageDiffModules(BuildHookInterface):
    """Writes the package `dvc_image_diff` and adds it to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatchling's signature)
        self._folder = tempfile.TemporaryDirectory(prefix="dvc-image-diff-")
        package = Path(self._folder.name) / "dvc_image_diff"
        own_modules.write(package, "image_diff", OTHERS)
        build_data["force_include"][str(package)] = package.name
        build_data["pure_python"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 (likewise)
        self._folder.cleanup()
