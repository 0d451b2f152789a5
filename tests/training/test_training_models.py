"""The five networks of MTF's Table 4: their size, and where pretrained weights come from."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torchvision.models import get_model, get_model_weights

from mtf.config import MODELS, NETWORKS, Params
from mtf.core.errors import BadInput
from mtf.faces.model_files import digest_of
from mtf.papers import mtf_tables
from mtf.pipeline import train
from mtf.training import checkpoint as saved
from mtf.training import classifier, pretrained
from mtf.training import trainer as loop
from mtf.training.networks import facenet, registry
from mtf.training.weight_files import IMAGENET
from training_project import write_project

TABLE_4 = {
    "mobilenet_v3_large": 4_509_472,
    "alexnet": 57_987_120,
    "resnet50": 23_999_792,
    "vgg16": 135_243_824,
    "convnext_base": 87_812_464,
}


@pytest.mark.parametrize(("name", "parameters"), TABLE_4.items())
def test_parameter_counts_with_240_labels_are_those_of_table_4(name: str, parameters: int) -> None:
    assert registry.size(name, 240) == parameters


def test_every_network_of_the_parameters_is_in_the_registry() -> None:
    assert tuple(registry.REGISTRY) == NETWORKS
    assert {registry.network_of(name) for name in MODELS} == set(NETWORKS)


@pytest.mark.parametrize("name", ["small_cnn", "mobilenet_v3_large", "alexnet", "resnet50"])
def test_the_smallest_picture_a_network_takes_is_the_one_it_says(name: str) -> None:
    network = registry.build(name, 3).eval()
    min_px = registry.REGISTRY[name].min_px
    assert network(torch.zeros(1, 3, min_px, min_px)).shape == (1, 3)


def test_a_picture_too_small_for_the_network_is_refused() -> None:
    with pytest.raises(BadInput, match=r"train\.input_px: 48 is not permitted; permitted: 63 or more for alexnet"):
        registry.start("alexnet", 4, input_px=48, seed=1)


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'resnet51' is not permitted; permitted: .*resnet50, .*resnet50-pretrained"):
        registry.build("resnet51", 2)


def test_one_label_is_refused() -> None:
    with pytest.raises(BadInput, match="1 label leaves nothing to decide"):
        registry.build("small_cnn", 1)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file as torchvision publishes it: a network for 1,000 labels."""
    torch.manual_seed(5)
    path = tmp_path / "mobilenet.pth"
    torch.save(get_model("mobilenet_v3_large", weights=None).state_dict(), path)
    return path


def test_pretrained_weights_fill_all_layers_but_the_last(published: Path) -> None:
    network = registry.start("mobilenet_v3_large-pretrained", 7, input_px=64, seed=1, weights=published)
    theirs, own = torch.load(published, weights_only=True), network.state_dict()
    different = {name for name in own if own[name].shape != theirs[name].shape or not own[name].equal(theirs[name])}
    assert different == {"classifier.3.weight", "classifier.3.bias"}
    assert own["classifier.3.weight"].shape[0] == 7


def test_weights_in_a_checkpoint_are_found(published: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 3, "state_dict": torch.load(published, weights_only=True)}, checkpoint)
    assert pretrained.read(checkpoint).keys() == pretrained.read(published).keys()


def test_weights_of_another_network_are_refused(published: Path) -> None:
    with pytest.raises(
        BadInput, match=r"mobilenet\.pth: not weights of this network; missing or of another shape: conv1\.weight"
    ):
        registry.start("resnet50-pretrained", 7, input_px=64, seed=1, weights=published)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a file of torch weights"), (b"\x80\x04cos\nsystem\n", "not a file of torch weights")],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        pretrained.read(path)


def test_a_missing_local_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.pth: No such file"):
        pretrained.read(tmp_path / "none.pth")


def test_without_network_and_cache_the_error_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(BadInput, match="resnet50-pretrained: no weights at ") as failure:
        pretrained.fetch("resnet50", setting="train.weights")
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
    known = replace(IMAGENET["mobilenet_v3_large"], sha256=digest_of(published))
    monkeypatch.setitem(IMAGENET, "mobilenet_v3_large", known)
    assert pretrained.fetch("mobilenet_v3_large", setting="train.weights").keys() == pretrained.read(published).keys()


def test_a_cached_file_with_another_digest_is_refused_and_named(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "mobilenet_v3_large-8738ca79.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(published.read_bytes())
    with pytest.raises(BadInput, match=rf"^{re.escape(str(cached))}: damaged, or another file: its sha256 does not"):
        pretrained.fetch("mobilenet_v3_large", setting="train.weights")


def test_every_network_with_published_weights_has_an_entry_for_them() -> None:
    """The entries name the files that torchvision itself would fetch."""
    published = {name for name in registry.REGISTRY if name not in ("small_cnn", "facenet")}
    assert IMAGENET.keys() == published
    for network, entry in IMAGENET.items():
        weights = get_model_weights(network)["IMAGENET1K_V1"]
        assert entry.url == weights.url
        assert entry.size_bytes / 2**20 == pytest.approx(weights.meta["_file_size"], abs=0.001)
        assert entry.sha256.startswith(entry.file.rsplit("-", 1)[1].removesuffix(".pth"))


@pytest.mark.train
def test_facenet_learns_one_task_from_a_local_file_of_weights(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Das et al.'s baseline, fine-tuned by their recipe on tiny pictures."""
    torch.manual_seed(2)
    torch.save(facenet.InceptionResnetV1(512).state_dict(), tmp_path / "facenet.pt")
    recipes = {"das": sample_params.train.recipes["das"].model_dump(mode="json") | {"max_epochs": 1}}
    workspace, params = write_project(
        tmp_path, sample_params, models=["facenet"], weights={"facenet": "facenet.pt"}, tasks=["gender"],
        recipe="das", recipes=recipes, input_px=80,
    )  # fmt: skip
    splits = workspace.table("split", "splits")
    pl.read_parquet(splits).filter(pl.col("identity").is_in(["ada", "ben"])).write_parquet(splits)
    begun: list[dict[str, torch.Tensor]] = []
    fit = loop.fit_classifier

    def watched(network: torch.nn.Module, *arguments: Any, **options: Any) -> loop.FitResult:
        begun.append({name: value.clone() for name, value in network.state_dict().items()})
        return fit(network, *arguments, **options)

    monkeypatch.setattr(loop, "fit_classifier", watched)
    train.run(workspace, params, model="facenet", task="gender")
    network, card = saved.load(workspace.stage("models") / "facenet" / "gender" / "model.pt")
    assert (card.weights, card.labels) == ("facenet.pt", ["Males", "Females"])
    theirs = torch.load(tmp_path / "facenet.pt", weights_only=True)
    first, last = "conv2d_1a.conv.weight", "block8.conv2d.weight"
    assert begun[0][f"backbone.{last}"].equal(theirs[last])
    # The first layers keep what they came with, the last ones learn.
    assert network.state_dict()[f"backbone.{first}"].equal(theirs[first])
    assert not network.state_dict()[f"backbone.{last}"].equal(theirs[last])
    figures = json.loads(train.training_figures(workspace, "facenet", "gender").read_text())
    assert figures["pretrained"] is True
    (table,) = mtf_tables.tables(EVALUATED, {("facenet", "gender"): figures}, params.tasks)
    assert table["rows"][0]["training"] == "Pre-trained"


EVALUATED = {"gender": {"facenet": dict.fromkeys(("accuracy", "precision", "recall", "f1"), 0.5)}}


def test_a_recipe_freezes_the_first_layers_of_a_network_for_one_task(sample_params: Params) -> None:
    recipe = sample_params.train.recipes["das"]
    network = registry.build("small_cnn", 2)
    module = classifier.Classifier(network, recipe, loss=torch.nn.CrossEntropyLoss(), steps_per_epoch=1)
    module.train()
    module.on_train_epoch_start()
    # Of eight layers with weights before the head, four convolutions and four normalisations, seven in ten.
    trained = [
        any(value.requires_grad for value in layer.parameters()) for layer in network if list(layer.parameters())
    ]
    assert trained == [False] * 6 + [True] * 3
    assert [layer.training for layer in network if isinstance(layer, torch.nn.BatchNorm2d)] == [False] * 3 + [True]
    with pytest.raises(BadInput, match=r"frozen_share: 0\.95 is not permitted"):
        changed = recipe.model_copy(update={"frozen_share": 0.95})
        classifier.Classifier(
            registry.build("small_cnn", 2), changed, loss=torch.nn.CrossEntropyLoss(), steps_per_epoch=1
        )


def test_weights_are_for_models_that_do_not_start_from_scratch(tmp_path: Path, sample_params: Params) -> None:
    with pytest.raises(BadInput, match=r"'resnet50' starts from scratch; permitted: facenet and models ending in -pre"):
        write_project(tmp_path, sample_params, weights={"resnet50": "r.pth"})
