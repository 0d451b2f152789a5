"""Files of initial weights: torchvision's ImageNet weights."""

from __future__ import annotations

import os
from pathlib import Path

from mtf.faces.model_files import INITIAL, Agreed, ModelFile, register


class CachedByTorch(ModelFile):
    """Model file in torch's own cache, where torchvision looks for it too; shared by all projects."""

    def place(self, root: Path) -> Path:  # noqa: ARG002  (the same for all projects)
        cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        home = Path(os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))).expanduser()
        return home / "hub" / "checkpoints" / self.file


def _registered(network: str, file: str, size_bytes: int, sha256: str) -> ModelFile:
    return register(
        CachedByTorch(
            name=f"imagenet-{network}",
            used_for=INITIAL,
            file=file,
            size_bytes=size_bytes,
            sha256=sha256,
            license="BSD-3-Clause",
            trained_on="ImageNet, 1,000 classes",
            data_license="LicenseRef-Non-Commercial-Research",
            agreed=Agreed.NOT_ASKED,
            url=f"https://download.pytorch.org/models/{file}",
        )
    )


IMAGENET = {
    "mobilenet_v3_large": _registered("mobilenet_v3_large", "mobilenet_v3_large-8738ca79.pth", 22_139_633, "8738ca79"),
    "alexnet": _registered(
        "alexnet",
        "alexnet-owt-7be5be79.pth",
        244_408_911,
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    "resnet50": _registered(
        "resnet50",
        "resnet50-0676ba61.pth",
        102_530_333,
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    ),
    "vgg16": _registered(
        "vgg16",
        "vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    "convnext_base": _registered("convnext_base", "convnext_base-6075fbad.pth", 354_485_797, "6075fbad"),
}
"""Network → first ImageNet weights of torchvision, those of `pretrained=True` when the papers were written."""
