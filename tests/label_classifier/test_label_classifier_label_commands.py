"""`mtf label`: what a person types, and the tables, figures and hints that stand there afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
import yaml
from dvc.repo import Repo
from typer.testing import CliRunner

from mtf import schemas
from mtf.cli import label as cli
from mtf.config import Params, Task
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.label_classifier import labeller as label
from mtf.label_classifier import roster_contradictions
from mtf.papers import efrs_tables
from training_project import CROP_PX, PEOPLE, drawn, write_project


@pytest.fixture
def in_project(tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch) -> Path:
    _, params = write_project(tmp_path, sample_params)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def fitted_once(tmp_path_factory: pytest.TempPathFactory, sample_params: Params) -> tuple[Path, str]:
    """A project with a classifier for every attribute, and what fitting them printed; tests work on copies of it."""
    root = tmp_path_factory.mktemp("fitted")
    _, params = write_project(root, sample_params)
    (root / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return root, run("fit", "--model", "logistic")


@pytest.fixture
def in_fitted(fitted_once: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `fitted_once`, which is the current folder."""
    root = tmp_path / "fitted"
    shutil.copytree(fitted_once[0], root)
    monkeypatch.chdir(root)
    return root


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_classifiers_of_all_attributes_are_together_the_label_classifier(
    fitted_once: tuple[Path, str], in_fitted: Path
) -> None:
    said = fitted_once[1]
    assert [line.split()[1] for line in said.splitlines()] == ["race", "gender", "age"]
    measured = json.loads((in_fitted / "metrics" / "label" / "classifier.json").read_text())
    assert list(measured) == ["race", "gender", "age"]
    assert min(figures["test"]["accuracy"] for figures in measured.values()) > 0.8
    assert set(measured["gender"]["by_subgroup"]) == {"race", "age"}
    assert measured["gender"]["by_subgroup"]["race"]["statistics"]["accuracy"]["spread"] is not None
    assert (in_fitted / "plots/label/roc-gender.csv").read_text().startswith("false_positive_rate,")

    new = in_fitted / "new"
    new.mkdir()
    for identity, number in [("ada", 90), ("ben", 91), ("cleo", 92)]:
        cv2.imwrite(str(new / f"{identity}.png"), drawn(identity, number))
    cv2.imwrite(str(new / "=cmd.png"), drawn("dan", 93))
    (new / "broken.jpg").write_bytes(b"nothing")
    said = run("predict", str(new), "--to", "labels.csv")
    assert "4 pictures labelled" in said
    assert "not readable: broken.jpg" in said
    table = pl.read_csv(in_fitted / "labels.csv")
    assert table["file"].to_list() == ["'=cmd.png", "ada.png", "ben.png", "cleo.png"]
    people = ["dan", "ada", "ben", "cleo"]
    truth = [PEOPLE[person] for person in people]
    said_of = list(table.select("race", "gender", "age").iter_rows())
    assert [labels[1] for labels in said_of] == [labels[1] for labels in truth]
    agreeing = sum(
        ours == theirs
        for said_one, true in zip(said_of, truth, strict=True)
        for ours, theirs in zip(said_one, true, strict=True)
    )
    assert agreeing >= 10
    assert table["gender_confidence"].is_between(0.5, 1).all()


def test_predicting_without_a_classifier_says_how_to_make_one(in_project: Path) -> None:
    with pytest.raises(BadInput, match="make one with `mtf label fit`"):
        run("predict", str(in_project))


def test_an_unknown_attribute_is_answered_with_the_known_ones(in_project: Path) -> None:
    for command in (["fit", "--attribute", "hair"], ["compare", "hair"], ["hints", "--attribute", "hair"]):
        with pytest.raises(BadInput, match="'hair' is not permitted; permitted: race, gender, age"):
            run(*command)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, sample_params: Params) -> Generator[tuple[Path, str]]:
    """A project in which gender has been compared on, and what was printed."""
    root = tmp_path_factory.mktemp("compared")
    _, params = write_project(root, sample_params)
    (root / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root, run("compare", "gender", "--epochs", "2")


def test_comparing_prints_the_tables_of_the_report(compared: tuple[Path, str]) -> None:
    root, said = compared
    titles = [line.strip("*").split(":")[0] for line in said.splitlines() if line.startswith("**Table")]
    assert titles == ["Table 1"] * 4 + ["Table 2", "Table 3", "Table 4", "Table 6"]
    assert "| cnn2 | 5,375,746 | 16,127,240 |" in said
    found = json.loads((root / "metrics" / "label" / "compare-gender.json").read_text())
    assert list(found["table_1"]) == ["logistic", "cnn1", "cnn2", "cnn3"]
    assert all(set(row) == {"train", "val", "test"} for row in found["table_1"]["logistic"].values())
    assert list(found["table_3"]) == ["race"]
    assert list(found["table_4"]) == ["age"]
    # The sample's age groups, 18 to 49 and 50 to 120, do not both lie within 20 to 79.
    assert found["table_5"] == {}
    assert run("tables", "gender") == said
    assert json.loads(run("tables", "gender", "--json")) == found


def test_comparing_draws_the_figures_of_the_report(compared: tuple[Path, str]) -> None:
    root, _ = compared
    found = json.loads((root / "metrics" / "label" / "compare-gender.json").read_text())
    folder = root / "plots" / "label" / "compare-gender"
    curves = {path.stem: pl.read_csv(path) for path in (folder / "roc").iterdir()}
    assert set(curves) == set(found["table_1"])
    for name, curve in curves.items():
        area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
        assert area == pytest.approx(found["table_1"][name]["roc_auc"]["test"], abs=1e-4)
    counts = pl.read_csv(folder / "figure-3-distributions.csv")
    assert counts.filter(attribute="gender")["n"].to_list() == [39, 39]
    assert pl.read_csv(folder / "figure-4-history.csv").columns == [
        *("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
    ]
    bars = pl.read_csv(folder / "figure-6-models.csv")
    assert bars.filter(model="cnn1", metric="f1")["value"].item() == found["table_1"]["cnn1"]["f1"]["test"]
    groups = pl.read_csv(folder / "figure-7-subgroups.csv").filter(attribute="race", metric="accuracy")
    assert groups["n"].to_list() == [6, 6, 3, 3]
    spread = groups["value"].max() - groups["value"].min()
    assert found["table_3"]["race"]["accuracy"]["spread"] == pytest.approx(spread, abs=1e-4)
    assert cv2.imread(str(folder / "figure-2-faces.png")) is not None
    drawn_figures = [path.name for path in sorted(folder.glob("*.svg"))]
    assert [name.split("-")[1] for name in drawn_figures] == ["3", "4", "5", "6", "7"]
    assert all("<svg" in (folder / name).read_text() for name in drawn_figures)


@pytest.mark.dvc
def test_dvc_shows_what_has_been_compared(compared: tuple[Path, str]) -> None:
    with Repo.init(str(compared[0]), no_scm=True) as repo:
        metrics = repo.metrics.show()[""]["data"]
        shown = metrics["metrics/label/headline/classifier.json"]["data"]["compare_gender"]
        report = json.loads((compared[0] / "build/label/compare-gender.json").read_text())
        assert shown == report["models"][report["chosen"]]["test"]["accuracy"]
        plots = repo.plots.show()["workspace"]
        named = plots["definitions"]["data"]["metrics/label/dvc.yaml"]["data"]
        assert set(named["gender: ROC"]["y"]) == {
            f"plots/label/compare-gender/roc/{name}.csv" for name in ("logistic", "cnn1", "cnn2", "cnn3")
        }
        sources = plots["sources"]["data"]
        assert not [path for path, source in sources.items() if "error" in source]
        assert "plots/label/compare-gender/figure-7-subgroups.svg" in sources


def row(**figures: float) -> dict[str, float]:
    return {"precision": 0.9, "recall": 0.9, "f1": 0.9} | figures


def report(groups: dict[str, float]) -> dict:
    metrics = ("accuracy", "balanced_accuracy", "roc_auc", "f1")
    even = dict.fromkeys(metrics, 0.8)
    decades = {label: {"n": 5, **dict.fromkeys(metrics, value)} for label, value in groups.items()}
    measured = {
        **{"parameters": 728_194, "total_parameters": 2_184_584, "train": even, "val": even, "test": even},
        "by_own_label": {
            "male": row(precision=0.884, recall=0.882, f1=0.883),
            "female": row(precision=0.871, recall=0.874, f1=0.872),
        },
        "by_subgroup": {"decade": {"groups": decades, "statistics": {}}},
    }
    return {"attribute": "gender", "chosen": "cnn1", "models": {"cnn1": measured}}


def test_table_5_is_of_the_decades_from_20_to_79_and_table_6_of_the_reports_own_figures() -> None:
    labels = [f"{first}-{first + 9}" for first in range(0, 120, 10)]
    task = Task(column="decade", labels=labels, years={label: tuple(map(int, label.split("-"))) for label in labels})
    found = efrs_tables.tables(report({"10-19": 0.1, "20-29": 0.9, "70-79": 0.7, "80-89": 0.2}), {"decade": task})
    # The mean of 0.9 and 0.7; deviation √(0.1² + 0.1²).
    assert found["table_5"]["decade"]["accuracy"] == {"mean": 0.8, "std": 0.1414, "spread": 0.2}
    # The report, from unrounded figures: 0.014, 0.009, 0.012.
    theirs = {"precision": 0.014, "recall": 0.009, "f1": 0.012}
    assert found["table_6"]["relative_difference"] == pytest.approx(theirs, abs=0.001)
    assert "| precision | 0.884 | 0.871 | 0.015 |" in efrs_tables.markdown(found)


def cropped(root: Path, *, mislabelled: str) -> ProjectPaths:
    """The project's crops as the stage `crop` leaves them, and a roster with one wrong gender."""
    workspace = ProjectPaths(root)
    splits = pl.read_parquet(workspace.table("split", "splits"))
    box = {f"crop_{name}": name for name in ("x", "y", "width", "height")}
    size = {"image_width": pl.lit(CROP_PX), "image_height": pl.lit(CROP_PX)}
    schemas.write(schemas.FACES, splits.with_columns(**box, **size), workspace.table("crop", "faces"))
    lines = ["identity,name,race,gender,age"]
    for identity, (race, gender, age) in PEOPLE.items():
        other = {"Males": "Females", "Females": "Males"}[gender] if identity == mislabelled else gender
        lines.append(f"{identity},{identity},{race},{other},{age}")
    workspace.roster.parent.mkdir(exist_ok=True)
    workspace.roster.write_text("\n".join(lines))
    return workspace


def test_hints_name_the_faces_whose_roster_label_is_contradicted_before_anybody_reviewed(in_project: Path) -> None:
    workspace = cropped(in_project, mislabelled="eve")
    # No split and no classifier yet: the roster's own labels, out of fold.
    workspace.table("split", "splits").unlink()
    said = run("hints", "--attribute", "gender", "--model", "logistic", "--folds", "6", "--confidence", "0.6")
    assert "of 78 faces contradicted with a confidence of 0.6 or more (gender " in said
    found = schemas.read(schemas.HINTS, workspace.table("label", "hints"))
    assert found.columns == ["identity", "face_id", "attribute", "roster_label", "predicted", "confidence"]
    of_eve = found.filter(identity="eve")
    assert of_eve.height >= 9
    assert of_eve["roster_label"].unique().to_list() == ["Males"]
    assert found.height - of_eve.height <= of_eve.height
    assert (found["confidence"] >= 0.6).all()


def test_all_faces_of_people_that_a_classifier_was_fitted_on_are_predicted_by_others(
    in_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the test split too: a wrong label stands at all pictures of a person."""
    workspace, path = cropped(in_project, mislabelled="eve"), ProjectPaths(in_project).table("split", "splits")
    pl.read_parquet(path).filter(pl.col("identity") != "dan").write_parquet(path)
    run("fit", "--model", "logistic", "--attribute", "gender")
    fitted = label.load(workspace.stage("label") / "classifier.pt")[0].fitted_on
    assert fitted is not None
    assert fitted.people == set(PEOPLE) - {"dan"}
    # Five people's eight pictures that train and two that validate.
    assert len(fitted.images) == 50
    asked = asked_of_others(monkeypatch)
    run("hints", "--attribute", "gender", "--confidence", "0.5")
    assert len(asked) == 65
    assert set(asked) == fitted.people


def asked_of_others(patch: pytest.MonkeyPatch) -> list[str]:
    """The people of the faces that are predicted out of fold from now on, in place of predicting them."""
    found: list[str] = []

    def by_others(*arguments: object, **options: object) -> np.ndarray:
        assert options["name"] == "logistic"
        people, asked = arguments[4:]
        found.extend(np.asarray(people)[asked])
        return np.tile([0.9, 0.1], (np.count_nonzero(asked), 1))

    patch.setattr(roster_contradictions, "out_of_fold", by_others)
    return found


def test_a_person_that_another_project_calls_otherwise_is_known_by_any_picture(
    in_fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The buckets of a data set that names nobody are no people of the roster either."""
    cropped(in_fitted, mislabelled="eve")
    path = in_fitted / "build/label/classifier.pt"
    fitted = next(each for each in label.load(path) if each.attribute == "gender")
    assert fitted.fitted_on is not None
    label.save(path, [replace(fitted, fitted_on=replace(fitted.fitted_on, people=frozenset({"fairface-0"})))])
    asked = asked_of_others(monkeypatch)
    run("hints", "--attribute", "gender", "--confidence", "0.5")
    assert set(asked) == set(PEOPLE)
    assert len(asked) == 78


def fitted_on(*, people: Iterable[str] = (), images: Iterable[str] = ()) -> label.TrainingProvenance:
    return label.TrainingProvenance(frozenset(people), frozenset(images), "0" * 64)


def test_one_picture_that_was_seen_makes_all_of_its_person_seen() -> None:
    faces = pl.DataFrame({"identity": ["a", "b", "a", "c"], "image_id": ["1", "2", "3", "4"]})
    assert roster_contradictions.seen_in_training(fitted_on(images={"3"}), faces).tolist() == [True, False, True, False]
    assert roster_contradictions.seen_in_training(fitted_on(people={"b"}, images={"4"}), faces).tolist() == [
        False,
        True,
        False,
        True,
    ]
    assert not roster_contradictions.seen_in_training(fitted_on(people={"z"}, images={"9"}), faces).any()


def test_few_seen_people_are_predicted_in_the_folds_of_all_and_cost_one_training_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people, targets, pictures = eight_people()
    faces = pl.DataFrame({"identity": people, "image_id": [str(row) for row in range(32)]}).with_columns(
        x=pl.Series(["ab"[target] for target in targets])
    )
    split = np.where(np.arange(32) < 24, "train", "val")
    labeller = label.fit("x", ["a", "b"], pictures, targets, split, name="logistic", seed=0, epochs=1)
    labeller = replace(labeller, fitted_on=fitted_on(people={"p3"}))
    splits = watched_fits(monkeypatch)
    labels, options = {"x": ["a", "b"]}, {"name": "logistic", "folds": 4, "seed": 0, "epochs": 1}
    found = roster_contradictions.label_probabilities([labeller], labels, faces, pictures, **options)["x"]
    assert len(splits) == 1
    own = np.array(people) == "p3"
    assert (splits[0][own] == "test").all()
    np.testing.assert_array_equal(found[~own], labeller.probabilities(pictures[~own]))
    assert not np.allclose(found[own], labeller.probabilities(pictures[own]))


def as_before(path: Path) -> None:
    """The file as versions before wrote it, which kept face_ids alone."""
    content = torch.load(path, weights_only=True)
    for entry in content["labellers"]:
        for name in ("people", "images", "split_sha256"):
            del entry[name]
        entry["fitted_on"] = ["0" * 32]
    torch.save(content, path)


def test_a_classifier_of_an_older_version_still_labels_but_gives_no_hints(in_fitted: Path) -> None:
    cropped(in_fitted, mislabelled="eve")
    as_before(in_fitted / "build/label/classifier.pt")
    (in_fitted / "new").mkdir()
    cv2.imwrite(str(in_fitted / "new" / "ada.png"), drawn("ada", 90))
    assert "1 picture labelled" in run("predict", "new")
    with pytest.raises(BadInput, match="gender: fitted by an older version; run `mtf label fit`"):
        run("hints", "--attribute", "gender")
    said = run("fit", "--model", "logistic", "--attribute", "gender")
    assert "label race: left out, fitted by an older version; fit it again" in said


def test_fitting_one_attribute_keeps_the_others_that_are_of_the_same_split(in_fitted: Path) -> None:
    before = json.loads((in_fitted / "metrics/label/classifier.json").read_text())
    said = run("fit", "--model", "logistic", "--attribute", "gender")
    assert "label race: kept from before\nlabel age: kept from before\n" in said
    assert json.loads((in_fitted / "metrics/label/classifier.json").read_text()) == before
    assert [each.attribute for each in label.load(in_fitted / "build/label/classifier.pt")] == list(before)
    assert declared_plots(in_fitted) == {f"../../plots/label/roc-{name}.csv" for name in before}

    path = ProjectPaths(in_fitted).table("split", "splits")
    pl.read_parquet(path).filter(pl.col("identity") != "dan").write_parquet(path)
    said = run("fit", "--model", "logistic", "--attribute", "gender")
    assert "label race: left out, fitted by another split; fit it again" in said
    assert list(json.loads((in_fitted / "metrics/label/classifier.json").read_text())) == ["gender"]
    assert [each.attribute for each in label.load(in_fitted / "build/label/classifier.pt")] == ["gender"]
    # Figures of the other classifiers are neither declared nor written.
    assert declared_plots(in_fitted) == {"../../plots/label/roc-gender.csv"}
    assert [path.name for path in (in_fitted / "plots/label").iterdir()] == ["roc-gender.csv"]


def test_an_attribute_whose_figures_are_gone_is_left_out_and_said_to_be(in_fitted: Path) -> None:
    path = in_fitted / "metrics/label/classifier.json"
    figures = json.loads(path.read_text())
    path.write_text(json.dumps({"gender": figures["gender"]}))
    said = run("fit", "--model", "logistic", "--attribute", "gender")
    assert "label race: left out, metrics/label/classifier.json lacks its figures; fit it again" in said
    assert "kept" not in said

    path.unlink()
    said = run("fit", "--model", "logistic", "--attribute", "age")
    assert "metrics/label/classifier.json: no such figures; `mtf label fit` makes them" in said
    assert list(json.loads(path.read_text())) == ["age"]


def declared_plots(root: Path) -> set[str]:
    declared = yaml.safe_load((root / "metrics" / "label" / "dvc.yaml").read_text())
    return {name for plot in declared["plots"] for name in ([plot] if isinstance(plot, str) else plot)}


def eight_people() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Identities, numbers of labels and pictures, four of each person."""
    pictures = np.random.default_rng(0).integers(0, 256, (32, 48, 48), dtype=np.uint8)
    return [f"p{row // 4}" for row in range(32)], np.repeat(np.arange(8) % 2, 4), pictures


def watched_fits(patch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The splits of all that is fitted from now on."""
    splits: list[np.ndarray] = []
    fit = label.fit

    def watched(*arguments: object, **options: object) -> label.AttributeClassifier:
        splits.append(np.asarray(arguments[4]))
        return fit(*arguments, **options)

    patch.setattr(label, "fit", watched)
    return splits


def test_no_face_is_predicted_by_a_classifier_that_saw_its_person(monkeypatch: pytest.MonkeyPatch) -> None:
    people, targets, pictures = eight_people()
    splits = watched_fits(monkeypatch)
    options = {"name": "logistic", "folds": 4, "seed": 0, "epochs": 1}
    found = roster_contradictions.out_of_fold(
        "x", ["a", "b"], pictures, targets, people, np.ones(32, dtype=bool), **options
    )
    assert found.shape == (32, 2)
    assert sum((split == "test").sum() for split in splits) == 32
    for split in splits:
        tested = split == "test"
        assert not set(np.array(people)[tested]) & set(np.array(people)[~tested])


def test_a_classifier_of_other_labels_is_refused(in_fitted: Path) -> None:
    cropped(in_fitted, mislabelled="eve")
    raw = yaml.safe_load((in_fitted / "params.yaml").read_text())
    raw["tasks"]["gender"]["labels"] = ["Females", "Males"]
    (in_fitted / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(BadInput, match=r"classifier.pt attribute gender: \['Males', 'Females'\] is not permitted"):
        run("hints", "--attribute", "gender", "--classifier", "build/label/classifier.pt")


def test_fewer_people_than_folds_are_refused(in_project: Path) -> None:
    cropped(in_project, mislabelled="eve")
    with pytest.raises(BadInput, match="6 identities cannot be divided into 7 folds"):
        run("hints", "--attribute", "gender", "--folds", "7")


def test_networks_are_compared_on_faces_aligned_as_the_parameters_say(in_project: Path) -> None:
    params = in_project / "params.yaml"
    raw = yaml.safe_load(params.read_text())
    raw["train"]["alignment"] = "landmarks"
    params.write_text(yaml.safe_dump(raw))
    # These crops have no landmarks, which only the network would need.
    with pytest.raises(BadInput, match=r"train\.alignment: landmarks: face \w+ has none; choose a crop\.detector"):
        run("compare", "gender", "--epochs", "1", "--network", "small_cnn")
