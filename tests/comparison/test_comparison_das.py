"""Das et al.: support vector machines on embeddings, and the search of the losses' weights."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from sklearn.metrics import accuracy_score
from sklearn.svm import SVC
from typer.testing import CliRunner

from mtf import config as typed
from mtf import schemas
from mtf.cli import app
from mtf.comparison import embedding_svm, loss_weight_search
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.training import first_weights, input_cache, loss_weighting, trainer
from mtf.training.networks import facenet, registry
from training_project import write_project

QUICK = {"optimizer": "adamw", "learning_rate": 0.01, "max_epochs": 1, "patience": 2, "batch": 16}


@pytest.fixture
def in_project(tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch) -> tuple[ProjectPaths, Params]:
    workspace, params = write_project(
        tmp_path,
        sample_params,
        recipe="quick",
        recipes={"quick": QUICK},
        tasks=["gender", "age"],
        multitask={"recipe": "quick"},
    )
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return workspace, params


def compared(workspace: ProjectPaths, params: Params, **changes: Any) -> dict[str, Any]:
    asked = {"model": "small_cnn", "tasks": ["gender"], "recipe": "quick", "seeds": 1} | changes
    return embedding_svm.run(workspace, params, **asked)


@pytest.mark.train
def test_an_embedding_with_a_machine_is_measured_as_scikit_learn_does(
    in_project: tuple[ProjectPaths, Params], tmp_path: Path
) -> None:
    workspace, params = in_project
    # A quarter set aside, as a protocol does it: the last two training pictures of each person.
    path = workspace.table("split", "splits")
    splits = schemas.read(schemas.splits(params), path)
    aside = (pl.col("split") == "train") & (pl.int_range(pl.len()).over("identity") >= 6)
    rest = splits.filter(aside)
    schemas.write(schemas.splits(params), rest, workspace.table("split", "classifier"))
    schemas.write(schemas.splits(params), splits.filter(~aside), path)
    found = compared(*in_project)
    assert found["images"] == {"train": 36, "classifier": 12, "val": 12, "test": 18}

    body = registry.build("small_cnn", 2, seed=42).eval()[:-1]

    def vectors(faces: pl.DataFrame) -> np.ndarray:
        pictures = input_cache.prepare(faces, workspace.shards("crop"), tmp_path / f"{len(faces)}", size_px=32)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        ready = ((torch.from_numpy(np.array(pictures)) / 255 - mean) / std).permute(0, 3, 1, 2)
        with torch.no_grad():
            return body(ready).numpy()

    test = splits.filter(split="test")
    predicted = SVC(C=1.0, kernel="rbf", gamma="scale").fit(vectors(rest), rest["gender"]).predict(vectors(test))
    measured = found["rows"]["small_cnn, as it is, SVM"]
    assert measured["over_all"]["gender"]["accuracy"] == round(accuracy_score(test["gender"], predicted), 4)
    young = (test["age"] == "Young").to_numpy()
    by_age = measured["by_group"]["gender"]["age"]["Young"]
    assert by_age["n"] == young.sum()
    assert by_age["accuracy"] == round(accuracy_score(test["gender"].filter(young), predicted[young]), 4)
    assert list(found["rows"]) == ["small_cnn, as it is, SVM", "small_cnn, fine-tuned, SVM"]


@pytest.mark.train
def test_machines_over_seeds_resume_and_stand_in_the_papers_tables(
    in_project: tuple[ProjectPaths, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, params = in_project
    single = [compared(workspace, params, tasks=["age"])]
    single.append(compared(workspace, params.model_copy(update={"seed": 43}), tasks=["age"]))
    # Another seed divides the training part anew: its runs are others.
    found = compared(workspace, params, tasks=["age"], seeds=2)
    trained: list[int] = []
    monkeypatch.setattr(trainer, "fit_classifier", lambda *_, **__: trained.append(1))
    again = compared(workspace, params, tasks=["age"], seeds=2)
    assert (again, trained) == (found, [])
    runs = json.loads(workspace.metrics("compare/svm").read_text())["runs"]
    values = [runs[f"small_cnn/fine-tuned/age/{seed}"]["over_all"]["accuracy"] for seed in (42, 43)]
    row = found["rows"]["small_cnn, fine-tuned, SVM"]["over_all"]["age"]
    assert (row["accuracy"], row["std"]) == (round(np.mean(values), 4), round(np.std(values, ddof=1), 4))
    assert row["more_people"] == 24 and "low" not in row
    assert single[0]["rows"]["small_cnn, fine-tuned, SVM"]["over_all"]["age"]["accuracy"] == values[0]


def test_facenets_embedding_as_it_is_has_the_width_and_all_layers_of_its_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = facenet.InceptionResnetV1(512).eval()
    torch.save(published.state_dict(), tmp_path / "facenet.pt")
    pictures = torch.rand(2, 3, 80, 80)
    with torch.no_grad():
        own = embedding_svm.embedding_as_it_is("facenet", tmp_path / "facenet.pt", 42)(pictures)
        torch.testing.assert_close(own, published(pictures))
    assert own.shape == (2, 512)


def test_the_grid_has_each_division_of_the_weight_once() -> None:
    cells = list(loss_weight_search.grid(3, 6))
    assert len(cells) == len(set(cells)) == comb(5, 2)
    assert all(min(cell) >= 1 / 6 and sum(cell) == pytest.approx(1) for cell in cells)


@pytest.mark.train
def test_the_search_takes_the_best_of_the_validation_part_and_resumes(
    in_project: tuple[ProjectPaths, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, params = in_project
    cut_short: list[int] = []
    run = loss_weight_search._run

    def killed(*arguments: Any) -> Any:
        if len(cut_short) == 2:
            raise KeyboardInterrupt
        cut_short.append(1)
        return run(*arguments)

    monkeypatch.setattr(loss_weight_search, "_run", killed)
    with pytest.raises(KeyboardInterrupt):
        loss_weight_search.run(workspace, params, parts=4)
    # Of three cells two are kept, so that one is left to train.
    cut_short.pop()
    found = loss_weight_search.run(workspace, params, parts=4)
    assert len(found["grid"]) == 3
    assert max(row["mean"] for row in found["grid"]) == next(
        row["mean"] for row in found["grid"] if row["weights"] == found["best"]
    )
    assert all(row["mean"] == pytest.approx(np.mean([*row["accuracy"].values()]), abs=1e-4) for row in found["grid"])
    monkeypatch.undo()
    monkeypatch.chdir(workspace.root)
    assert CliRunner().invoke(app, ["compare", "weights", "--parts", "4", "--write"]).exit_code == 0
    section = typed.load(workspace.params).multitask
    assert section is not None
    assert section.first_weights == found["best"]
    with pytest.raises(BadInput, match=r"--parts: 2 is not permitted; permitted: 3 or more"):
        loss_weight_search.run(workspace, params, parts=2)


def test_fixed_weights_weigh_the_losses_and_dynamic_ones_begin_near_the_found_ones() -> None:
    losses, features = torch.tensor([1.0, 2.0, 4.0]), torch.randn(64, 16)
    assert first_weights.Fixed([2, 1, 1])(losses, features, []) == pytest.approx(0.5 * 1 + 0.25 * 2 + 0.25 * 4)
    given = {"race": 0.5, "gender": 0.125, "age": 0.375}
    dynamic = loss_weighting.build("dynamic", 3, width=16, seed=0)
    first_weights.begin_at(dynamic, given)(losses, features, [])
    np.testing.assert_allclose(dynamic.current.numpy(), [*given.values()], atol=0.06)
