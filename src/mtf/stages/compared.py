"""What comparisons share: names that are known, trainings to do, and digests of the faces they are done on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import shards
from mtf.errors import bad_value, listed
from mtf.fingerprint import fingerprint
from mtf.params import MODELS, Params
from mtf.workspace import Workspace

if TYPE_CHECKING:
    from mtf.learn.runs import Runs
    from mtf.learn.trial import Matter, Trial


# Of metrics/, where comparisons keep their figures.
FOLDER = "compare"


def check_names(params: Params, *, model: str, tasks: Sequence[str], recipes: Sequence[str]) -> None:
    """Raises BadInput for a name that params.yaml does not have."""
    if model not in MODELS:
        raise bad_value("--model", model, ", ".join(MODELS))
    for option, names, known in (("--task", tasks, params.tasks), ("--recipes", recipes, params.train.recipes)):
        for name in names:
            if name not in known:
                raise bad_value(option, name, f"of params.yaml: {listed(known, 20)}")


def trials(workspace: Workspace, params: Params, *, model: str, recipe: str, seeds: int) -> list[Trial]:
    """One per seed, from params.yaml's seed on."""
    from mtf.learn.trial import Trial

    local = params.train.weights.get(model)
    return [
        Trial(
            model=model,
            recipe_name=recipe,
            recipe=params.train.recipes[recipe],
            seed=params.seed + number,
            input_px=params.train.input_px,
            weights=workspace.root / local if local else None,
            device_count=params.compute.devices,
        )
        for number in range(seeds)
    ]


def digest_of_faces(faces: pl.DataFrame, columns: Sequence[str], crops: Path) -> str:
    """Of what is learned from: which faces, what `columns` say of them, and the shards that hold their pictures."""
    identities = faces["identity"].unique().sort().to_list()
    pictures = {identity: shards.digest_of(crops / f"{identity}.tar") for identity in identities}
    said = dict.fromkeys(["identity", "face_id", *columns])
    rows = faces.select(*said).sort(*said).write_csv()
    return fingerprint(rows, pictures)


def trained(kept: Runs, trials: Sequence[Trial], matter: Matter, *, name: str) -> list[dict[str, Any]]:
    """The figures of each trial on `matter`, from `kept` where they stand there and hold."""
    figures = []
    for trial in trials:
        run, digest = f"{name}/{trial.seed}", trial.digest(matter)
        # Beside the table, which may go into a file.
        print(f"compare {run}: {'kept from before' if kept.holds(run, digest) else 'training'}", file=sys.stderr)
        figures.append(kept.once(run, digest, partial(trial.run, matter)))
    return figures
