"""Weights that touch a project's trainings, with those that touched their pictures.

Apart from `weight_files`, which a training reads: it need not be done again when an embedding changes.
"""

from __future__ import annotations

from pathlib import Path

from mtf.config import PRETRAINED, Params
from mtf.faces import weights_in_use
from mtf.faces.model_files import INITIAL, ModelFile, of_path, own, with_digest
from mtf.faces.networks.public_facenet import VGGFACE2
from mtf.training.weight_files import IMAGENET


def of_project(params: Params, *, root: Path) -> list[ModelFile]:
    """Entries of all weights that touch the data of a project, each once. Raises BadInput as `of_faces` does."""
    faces = weights_in_use.of_faces(params.crop, params.screen, root=root)
    return list(dict.fromkeys([*faces, *of_trainings(params, root=root)]))


def of_network(params: Params, weights: str | None, sha256: str | None, *, root: Path) -> list[ModelFile]:
    """Entries of all weights that touched a trained network or its pictures.

    `weights`, `sha256`: name and digest of the file that its training started from, None if it started at random.

    Raises BadInput as `weights_in_use.of_faces` does.
    """
    faces = weights_in_use.of_faces(params.crop, params.screen, root=root)
    if weights is None or sha256 is None:
        return faces
    initial = with_digest(sha256) or own(Path(weights), INITIAL, sha256=sha256)
    return list(dict.fromkeys([*faces, initial]))


def of_trainings(params: Params, *, root: Path) -> list[ModelFile]:
    """Entries of the files that the trainings of params.yaml start from, each once."""
    chosen = [(model, params.train.weights.get(model)) for model in params.train.models]
    if params.multitask is not None:
        chosen.append((params.multitask.backbone, params.multitask.weights))
    return list(dict.fromkeys(entry for model, local in chosen for entry in _of_model(model, local, root=root)))


def _of_model(model: str, local: str | None, *, root: Path) -> list[ModelFile]:
    published = IMAGENET[model.removesuffix(PRETRAINED)] if model.endswith(PRETRAINED) else VGGFACE2
    if local is not None:
        return [of_path(root / local, published)]
    return [published] if model.endswith(PRETRAINED) else []
