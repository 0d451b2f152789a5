"""Stage evaluate: evaluation of the trained models on the test split."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import schemas
from mtf.config import PRETRAINED, Params
from mtf.core import atomic_files, csv_files
from mtf.core.console import tracked
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    import numpy as np

    from mtf.evaluation.groups import Question
    from mtf.evaluation.undetected_pictures import UndetectedPictures
    from mtf.training.checkpoint import CheckpointInfo
    from mtf.training.data import Examples


MATRIX_LABELS = 12


def run(workspace: ProjectPaths, params: Params) -> None:
    """Evaluate every model of params.yaml on every task. Writes

    - metrics/evaluate.json, metrics/undetected.json, metrics/fairness/{over_all,models/MODEL/TASK}.json, and the
      headline figures,
    - build/evaluate/predictions.parquet and the model cards build/evaluate/cards/MODEL/TASK.md,
    - plots/{curves,confusion,groups}.csv, each with the rows of all models and tasks.

    Raises BadInput if a model is missing, or was trained for other labels or another input size.
    """
    from mtf.evaluation import rate_reports
    from mtf.evaluation.undetected_pictures import UndetectedPictures
    from mtf.training import split_pictures

    splits, pictures = split_pictures.read(workspace, params)
    undetected = UndetectedPictures.read(workspace, params, splits)
    figures: dict[str, dict[str, dict[str, float]]] = {}
    predictions: list[pl.DataFrame] = []
    questions: dict[tuple[str, str], Question] = {}
    cards: dict[tuple[str, str], CheckpointInfo] = {}
    for task in tracked(params.train.tasks, total=len(params.train.tasks), title="predict, task"):
        results = _evaluate_task(workspace, params, task, splits, pictures, undetected)
        figures[task] = results.figures
        predictions += results.predictions
        questions |= {(model, task): question for model, question in results.questions.items()}
        cards |= {(model, task): card for model, card in results.cards.items()}
        _print(task, results.figures, images=results.images, undetected=undetected.statement)
    together = pl.concat(predictions)
    by_group = _write_fairness(workspace, params, splits, together, questions, undetected)
    rate_reports.print_rates(by_group)
    _write_cards(workspace, params, splits, cards, figures, by_group, undetected=undetected)
    _write_plots(workspace, params, together, by_group)
    undetected.write(workspace)
    schemas.write(schemas.PREDICTIONS, together, workspace.table("evaluate", "predictions"))
    atomic_files.write_json(workspace.metrics("evaluate"), figures)
    _write_headlines(workspace, _headline(params, figures, by_group))


@dataclass
class _TaskResults:
    """Results of all models on one task.

    images: number of pictures that count.
    figures: model or baseline → metric → figure.
    predictions: of each model, rows of `schemas.PREDICTIONS`.
    questions: model → question with its probabilities.
    cards: model → what its checkpoint says of it.
    """

    images: int
    figures: dict[str, dict[str, float]]
    predictions: list[pl.DataFrame] = field(default_factory=list)
    questions: dict[str, Question] = field(default_factory=dict)
    cards: dict[str, CheckpointInfo] = field(default_factory=dict)


def _evaluate_task(
    workspace: ProjectPaths,
    params: Params,
    task: str,
    splits: pl.DataFrame,
    pictures: np.ndarray,
    undetected: UndetectedPictures,
) -> _TaskResults:
    """Results of the baselines and of every model on the test split, pictures that count as errors included."""
    import numpy as np

    from mtf.evaluation import metrics
    from mtf.evaluation.groups import Question
    from mtf.evaluation.undetected_pictures import NO_LABEL
    from mtf.training import checkpoint, data

    labels = data.labels_of(params.tasks[task], splits)
    training, test = (
        data.Examples.of_split(pictures, splits, split, column=params.tasks[task].column, labels=labels)
        for split in ("train", "test")
    )
    missed = undetected.targets(params.tasks[task].columns, labels)
    targets = np.concatenate([test.targets, missed])
    missed_answers = np.full_like(missed, NO_LABEL)
    baselines = {
        "untrained": metrics.scores(targets, np.append(_untrained(params, test, labels), missed_answers)),
        "uniform_guess": metrics.uniform_guess(targets, labels=len(labels), seed=params.seed),
        "majority": metrics.majority(targets, training.targets, labels=len(labels)),
    }
    results = _TaskResults(len(targets), baselines)
    for model in params.train.models:
        network, card = checkpoint.load_for(
            workspace.stage("models") / model / task / "model.pt",
            labels=labels,
            input_px=pictures.shape[1],
            shown=workspace.relative,
        )
        probabilities = checkpoint.probabilities(
            network, test.pictures, normalise=card.normalise, labels=len(labels), rows=test.rows
        )
        results.cards[model] = card
        results.figures[model] = metrics.scores(targets, np.append(probabilities.argmax(axis=1), missed_answers))
        results.questions[model] = Question(
            labels,
            ordered=bool(params.tasks[task].years),
            probabilities=np.vstack([probabilities, np.full((len(missed), len(labels)), np.nan)]),
        )
        results.predictions.append(_predictions(splits, test, probabilities, model=model, task=task, labels=labels))
    return results


def _write_headlines(workspace: ProjectPaths, headlines: dict[str, dict[str, float]]) -> None:
    """Write the headline figures of each task."""
    for task, headline in headlines.items():
        atomic_files.write_json(workspace.headline(f"tasks/{task}"), headline)
    # A project that an earlier version made declares one file for all tasks, which DVC would miss.
    pipeline, earlier = workspace.root / "dvc.yaml", workspace.headline("accuracy")
    if pipeline.is_file() and workspace.relative(earlier) in pipeline.read_text(encoding="utf-8"):
        atomic_files.write_json(earlier, {task: headline["accuracy"] for task, headline in headlines.items()})


def _untrained(params: Params, test: Examples, labels: list[str]) -> np.ndarray:
    """Label numbers (n,) that the first model of params.yaml predicts before it has learnt anything.

    This is what MTF's Tables 5 to 8 call a random guess: recall 1 / labels, and a precision of nearly 0, since such a
    network gives about the same label to every picture.
    """
    from mtf.training import checkpoint
    from mtf.training.networks import registry

    model = params.train.models[0].removesuffix(PRETRAINED)
    network = registry.build(model, len(labels), seed=params.seed).eval()
    normalise = params.train.recipes[params.train.recipe].normalise
    found = checkpoint.probabilities(network, test.pictures, normalise=normalise, labels=len(labels), rows=test.rows)
    return found.argmax(axis=1)


def _predictions(
    splits: pl.DataFrame, test: Examples, probabilities: np.ndarray, *, model: str, task: str, labels: list[str]
) -> pl.DataFrame:
    names = pl.Series(labels)
    return splits[test.rows].select(
        "identity",
        "face_id",
        task=pl.lit(task),
        model=pl.lit(model),
        label=names[test.targets],
        predicted=names[probabilities.argmax(axis=1)],
        confidence=pl.Series(probabilities.max(axis=1).clip(0, 1), dtype=pl.Float32),
    )


def _headline(
    params: Params, figures: dict[str, dict[str, dict[str, float]]], by_group: dict[tuple[str, str], dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Task → accuracy of its best model, and that model's largest gap between two groups of one attribute."""
    found = {}
    for task, measured in figures.items():
        best = max(params.train.models, key=lambda model: measured[model]["accuracy"])
        summaries = [by_group[best, task][attribute]["summary"] for attribute in params.attributes]
        gaps = [summary["gap"] for summary in summaries if "gap" in summary]
        found[task] = {"accuracy": measured[best]["accuracy"]} | ({"gap": max(gaps)} if gaps else {})
    return found


def _write_plots(
    workspace: ProjectPaths,
    params: Params,
    predictions: pl.DataFrame,
    by_group: dict[tuple[str, str], dict[str, Any]],
) -> None:
    """Write one file for each chart; `run` (MODEL TASK) tells the rows of the trainings apart."""
    from mtf.evaluation import curves, fairness

    runs = {(model, task): f"{model} {task}" for model in params.train.models for task in params.train.tasks}
    trained = workspace.plots("train")
    csv_files.write(
        workspace.plots("curves.csv"),
        pl.concat([curves.learning_curves(trained / model / task, run) for (model, task), run in runs.items()]),
    )
    # A matrix of more labels than that cannot be read.
    few = [task for task in params.train.tasks if predictions.filter(task=task)["label"].n_unique() <= MATRIX_LABELS]
    confusions = predictions.filter(pl.col("task").is_in(few))
    csv_files.write(
        workspace.plots("confusion.csv"),
        confusions.select(pl.format("{} {}", "model", "task").alias("run"), actual="label", predicted="predicted"),
    )
    groups = [fairness.table(by_group[pair]).select(pl.lit(run).alias("run"), pl.all()) for pair, run in runs.items()]
    csv_files.write(workspace.plots("groups.csv"), pl.concat(groups))


def _write_fairness(
    workspace: ProjectPaths,
    params: Params,
    splits: pl.DataFrame,
    predictions: pl.DataFrame,
    questions: dict[tuple[str, str], Question],
    undetected: UndetectedPictures,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Write the figures by group of each model and task; return them."""
    from mtf.datasets import labelled
    from mtf.evaluation import fairness
    from mtf.evaluation.groups import PERSON

    # Remove the files of models that params.yaml no longer names.
    shutil.rmtree(workspace.metrics_folder / "fairness" / "models", ignore_errors=True)
    attributes = {column: task.labels for column, task in params.attributes.items()}
    wide = predictions.join(
        splits.select("identity", "face_id", *attributes), on=["identity", "face_id"], maintain_order="left"
    )
    people = labelled.identities_are_people(splits)
    found = {}
    over_all: dict[str, dict[str, Any]] = {}
    for (model, task), question in tracked(questions.items(), total=len(questions), title="groups, model"):
        part = wide.filter(model=model, task=task)
        missed = undetected.predictions(params.tasks[task].columns, task=task, model=model)
        counted = pl.concat([part, missed.select(part.columns)])
        # Where nobody knows who is who, each picture counts as a person of its own.
        by_person = counted if people else counted.drop(PERSON)
        by_group = fairness.report(by_person, attributes, seed=params.seed, settings=params.fairness, question=question)
        found[model, task] = by_group
        over_all.setdefault(model, {})[task] = fairness.over_all(by_person, settings=params.fairness)
        atomic_files.write_json(workspace.metrics(f"fairness/models/{model}/{task}"), by_group)
    atomic_files.write_json(workspace.metrics("fairness/over_all"), over_all)
    return found


def _write_cards(
    workspace: ProjectPaths,
    params: Params,
    splits: pl.DataFrame,
    cards: dict[tuple[str, str], CheckpointInfo],
    figures: dict[str, dict[str, dict[str, float]]],
    by_group: dict[tuple[str, str], dict[str, Any]],
    *,
    undetected: UndetectedPictures,
) -> None:
    from mtf.evaluation import metrics, model_card, rate_reports
    from mtf.training import weights_in_use as weight_files

    pictures = model_card.TrainingData.of(splits, workspace.table("split", "splits"))
    for (model, task), card in cards.items():
        rows = {name: figures[task][name] for name in (model, *metrics.BASELINES)}
        measured = model_card.QuantitativeAnalysis(
            images=undetected.test_faces + undetected.errors.height,
            columns=metrics.FIGURES,
            rows={name: [row[figure] for figure in metrics.FIGURES] for name, row in rows.items()},
            by_group=rate_reports.markdown({task: by_group[model, task]}, min_n=params.fairness.min_n),
            undetected=undetected.statement,
        )
        about = model_card.ModelDetails.of(card, params.train.recipes.get(card.recipe))
        text = model_card.markdown(
            about,
            pictures,
            release=f"{params.project.title} {params.release.version}",
            measured=measured,
            weights=weight_files.of_network(params, card.weights, card.weights_sha256, root=workspace.root),
        )
        atomic_files.write_text(workspace.stage("evaluate") / "cards" / model / f"{task}.md", text)


def _print(task: str, figures: dict[str, dict[str, float]], *, images: int, undetected: str) -> None:
    print(f"evaluate {task}: {images} test images. {undetected}")
    for name, row in figures.items():
        print(f"  {name:24} " + "  ".join(f"{figure} {value:.3f}" for figure, value in row.items()))
