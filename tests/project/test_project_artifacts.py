"""DVC artifacts: the release and every model of params.yaml, fetched by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from mtf import config
from mtf.core.errors import BadInput
from mtf.project import artifacts, parameter_checks, templates
from projects import ROOT, clone, merged, run_in

pytestmark = pytest.mark.dvc

MORE = {"train": {"models": ["alexnet", "small_cnn"]}, "multitask": {"weightings": ["equal", "dwa"]}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """dvc.yaml of the repository, and its parameters with one more model and one more weighting."""
    (tmp_path / "dvc.yaml").write_text(templates.text(templates.PIPELINE))
    params = merged(yaml.safe_load(templates.text(templates.PARAMS)), MORE)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def read(project: Path) -> dict[str, str]:
    """Artifact → path, as DVC reads dvc.yaml."""
    return {name: each.path for name, each in Repo(str(project)).artifacts.read()["dvc.yaml"].items()}


def test_every_model_becomes_an_artifact_and_one_added_by_hand_stays(project: Path) -> None:
    Repo.init(str(project), no_scm=True).close()
    text = (project / "dvc.yaml").read_text()
    by_hand = "  small_cnn/mine:\n    path: build/models/mine.pt\n    type: model\n"
    (project / "dvc.yaml").write_text(text + by_hand)
    settings = config.load(project / "params.yaml")
    missing = [f"small_cnn/{task}" for task in settings.train.tasks] + ["multitask/dwa"]
    assert artifacts.difference(project, settings) == artifacts.Difference(tuple(missing), ())
    assert artifacts.write(project, settings).missing == tuple(missing)
    found = read(project)
    assert list(found) == ["release", *settings.train.tasks, "multitask", "small_cnn/mine", *missing]
    assert found["race"] == "build/models/alexnet/race/model.pt"
    assert found["small_cnn/race"] == "build/models/small_cnn/race/model.pt"
    assert found["multitask/dwa"] == "build/multitask/dwa/model.pt"
    made = {Path(out.fs_path) for out in Repo(str(project)).index.outs}
    assert all({project / path, (project / path).parent} & made for name, path in found.items() if "mine" not in name)

    sample = config.parse(yaml.safe_load(templates.text(templates.PARAMS)))
    assert artifacts.write(project, sample).superfluous == tuple(missing)
    assert (project / "dvc.yaml").read_text() == text + by_hand


def test_a_model_of_any_name_and_the_release_are_fetched_by_name(tmp_path: Path) -> None:
    """The recorded run has trained small_cnn, and its objects lie in the repository's own remote."""
    project = clone(tmp_path / "project")
    params = merged(yaml.safe_load((project / "params.yaml").read_text()), MORE)
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    settings = config.load(project / "params.yaml")
    said = [each.detail for each in parameter_checks.artifact_findings(project, settings)]
    assert said[-1] == "no artifact multitask/dwa for that model of params.yaml; `mtf deps --write` writes it"
    artifacts.write(project, settings)
    assert [*parameter_checks.artifact_findings(project, settings)] == []
    run_in(project, "git", "commit", "-q", "-a", "-m", "One more model")
    for tag in ("small_cnn/race@v1.0.0", "release@v0.1.0"):
        run_in(project, "git", "tag", "-a", tag, "-m", "Fetched by name")
    run_in(tmp_path, "dvc", "artifacts", "get", str(project), "small_cnn/race", "-o", "race.pt")
    run_in(tmp_path, "dvc", "artifacts", "get", str(project), "release", "--rev", "v0.1.0", "-o", "release")
    assert (tmp_path / "race.pt").stat().st_size > 100_000
    assert (tmp_path / "release" / "SHA256SUMS").is_file()


def test_two_tasks_that_come_to_one_name_are_refused() -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["tasks"] |= {"hair style": raw["tasks"]["gender"], "hair-style": raw["tasks"]["gender"]}
    raw["train"]["tasks"] = ["hair style", "hair-style"]
    with pytest.raises(BadInput, match="'hair-style' and another network come to the artifact 'hair-style'"):
        artifacts.of_models(config.parse(raw))
