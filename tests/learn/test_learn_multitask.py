"""One backbone and a head per task: FaceNet's architecture, joint training, results by intersection."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from learn_project import write_project

from mtf import tables
from mtf.errors import BadInput
from mtf.learn import facenet, intersections, multitask
from mtf.params import Params
from mtf.stages import multitask as stage
from mtf.workspace import Workspace

BALANCED = ["equal", "dynamic_hard", "uncertainty", "dwa", "gradnorm"]
SHORT = {"learning_rate": 0.01, "max_epochs": 14, "patience": 14, "batch": 16, "optimizer": "adamw"}


def test_the_backbone_has_the_published_networks_size() -> None:
    """The public VGGFace2 weights have 23,482,624 parameters before their classifier, with a 512-d embedding."""
    with torch.device("meta"):
        counts = [sum(p.numel() for p in facenet.InceptionResnetV1(width).parameters()) for width in (512, 128)]
    assert counts[0] == 23_482_624
    assert counts[0] - counts[1] == (512 - 128) * (1792 + 2)


def test_an_embedding_has_length_one() -> None:
    network = facenet.InceptionResnetV1().eval()
    with torch.inference_mode():
        embeddings = network(torch.rand(3, 3, facenet.LEAST_PX, facenet.LEAST_PX))
    assert embeddings.shape == (3, 128)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


@pytest.fixture(scope="module")
def public_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the names and shapes of the public ones: 512-d embedding, classifier of 8,631 people."""
    torch.manual_seed(3)
    state = facenet.InceptionResnetV1(512).state_dict()
    path = tmp_path_factory.mktemp("weights") / "vggface2.pt"
    torch.save(state | {"logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}, path)
    return path


def test_public_facenet_weights_fill_all_but_the_embeddings_last_layers(public_weights: Path) -> None:
    network = multitask.start("facenet", {"gender": 2}, input_px=80, seed=1, weights=public_weights)
    theirs = torch.load(public_weights, weights_only=True)
    same = {name for name, value in network.backbone.state_dict().items() if value.equal(theirs[name])}
    different = set(network.backbone.state_dict()) - same
    assert {name.split(".")[0] for name in different} <= {"last_linear", "last_bn"}
    assert "last_linear.weight" in different


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(BadInput, match=r"other\.pt: not weights of this network"):
        multitask.start("facenet", {"gender": 2}, input_px=80, seed=1, weights=tmp_path / "other.pt")


def test_pictures_too_small_for_facenet_are_refused() -> None:
    with pytest.raises(BadInput, match=r"train\.input_px: 64 is not permitted; permitted: 75 or more for facenet"):
        multitask.start("facenet", {"gender": 2}, input_px=64, seed=1, weights=None)


def test_the_first_layers_stay_as_they_came_when_frozen() -> None:
    network = multitask.build("small_cnn", {"gender": 2, "age": 2}, seed=1)
    frozen = multitask.freeze_first(network.backbone, 0.5)
    assert len(frozen) == 4  # of eight layers with weights: four convolutions, four normalisations
    trained = [parameter.requires_grad for parameter in network.backbone.parameters()]
    assert trained == sorted(trained)
    assert all(parameter.requires_grad for parameter in network.heads.parameters())
    assert multitask.last_trained_weight(network.backbone).requires_grad


def trained(root: Path, sample_params: Params, weighting: str, **changes: object) -> Workspace:
    workspace, params = write_project(
        root,
        sample_params,
        multitask={"weightings": [weighting], "recipe": "short"},
        recipes={"short": SHORT | changes},
    )
    stage.run(workspace, params, weighting=weighting)
    return workspace


def weight_of(workspace: Workspace, weighting: str, task: str) -> list[float]:
    folder = workspace.plots("multitask") / weighting / "curves/plots/metrics"
    return pl.read_csv(folder / f"weight_{task}.tsv", separator="\t")[f"weight_{task}"].to_list()


def test_dynamic_weights_sum_to_one_and_end_on_a_single_task(tmp_path: Path, sample_params: Params) -> None:
    """What Das et al. say of their own scheme: a higher weight for the task of lower loss."""
    workspace = trained(tmp_path, sample_params, "dynamic")
    weights = np.array([weight_of(workspace, "dynamic", task) for task in ("race", "gender", "age")])
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert weights[:, 0].max() < 0.9 < weights[:, -1].max()


def test_the_same_seed_gives_the_same_multi_task_weights(tmp_path: Path, sample_params: Params) -> None:
    files = [
        trained(tmp_path / str(run), sample_params, "dynamic_hard", max_epochs=2).stage("multitask")
        / "dynamic_hard/model.pt"
        for run in range(2)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_an_unknown_weighting_is_answered_with_the_named_ones(project: tuple[Workspace, Params]) -> None:
    with pytest.raises(BadInput, match=r"--weighting: 'dwa' is not permitted; permitted: params.yaml's .*: equal"):
        stage.run(*project, weighting="dwa")


@pytest.mark.parametrize("weighting", BALANCED)
def test_every_weighting_learns_three_tasks_at_once(tmp_path: Path, sample_params: Params, weighting: str) -> None:
    workspace = trained(tmp_path, sample_params, weighting)
    measured = json.loads(workspace.metrics(f"multitask/{weighting}").read_text())
    assert list(measured["accuracy"]) == ["race", "gender", "age", "all"]
    assert np.mean([measured["accuracy"][task] for task in ("race", "gender", "age")]) > 0.7  # by guessing: 0.42
    assert measured["accuracy"]["all"] <= min(measured["accuracy"].values())
    assert len(weight_of(workspace, weighting, "gender")) >= 1

    table = tables.read(tables.PREDICTIONS, workspace.stage("multitask") / weighting / "predictions.parquet")
    assert set(table["task"]) == {"race", "gender", "age"}
    folder = workspace.plots("multitask") / weighting / "confusion"
    matrices = json.loads((folder / "race.json").read_text())
    assert len(matrices["groups"]) == 4  # two genders × two ages
    assert sum(np.sum(group["matrix"]) for group in matrices["groups"]) == table.filter(task="race").height
    assert cv2.imread(str(folder / "race.png")) is not None


def test_all_attributes_at_once_are_right_only_where_each_is() -> None:
    rows = [
        {"identity": "i", "face_id": face, "task": task, "label": "a", "predicted": "a" if right else "b"}
        for face, task, right in [("1", "x", True), ("1", "y", False), ("2", "x", True), ("2", "y", True)]
    ]
    assert intersections.accuracies(pl.DataFrame(rows)) == {"x": 1.0, "y": 0.5, "all": 0.5}
