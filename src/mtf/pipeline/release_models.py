"""Release of the trained networks as a bundle with model cards: `mtf release --models`.

In it are the networks for one task and for several, and those of the training sets of MTF's Table 9, if they have been
compared. A network is released only if it was trained on the present split, and if the policy for weights permits the
weights that touched it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files, markdown_tables
from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.gates import outcome
from mtf.release import documents

FOLDER = "released_models"
TEST_PARTS = {"own": "its own test part", "common": "the curated test part"}


@dataclass(frozen=True)
class ReleasedModel:
    """Network of a bundle.

    - `place`: its folder in the bundle;
    - `weights`: its file here;
    - `card`: text of its model card;
    - `network`, `tasks`, `trained_on`: for the bundle's table.
    """

    place: str
    weights: Path
    card: str
    network: str
    tasks: str
    trained_on: str


def run(workspace: ProjectPaths, params: Params, *, to: Path | None) -> None:
    """Write the bundle to the folder `to`, or to build/released_models, replacing the one before.

    Raises GateFailed if the gates do not hold, a network is missing or of another split, or the weights that touched
    one are not permitted; BadInput if `to` holds anything else.
    """
    outcome.refuse(workspace, params)
    target = to or workspace.stage(FOLDER)
    if target.exists() and not (target / documents.CHECKSUMS).is_file():
        raise BadInput(f"{target}: exists, and is no bundle of models; name a new folder")
    models = [*_single(workspace, params), *_shared(workspace, params), *_arms(workspace, params)]
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for model in models:
        folder = fresh / model.place
        folder.mkdir(parents=True)
        shutil.copyfile(model.weights, folder / "model.pt")
        atomic_files.write_text(folder / "card.md", model.card)
    atomic_files.write_text(fresh / "README.md", _readme(params, models))
    documents.write_checksums(fresh, {})
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    for model in models:
        print(f"  {model.place:40} {model.tasks}")
    print(f"release: {len(models)} models with their cards in {workspace.relative(target)}")


def _single(workspace: ProjectPaths, params: Params) -> Iterator[ReleasedModel]:
    """Networks for one task. Their cards have their figures once `mtf evaluate` has run."""
    from mtf.training import checkpoint

    for model in params.train.models:
        for task in params.train.tasks:
            folder = workspace.stage("models") / model / task
            _, info = checkpoint.load(_present(workspace, folder / "model.pt"))
            _check_weights(workspace, params, info.weights, info.weights_sha256)
            card = _card(workspace, folder / "card.md", workspace.stage("evaluate") / "cards" / model / f"{task}.md")
            yield ReleasedModel(f"{model}/{task}", folder / "model.pt", card, model, task, "the curated split")


def _shared(workspace: ProjectPaths, params: Params) -> Iterator[ReleasedModel]:
    """Networks for several tasks at once."""
    if params.multitask is None:
        return
    from mtf.core import torch_files

    for weighting in params.multitask.weightings:
        folder = workspace.stage("multitask") / weighting
        path = _present(workspace, folder / "model.pt")
        info = torch_files.read(path, wanted="a model of this version")["card"]
        _check_weights(workspace, params, info.get("weights"), info.get("weights_sha256"))
        tasks = ", ".join(params.multitask.tasks)
        network = f"{params.multitask.backbone}, {weighting}"
        card = _card(workspace, folder / "card.md")
        yield ReleasedModel(f"multitask/{weighting}", path, card, network, tasks, "the curated split")


def _arms(workspace: ProjectPaths, params: Params) -> Iterator[ReleasedModel]:
    """Networks of the training sets of MTF's Table 9."""
    from mtf.comparison import curation
    from mtf.evaluation import metrics, model_card
    from mtf.papers.mtf_tables import TRAINED_ON
    from mtf.training import checkpoint, weights_in_use

    for kept in curation.kept_models(workspace, params):
        _, info = checkpoint.load(kept.path)
        _check_weights(workspace, params, info.weights, info.weights_sha256)
        measured = model_card.QuantitativeAnalysis(
            images=sum(kept.faces["split"] == "test"),
            columns=metrics.FIGURES,
            rows={TEST_PARTS[part]: [scores[name] for name in metrics.FIGURES] for part, scores in kept.tests.items()},
        )
        parts = kept.faces.filter(kept.faces["split"].is_in(list(schemas.SPLITS)))
        pictures = model_card.TrainingData.of(parts, workspace.table("split", "splits"))
        card = model_card.markdown(
            model_card.ModelDetails.of(info, params.train.recipes.get(info.recipe)),
            replace(pictures, sha256=kept.digest),
            release=f"{params.project.title} {params.release.version}; training set: {TRAINED_ON[kept.arm].lower()}",
            measured=measured,
            weights=weights_in_use.of_network(params, info.weights, info.weights_sha256, root=workspace.root),
        )
        place = f"table-9/{kept.arm}/{kept.task}"
        yield ReleasedModel(place, kept.path, card, info.model, kept.task, TRAINED_ON[kept.arm].lower())


def _present(workspace: ProjectPaths, path: Path) -> Path:
    if not path.is_file():
        raise GateFailed(f"{workspace.relative(path)}: no such model; train it first (`dvc repro`)")
    return path


def _card(workspace: ProjectPaths, own: Path, evaluated: Path | None = None) -> str:
    """Card of a network: the one with figures if it is of the present split, else the one of the training.

    Raises GateFailed if the network was trained on another split.
    """
    digest = hashlib.sha256(workspace.table("split", "splits").read_bytes()).hexdigest()
    for path in (evaluated, own):
        text = path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
        if digest in text:
            return text
    raise GateFailed(
        f"{workspace.relative(own)}: of a network that was trained on another split; `dvc repro` trains it"
    )


def _check_weights(workspace: ProjectPaths, params: Params, weights: str | None, sha256: str | None) -> None:
    """Refuse a network that weights touched which the policy does not permit. Raises GateFailed."""
    from mtf.rights.audit import weights as audit
    from mtf.training import weights_in_use

    files = weights_in_use.of_network(params, weights, sha256, root=workspace.root)
    for finding in audit.audited(files, params):
        if finding.level == "error":
            raise GateFailed(f"release: {finding.name}: {finding.reason}. {finding.recommendation}")


def _readme(params: Params, models: list[ReleasedModel]) -> str:
    rows = [[f"[`{each.place}`]({each.place}/card.md)", each.network, each.tasks, each.trained_on] for each in models]
    table = markdown_tables.table(["Model", "Network", "Tasks", "Trained on"], rows)
    return f"""# Models of {params.project.title} {params.release.version}

Networks trained on this data set, each with its model card: what it predicts, what it was trained on and under which
licenses, its figures, also by group, and its limits. Read the card before you use one.

{table}
`model.pt` is a file of torch with tensors and plain values alone. It opens without running code of the file:

```python
from pathlib import Path
from mtf.training import checkpoint

network, about = checkpoint.load(Path("MODEL/TASK/model.pt"))  # multitask/: torch.load(FILE, weights_only=True)
```

`sha256sum --check SHA256SUMS` shows whether the files are whole. The networks learnt from pictures of people: a person
may withdraw, and a later release then has other networks.
"""
