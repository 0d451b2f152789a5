"""Store of fitted classifiers by the digest of all they depend on: what is finished is not fitted again."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from mtf.core.errors import BadInput
from mtf.label_classifier import labeller
from mtf.label_classifier.labeller import AttributeClassifier

DIGEST_LENGTH = 12


class FitStore:
    """Classifiers in the files `NAME-DIGEST.pt` of a folder, each as `labeller.save` writes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_or_fit(self, name: str, digest: str, fit: Callable[[Path], AttributeClassifier]) -> AttributeClassifier:
        """Classifier `name` with this `digest`: the stored one, or the one that `fit` returns.

        `fit` gets a path for the state of its training, which is removed when the classifier is stored. Classifiers of
        this name with another digest are removed first. A stored file that cannot be read is fitted again.
        """
        path = self._folder / f"{name}-{digest[:DIGEST_LENGTH]}.pt"
        state = path.with_suffix(".unfinished")
        self._folder.mkdir(parents=True, exist_ok=True)
        for other in self._folder.glob(f"{name}-{'[0-9a-f]' * DIGEST_LENGTH}.*"):
            if other not in (path, state):
                _remove(other)
        if path.is_file():
            try:
                kept = labeller.load(path)
            except BadInput as error:
                print(f"label: fitted again: {error}", file=sys.stderr)
            else:
                print(f"label {name}: kept from before", file=sys.stderr, flush=True)
                return kept[0]
        fitted = fit(state)
        labeller.save(path, [fitted])
        _remove(state)
        return fitted

    def remove(self) -> None:
        """Remove the store, as its classifiers are in another file."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
