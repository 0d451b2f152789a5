"""The embedding `facenet`: public weights, or those of a training here; anything else is one line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mtf.config import Screen
from mtf.core.errors import BadInput
from mtf.faces import embeddings
from mtf.faces.alignment import TEMPLATE
from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks
from mtf.faces.embeddings import facenet
from mtf.faces.networks.inception_resnet import InceptionResnetV1


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return InceptionResnetV1(512).eval()


@pytest.fixture(scope="module")
def own(network, tmp_path_factory):
    """A project's folder with a state dict as the public file has one: with the layer of its own classes."""
    folder = tmp_path_factory.mktemp("facenet")
    layers = network.state_dict() | {"logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}
    torch.save(layers, folder / "own.pt")
    return folder


def create(folder, name="own.pt"):
    return embeddings.create(Screen(embedding="facenet", embedding_weights=name), root=folder)


def test_without_the_public_weights_one_line_names_the_command_and_the_path(tmp_path):
    with pytest.raises(BadInput) as stopped:
        create(tmp_path, name=None)
    assert str(stopped.value) == (
        "params.yaml: screen.embedding: 'facenet': needs 20180402-114759-vggface2.pt; "
        f"`mtf models fetch facenet` puts it at {tmp_path}/models/20180402-114759-vggface2.pt"
    )


def test_a_file_at_that_path_with_another_digest_is_refused(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "20180402-114759-vggface2.pt").write_bytes(b"another")
    with pytest.raises(BadInput, match=r"vggface2\.pt is not the published .*: another sha256; `mtf models fetch face"):
        create(tmp_path, name=None)


def test_a_face_is_embedded_by_the_network_of_the_file(own, network, drawn_face):
    box = Box(150, 100, 200, 200)
    vector = create(own)(drawn_face, box)
    fed = facenet.network_input(drawn_face, box, None)[:, :, ::-1].astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy((fed - 127.5) / 128).permute(2, 0, 1)[None])[0].numpy()
    np.testing.assert_allclose(vector, expected, atol=1e-5)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_model_of_a_training_serves_too(tmp_path, own, network, drawn_face):
    """`model.pt` of a training with FaceNet has the network under `backbone`, beside the head of the task."""
    layers = {f"backbone.{name}": value for name, value in network.state_dict().items()}
    torch.save({"weights": layers | {"head.weight": torch.zeros(2, 512)}, "card": {}}, tmp_path / "model.pt")
    box = Box(150, 100, 200, 200)
    np.testing.assert_array_equal(create(tmp_path, "model.pt")(drawn_face, box), create(own)(drawn_face, box))


def test_aligned_faces_fill_the_share_that_the_weights_expect(drawn_face):
    """A face that lies as the template does, at twice its size, has its eyes where the network expects them."""
    points = Landmarks(*((100 + 2 * x, 60 + 2 * y) for x, y in TEMPLATE))
    fed = facenet.network_input(drawn_face, Box(0, 0, 9, 9), points)
    assert fed.shape == (160, 160, 3)
    # 224 pixels become 128, in the middle of 160.
    middle = fed[16:144, 16:144].astype(int)
    part = drawn_face[60:284, 100:324]
    assert np.abs(middle - cv2.resize(part, (128, 128), interpolation=cv2.INTER_LINEAR)).mean() < 3


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"version https://git-lfs.github.com/spec/v1\n", {"conv": torch.zeros(3)}, [1, 2], "text"],
    ids=["empty", "truncated archive", "pointer", "another network", "list", "text"],
)
def test_a_file_without_these_weights_is_one_line(tmp_path, drawn_face, content):
    path = tmp_path / "own.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(BadInput, match=r"own\.pt: not weights of FaceNet: [^\n]+$"):
        create(tmp_path)(drawn_face, Box(150, 100, 200, 200))
