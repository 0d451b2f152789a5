"""FaceNet's public weights, as the project facenet-pytorch publishes them."""

from __future__ import annotations

from mtf.faces.model_files import Agreed, ModelFile, register

_FILE = "20180402-114759-vggface2.pt"
VGGFACE2 = register(
    ModelFile(
        name="facenet",
        used_for="embedding",
        file=_FILE,
        size_bytes=111_898_327,
        sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        license="MIT",
        trained_on="VGGFace2",
        data_license="LicenseRef-Non-Commercial-Research",
        agreed=Agreed.NOT_ASKED,
        url=f"https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/{_FILE}",
    )
)
