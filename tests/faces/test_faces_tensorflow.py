"""FaceNet's weights from TensorFlow's checkpoints.

`facenet_tensorflow.index` is the index that TensorFlow 2.16 wrote of the FaceNet library's Inception-ResNet-v1 with 128
numbers; its data file, of 91 MB, is not kept. It says where in that file each variable lies, and of which shape.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mtf.cli import app
from mtf.comparison import embedding_svm
from mtf.core.errors import BadInput
from mtf.faces.embeddings import facenet
from mtf.faces.networks import tensorflow_checkpoint, tensorflow_facenet
from mtf.faces.networks.inception_resnet import PER_PICTURE, InceptionResnetV1
from mtf.training import multitask
from mtf.training.networks import registry

INDEX = Path(__file__).with_name("facenet_tensorflow.index")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index with a data file whose numbers are their own places in it."""
    path = tmp_path_factory.mktemp("checkpoint") / "model.ckpt-7.index"
    shutil.copy(INDEX, path)
    entries = tensorflow_checkpoint._entries(INDEX.read_bytes()).values()
    size = max(entry.offset + entry.size for entry in entries)
    np.arange(size // 4, dtype="<f4").tofile(path.with_name("model.ckpt-7.data-00000-of-00001"))
    return path


def test_every_variable_is_read_where_its_index_says(checkpoint: Path) -> None:
    found = tensorflow_checkpoint.read(checkpoint)
    assert len(found) == 490
    # Without a scale in each of the 111 normalisations: 2 · 111 means and variances are no parameters.
    network = InceptionResnetV1(128)
    scales = sum(layer.weight.numel() for layer in network.modules() if hasattr(layer, "running_mean"))
    parameters = sum(each.numel() for each in network.parameters())
    moving = sum(value.size for name, value in found.items() if "moving" in name)
    assert sum(value.size for value in found.values()) == parameters - scales + moving
    # The variables lie one after the other, in the order of their names, each in TensorFlow's order of axes.
    start = 0.0
    for name in sorted(found):
        assert found[name].ravel()[0] == start
        assert found[name].ravel()[-1] == np.float32(start + found[name].size - 1)
        start += found[name].size


def test_each_variable_becomes_one_parameter_of_its_shape(checkpoint: Path) -> None:
    found = tensorflow_checkpoint.read(checkpoint)
    made = tensorflow_facenet.convert(checkpoint)
    network = InceptionResnetV1(128)
    network.load_state_dict(made)
    learnt = [name for name in made if not name.endswith(("bn.weight", "num_batches_tracked", PER_PICTURE))]
    assert sorted(map(tensorflow_facenet.variable_of, learnt)) == sorted(found)
    # Height, width, in, out there; out, in, height, width here.
    kernel = found["InceptionResnetV1/Repeat_1/block17_3/Branch_1/Conv2d_0b_1x7/weights"]
    assert kernel.shape == (1, 7, 128, 128)
    own = network.repeat_2[2].branch1[1].conv.weight
    assert own.shape == (128, 128, 1, 7)
    assert own[5, 3, 0, 6] == kernel[0, 6, 3, 5]
    torch.testing.assert_close(network.last_linear.weight[7], torch.from_numpy(found[f"{LAST}/weights"][:, 7].copy()))


LAST = "InceptionResnetV1/Bottleneck"


def test_the_command_writes_weights_that_a_training_takes(checkpoint: Path, tmp_path: Path) -> None:
    to = tmp_path / "facenet-128.pt"
    result = CliRunner().invoke(app, ["models", "convert", str(checkpoint), "--to", str(to)], catch_exceptions=False)
    assert result.stdout.endswith("an embedding of 128 numbers\ninput: each picture by itself\n")
    network = InceptionResnetV1(128)
    network.load_state_dict(torch.load(to, weights_only=True))
    # Of another model with 128 numbers, one can say otherwise.
    CliRunner().invoke(app, ["models", "convert", str(checkpoint), "--to", str(to), "--fixed"], catch_exceptions=False)
    assert set(torch.load(to, weights_only=True)) == set(InceptionResnetV1(128).state_dict())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Random weights of FaceNet, standardised picture by picture, and the same ones without."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(5)
    weights = InceptionResnetV1(128).state_dict()
    torch.save(weights, folder / "fixed.pt")
    torch.save(weights | {PER_PICTURE: torch.tensor(True)}, folder / "each.pt")
    return folder / "each.pt", folder / "fixed.pt"


def standardised(pictures: np.ndarray) -> np.ndarray:
    """The library's `prewhiten` of each picture, 0 to 255."""
    return np.stack([(each - each.mean()) / max(each.std(), 1 / np.sqrt(each.size)) for each in pictures])


def embedded(weights: Path, pictures: np.ndarray) -> torch.Tensor:
    network = InceptionResnetV1(128).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    with torch.inference_mode():
        return network(torch.from_numpy(pictures.astype(np.float32)))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """A dark and a light picture, and one of a single grey: (3, 3, 80, 80), 0 to 255."""
    random = np.random.default_rng(0)
    some = [random.integers(0, 90, (3, 80, 80)), random.integers(60, 256, (3, 80, 80)), np.full((3, 80, 80), 90)]
    return np.stack(some).astype(np.float64)


def test_the_input_is_standardised_picture_by_picture_if_the_file_says_so(
    files: tuple[Path, Path], pictures: np.ndarray
) -> None:
    each, fixed = files
    ready = (pictures - 127.5) / 128
    expected = embedded(fixed, standardised(pictures))
    torch.testing.assert_close(embedded(each, ready), expected, atol=1e-4, rtol=1e-3)
    assert (embedded(fixed, ready)[:2] - expected[:2]).abs().max() > 0.01


def test_every_use_of_the_file_keeps_what_it_says(files: tuple[Path, Path], tmp_path: Path) -> None:
    each, fixed = files
    for file, said in ((each, True), (fixed, False)):
        trained = registry.start("facenet", 3, input_px=80, seed=0, weights=file)
        shared = multitask.start("facenet", {"any": 2}, input_px=80, seed=0, weights=file, branches="normalised")
        alone = embedding_svm.embedding_as_it_is("facenet", file, seed=0)
        for network in (trained.backbone, shared.backbone, alone, facenet._network(file)):
            assert network.standardise.per_picture is said
        # A file of a training says it again.
        torch.save(trained.state_dict(), tmp_path / "trained.pt")
        again = registry.build("facenet", 3)
        again.load_state_dict(torch.load(tmp_path / "trained.pt", weights_only=True))
        assert again.get_submodule("backbone.standardise").per_picture is said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index[:0], "not the index of a TensorFlow checkpoint .*no table in it"),
        (lambda index: index[:-1] + b"x", "no table in it"),
        (lambda index: b"\xff" * 200 + index[200:], "not the index of a TensorFlow checkpoint"),
        (lambda index: index[4000:], "not the index of a TensorFlow checkpoint"),
    ],
)
def test_a_damaged_index_is_one_line(checkpoint: Path, tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "model.ckpt-7.index"
    path.write_bytes(change(INDEX.read_bytes()))
    (tmp_path / "model.ckpt-7.data-00000-of-00001").write_bytes(b"0" * 400)
    with pytest.raises(BadInput, match=message):
        tensorflow_facenet.convert(path)


def test_a_data_file_that_is_missing_or_too_short_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt-7.index"
    shutil.copy(INDEX, path)
    with pytest.raises(BadInput, match=r"data-00000-of-00001: No such file"):
        tensorflow_facenet.convert(path)
    (tmp_path / "model.ckpt-7.data-00000-of-00001").write_bytes(b"0" * 400)
    with pytest.raises(BadInput, match="a tensor lies outside the data file"):
        tensorflow_facenet.convert(path)
