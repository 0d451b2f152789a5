"""One backbone and a head per task: FaceNet's architecture, joint training, results by intersection."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import public_facenet
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torchvision.models import get_model
from typer.testing import CliRunner

from mtf import schemas
from mtf.cli import app, stages
from mtf.config import Fairness, Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.faces.model_files import digest_of
from mtf.pipeline import multitask as stage
from mtf.pipeline import multitask_results
from mtf.training import multitask, pretrained
from mtf.training.networks import facenet
from mtf.training.weight_files import IMAGENET
from training_project import PEOPLE, write_project

pytestmark = pytest.mark.lengthy(35)

BALANCED = ["equal", "dynamic_hard", "uncertainty", "dwa", "gradnorm", "nash_mtl"]
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
        embeddings = network(torch.rand(3, 3, facenet.MIN_PX, facenet.MIN_PX))
    assert embeddings.shape == (3, 128)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


def test_the_backbones_layers_are_named_and_shaped_as_the_public_weights() -> None:
    with torch.device("meta"):
        own = facenet.InceptionResnetV1(512).state_dict()
    public = {name: shape for name, shape in public_facenet.shapes().items() if not name.startswith("logits.")}
    assert {name: tuple(value.shape) for name, value in own.items()} == public


@pytest.fixture(scope="module")
def public_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vggface2.pt"
    torch.save(public_facenet.state_dict(), path)
    return path


def test_public_facenet_weights_fill_all_but_the_layers_that_make_the_embedding(public_weights: Path) -> None:
    """The public embedding is 512-d, the paper's 128-d."""
    network = multitask.start("facenet", {"gender": 2}, input_px=80, seed=1, weights=public_weights)
    theirs = torch.load(public_weights, weights_only=True)
    own = network.backbone.state_dict()
    different = {name for name, value in own.items() if not value.equal(theirs[name])}
    made = {name for name in own if name.startswith(("last_linear.", "last_bn."))}
    assert different == made - {"last_bn.num_batches_tracked"}
    assert own["last_linear.weight"].shape == (128, 1792)


@pytest.fixture
def published_mobilenet(tmp_path: Path) -> Path:
    """A file as torchvision publishes it: a network for 1,000 labels."""
    torch.manual_seed(5)
    path = tmp_path / "mobilenet.pth"
    torch.save(get_model("mobilenet_v3_large", weights=None).state_dict(), path)
    return path


def test_a_pretrained_backbone_takes_torchvisions_weights_by_file_or_from_its_cache(
    published_mobilenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    theirs = torch.load(published_mobilenet, weights_only=True)

    def first_layer(weights: Path | None) -> torch.Tensor:
        network = multitask.start(
            "mobilenet_v3_large-pretrained", {"a": 2, "b": 3}, input_px=64, seed=1, weights=weights
        )
        assert network(torch.zeros(2, 3, 64, 64))["b"].shape == (2, 3)
        return network.backbone.state_dict()["features.0.0.weight"]

    assert first_layer(published_mobilenet).equal(theirs["features.0.0.weight"])
    wanted = r"mobilenet_v3_large-pretrained: no weights at .*or name one under multitask\.weights$"
    with pytest.raises(BadInput, match=wanted):
        first_layer(None)
    cached = tmp_path / "hub" / "checkpoints" / "mobilenet_v3_large-8738ca79.pth"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(published_mobilenet.read_bytes())
    known = replace(IMAGENET["mobilenet_v3_large"], sha256=digest_of(published_mobilenet))
    monkeypatch.setitem(IMAGENET, "mobilenet_v3_large", known)
    assert first_layer(None).equal(theirs["features.0.0.weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"backbone": "resnet51"},
            "backbone: 'resnet51' is not a backbone; permitted: .*facenet, .*alexnet-pre",
        ),
        (
            {"backbone": "resnet50", "weights": "r.pth"},
            "weights: 'resnet50' starts from scratch; permitted for",
        ),
    ],
)
def test_a_backbone_or_weights_that_do_not_fit_are_refused(
    tmp_path: Path, sample_params: Params, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        write_project(tmp_path, sample_params, multitask=changes)


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(BadInput, match=r"other\.pt: not weights of this network"):
        multitask.start("facenet", {"gender": 2}, input_px=80, seed=1, weights=tmp_path / "other.pt")


def test_pictures_too_small_for_facenet_are_refused() -> None:
    with pytest.raises(BadInput, match=r"train\.input_px: 64 is not permitted; permitted: 75 or more for facenet"):
        multitask.start("facenet", {"gender": 2}, input_px=64, seed=1, weights=None)


def test_the_first_layers_stay_as_they_came_when_frozen() -> None:
    network = multitask.build("small_cnn", {"gender": 2, "age": 2}, seed=1)
    frozen = pretrained.freeze_first(network.backbone, 0.5)
    assert len(frozen) == 4  # of eight layers with weights: four convolutions, four normalisations
    trained = [parameter.requires_grad for parameter in network.backbone.parameters()]
    assert trained == sorted(trained)
    assert all(parameter.requires_grad for parameter in network.heads.parameters())
    weights = [each for each in network.backbone.parameters() if each.requires_grad and each.ndim > 1]
    assert [tuple(weight.shape[:2]) for weight in weights] == [(64, 32), (64, 64)]


def test_the_frozen_share_ends_at_the_border_of_a_block() -> None:
    network = multitask.build("facenet", {"gender": 2}, seed=1)
    frozen = set(pretrained.freeze_first(network.backbone, 0.7))
    parts = [network.backbone.get_submodule(f"repeat_{part}.{n}") for part, n in ((1, 4), (2, 8), (2, 9), (3, 0))]
    layers = [{each for each in part.modules() if list(each.parameters(recurse=False))} for part in parts]
    # 175 of 245 layers, the border nearest to 171.5: up to the second reduction.
    assert [layer <= frozen for layer in layers] == [True, True, True, False]
    assert [bool(layer & frozen) for layer in layers] == [True, True, True, False]
    assert len(frozen) == 175


def test_a_branch_is_that_of_das_et_al() -> None:
    """Fully connected layer, L2 normalisation, dropout, softmax layer, computed here by NumPy."""
    network = multitask.build("small_cnn", {"gender": 2, "age": 3}, seed=1, branches="normalised").eval()
    features = network.backbone(torch.rand(4, 3, 32, 32))
    weights = {name: value.detach().numpy() for name, value in network.heads["age"].named_parameters()}
    values = features.detach().numpy()
    embedded = values @ weights["fully_connected.weight"].T + weights["fully_connected.bias"]
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    logits = embedded @ weights["softmax_layer.weight"].T + weights["softmax_layer.bias"]
    np.testing.assert_allclose(network.scores(features)["age"].detach().numpy(), logits, rtol=1e-4, atol=1e-5)
    # In training, the dropout of each branch hides most of its embedding.
    torch.manual_seed(0)
    assert not torch.allclose(network.heads["age"].train()(features), network.heads["age"](features))


def test_facenets_weights_load_below_the_branches(tmp_path: Path) -> None:
    torch.manual_seed(2)
    published = facenet.InceptionResnetV1(512)
    torch.save(published.state_dict(), tmp_path / "facenet.pt")
    network = multitask.start(
        "facenet", {"gender": 2}, input_px=80, seed=1, weights=tmp_path / "facenet.pt", branches="normalised"
    )
    torch.testing.assert_close(network.backbone.block8.conv2d.weight, published.block8.conv2d.weight)
    assert network.backbone(torch.rand(2, 3, 80, 80)).shape == (2, facenet.TRUNK)


def test_a_backbone_with_no_layer_left_to_train_is_refused(tmp_path: Path, sample_params: Params) -> None:
    with pytest.raises(BadInput, match=r"frozen_share: 0\.95 is not permitted; permitted: less, so that a layer"):
        trained(tmp_path, sample_params, "equal", frozen_share=0.95)


@pytest.mark.train
def test_layers_frozen_without_weights_to_keep_are_told(
    tmp_path: Path, sample_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "frozen", sample_params, "equal", frozen_share=0.5, max_epochs=1)
    told = capsys.readouterr().out
    assert "recipe short freezes the first layers of small_cnn, which has no pretrained weights" in told
    trained(tmp_path / "free", sample_params, "equal", max_epochs=1)
    assert "freezes" not in capsys.readouterr().out


def trained(root: Path, sample_params: Params, weighting: str, **changes: object) -> ProjectPaths:
    return trained_project(root, sample_params, weighting, **changes)[0]


def trained_project(
    root: Path, sample_params: Params, weighting: str, **changes: object
) -> tuple[ProjectPaths, Params]:
    workspace, params = write_project(
        root,
        sample_params,
        multitask={"weightings": [weighting], "recipe": "short"},
        recipes={"short": SHORT | changes},
    )
    stage.run(workspace, params, weighting=weighting)
    return workspace, params


def weight_of(workspace: ProjectPaths, weighting: str, task: str) -> list[float]:
    folder = workspace.plots("multitask") / weighting / "curves/plots/metrics"
    return pl.read_csv(folder / f"weight_{task}.tsv", separator="\t")[f"weight_{task}"].to_list()


@pytest.mark.train
def test_dynamic_weights_sum_to_one_and_end_on_a_single_task(tmp_path: Path, sample_params: Params) -> None:
    """What Das et al. say of their own scheme: a higher weight for the task of lower loss."""
    workspace = trained(tmp_path, sample_params, "dynamic")
    weights = np.array([weight_of(workspace, "dynamic", task) for task in ("race", "gender", "age")])
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert weights[:, 0].max() < 0.9 < weights[:, -1].max()


@pytest.mark.train
def test_the_same_seed_gives_the_same_multi_task_weights(tmp_path: Path, sample_params: Params) -> None:
    files = [
        trained(tmp_path / str(run), sample_params, "dynamic_hard", max_epochs=2).stage("multitask")
        / "dynamic_hard/model.pt"
        for run in range(2)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_an_unknown_weighting_is_answered_with_the_named_ones(project: tuple[ProjectPaths, Params]) -> None:
    with pytest.raises(BadInput, match=r"--weighting: 'dwa' is not permitted; permitted: params.yaml's .*: equal"):
        stage.run(*project, weighting="dwa")


@pytest.mark.train
@pytest.mark.parametrize("weighting", BALANCED)
def test_every_weighting_learns_three_tasks_at_once(tmp_path: Path, sample_params: Params, weighting: str) -> None:
    workspace, params = trained_project(tmp_path, sample_params, weighting)
    multitask_results.run(workspace, params, weighting=weighting)
    measured = json.loads(workspace.metrics(f"multitask/{weighting}").read_text())
    assert list(measured["accuracy"]) == ["race", "gender", "age", "all"]
    assert np.mean([measured["accuracy"][task] for task in ("race", "gender", "age")]) > 0.7  # by guessing: 0.42
    assert measured["accuracy"]["all"] <= min(measured["accuracy"].values())
    assert len(weight_of(workspace, weighting, "gender")) >= 1

    table = schemas.read(schemas.PREDICTIONS, workspace.stage("multitask") / weighting / "predictions.parquet")
    assert set(table["task"]) == {"race", "gender", "age"}
    folder = workspace.plots("multitask") / weighting / "confusion"
    matrices = json.loads((folder / "race.json").read_text())
    assert len(matrices["groups"]) == 4  # two genders × two ages
    assert sum(np.sum(group["matrix"]) for group in matrices["groups"]) == table.filter(task="race").height
    assert cv2.imread(str(folder / "race.png")) is not None
    jointly = json.loads((folder / "all.json").read_text())
    assert len(jointly["labels"]) == 4 * 2 * 2
    assert np.sum(jointly["groups"][0]["matrix"]) == table.filter(task="race").height
    assert np.trace(jointly["groups"][0]["matrix"]) / 18 == pytest.approx(measured["accuracy"]["all"], abs=1e-4)
    assert cv2.imread(str(folder / "all.png")) is not None

    groups = json.loads(workspace.metrics(f"fairness/multitask/{weighting}").read_text())
    assert list(groups) == ["race", "gender", "age"]
    assert groups["gender"]["race × age"]["groups"]["Amber × Old"]["n"] == 3
    given = schemas.read(schemas.PROBABILITIES, workspace.stage("multitask") / weighting / "probabilities.parquet")
    old = [person for person, labels in PEOPLE.items() if labels[2] == "Old"]
    part = given.join(table, on=["identity", "face_id", "task"]).filter(pl.col("identity").is_in(old), task="gender")
    female = part["probabilities"].list.get(params.tasks["gender"].labels.index("Females"))
    auc = roc_auc_score(part["label"] == "Females", female)
    assert groups["gender"]["age"]["groups"]["Old"]["roc_auc"] == pytest.approx(auc, abs=1e-4)
    plotted = pl.read_csv(workspace.plots("multitask") / weighting / "groups.csv")
    assert plotted.select("run", "group").is_unique().all()
    assert set(plotted["run"]) == {"race", "gender", "age"}
    headline = json.loads(workspace.headline(f"multitask/{weighting}").read_text())
    assert headline == {"accuracy": measured["accuracy"]["all"]}
    losses = pl.read_csv(workspace.plots("multitask") / weighting / "loss.csv")
    assert set(losses["part"]) == {"train", "validation"} and losses["loss"].is_finite().all()


@pytest.mark.train
def test_measuring_again_heeds_the_least_size_of_a_group_and_trains_nothing(
    tmp_path: Path, sample_params: Params
) -> None:
    workspace, params = trained_project(tmp_path, sample_params, "equal", max_epochs=1)
    folder = workspace.stage("multitask") / "equal"
    before = (folder / "model.pt").stat().st_mtime_ns

    def interval(min_n: int) -> float | None:
        """Of the six pictures of Amber people, two or more of them."""
        asked = params.model_copy(update={"fairness": Fairness(min_n=min_n, min_people=2)})
        multitask_results.run(workspace, asked, weighting="equal")
        by_group = json.loads(workspace.metrics("multitask/equal").read_text())["by_group"]
        return by_group["gender"]["race"]["Amber"].get("bootstrap_low")

    assert interval(7) is None
    assert interval(6) is not None
    assert (folder / "model.pt").stat().st_mtime_ns == before
    assert "| best epoch, kept | 1 |" in (folder / "card.md").read_text()
    (folder / "training.json").unlink()
    with pytest.raises(
        BadInput, match=r"training\.json: missing or not readable; `mtf multitask --weighting equal` writes it"
    ):
        interval(6)


@pytest.mark.parametrize(
    ("options", "run"),
    [
        ([], ["multitask", "multitask_results"]),
        (["--only", "train"], ["multitask"]),
        (["--only", "measure"], ["multitask_results"]),
    ],
)
def test_the_command_trains_and_measures_or_one_of_both(
    options: list[str], run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(stages, "run_stage", lambda name, *, weighting: done.append(f"{name}{weighting}"))
    result = CliRunner().invoke(app, ["multitask", "--weighting", "@equal", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert done == [f"{name}@equal" for name in run]
