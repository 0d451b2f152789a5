"""The five networks of MTF's Table 4: their size, and where pretrained weights come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import get_model

from mtf.errors import BadInput
from mtf.learn import models, weights
from mtf.params import MODELS, NETWORKS

TABLE_4 = {
    "mobilenet_v3_large": 4_509_472,
    "alexnet": 57_987_120,
    "resnet50": 23_999_792,
    "vgg16": 135_243_824,
    "convnext_base": 87_812_464,
}


@pytest.mark.parametrize(("name", "parameters"), TABLE_4.items())
def test_parameter_counts_with_240_labels_are_those_of_table_4(name: str, parameters: int) -> None:
    with torch.device("meta"):  # shapes without memory: 135 million weights need not be drawn to be counted
        network = models.REGISTRY[name].make(240)
    assert models.parameter_count(network) == parameters


def test_every_network_of_the_parameters_is_in_the_registry() -> None:
    assert tuple(models.REGISTRY) == NETWORKS
    assert {models.network_of(name) for name in MODELS} == set(NETWORKS)


@pytest.mark.parametrize("name", ["small_cnn", "mobilenet_v3_large", "alexnet", "resnet50"])
def test_the_smallest_picture_a_network_takes_is_the_one_it_says(name: str) -> None:
    network = models.build(name, 3).eval()
    least_px = models.REGISTRY[name].least_px
    assert network(torch.zeros(1, 3, least_px, least_px)).shape == (1, 3)


def test_a_picture_too_small_for_the_network_is_refused() -> None:
    with pytest.raises(BadInput, match=r"train\.input_px: 48 is not permitted; permitted: 63 or more for alexnet"):
        models.start("alexnet", 4, input_px=48, seed=1)


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'resnet51' is not permitted; permitted: .*resnet50, .*resnet50-pretrained"):
        models.build("resnet51", 2)


def test_one_label_is_refused() -> None:
    with pytest.raises(BadInput, match="1 label leaves nothing to decide"):
        models.build("small_cnn", 1)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file as torchvision publishes it: a network for 1,000 labels."""
    torch.manual_seed(5)
    path = tmp_path / "mobilenet.pth"
    torch.save(get_model("mobilenet_v3_large", weights=None).state_dict(), path)
    return path


def test_pretrained_weights_fill_all_layers_but_the_last(published: Path) -> None:
    network = models.start("mobilenet_v3_large-pretrained", 7, input_px=64, seed=1, weights=published)
    theirs, own = torch.load(published, weights_only=True), network.state_dict()
    different = {name for name in own if own[name].shape != theirs[name].shape or not own[name].equal(theirs[name])}
    assert different == {"classifier.3.weight", "classifier.3.bias"}
    assert own["classifier.3.weight"].shape[0] == 7


def test_weights_in_a_checkpoint_are_found(published: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 3, "state_dict": torch.load(published, weights_only=True)}, checkpoint)
    assert weights.read(checkpoint).keys() == weights.read(published).keys()


def test_weights_of_another_network_are_refused(published: Path) -> None:
    with pytest.raises(
        BadInput, match=r"mobilenet\.pth: not weights of this network; missing or of another shape: conv1\.weight"
    ):
        models.start("resnet50-pretrained", 7, input_px=64, seed=1, weights=published)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a file of torch weights"), (b"\x80\x04cos\nsystem\n", "not a file of torch weights")],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        weights.read(path)


def test_a_missing_local_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.pth: No such file"):
        weights.read(tmp_path / "none.pth")


def test_without_network_and_cache_the_error_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(BadInput, match="resnet50-pretrained: no weights at ") as failure:
        weights.fetch("resnet50", setting="train.weights")
    assert str(tmp_path / "hub" / "checkpoints" / "resnet50-0676ba61.pth") in str(failure.value)
    assert "https://download.pytorch.org/models/resnet50-0676ba61.pth" in str(failure.value)
    assert "train.weights" in str(failure.value)


def test_a_cached_file_is_used_without_a_network(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    cached = tmp_path / "hub" / "checkpoints" / "mobilenet_v3_large-8738ca79.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(published.read_bytes())
    assert weights.fetch("mobilenet_v3_large", setting="train.weights").keys() == weights.read(published).keys()
