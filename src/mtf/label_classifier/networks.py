"""Classifiers of EFRS, section 4: logistic regression and three small CNNs on grey pictures of 48 × 48.

The first convolution of the CNNs keeps 48 × 48, so its padding is 1 and not 2 as the text says; with that, the
parameter counts are those of Table 2. Its "total" column also counts the optimizer's slots.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional

from mtf.core import atomic_files, torch_files
from mtf.core.errors import BadInput, bad_value

SIDE_PX = 48


class InputPictures(NamedTuple):
    """Pictures that a classifier takes: (n, size_px, size_px) uint8 grey, or (n, size_px, size_px, 3) uint8 RGB."""

    size_px: int
    colour: bool


EFRS_PICTURES = InputPictures(SIDE_PX, colour=False)
HIDDEN = {"cnn1": [128], "cnn2": [1024], "cnn3": [128, 128]}
NAMES = ("logistic", *HIDDEN)
EPOCHS = 10
# The report names neither batch nor rate: these are the defaults of the libraries it uses (Keras, scikit-learn).
BATCH, LEARNING_RATE = 32, 0.001
MAX_ITERATIONS = 100


class LabelClassifier(Protocol):
    """Classifier of pictures.

    - `name`: one of `NAMES`, or a model of the registry of networks;
    - `history`: losses and accuracies of each epoch, empty for logistic regression;
    - `epochs`: epochs of the final training, None for logistic regression;
    - `takes`: the pictures that it takes.
    """

    name: str
    history: list[dict[str, float]]
    epochs: int | None

    @property
    def takes(self) -> InputPictures: ...

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """Probabilities (n, labels), each row summing to 1, of pictures as in `takes`."""
        ...

    def state(self) -> dict[str, Any]:
        """State from which `restored` makes the classifier again: tensors and plain values."""
        ...


def network(name: str, labels: int) -> nn.Module:
    """CNN model 1, 2 or 3: (n, 1, 48, 48), 0 to 1 → logits (n, labels)."""
    layers: list[nn.Module] = [
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
    ]
    width = 64 * 9 * 9
    for hidden in HIDDEN[name]:
        layers += [nn.Linear(width, hidden), nn.ReLU()]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, labels))


def parameters(name: str, labels: int) -> tuple[int, int]:
    """Number of trainable parameters, and the "total" of EFRS's Table 2.

    The total of a CNN includes two optimizer slots per parameter and two numbers of the optimizer itself.
    """
    if name == "logistic":
        trainable = (SIDE_PX**2 + 1) * (1 if labels == 2 else labels)
        return trainable, trainable
    with torch.device("meta"):
        trainable = sum(parameter.numel() for parameter in network(name, labels).parameters())
    return trainable, 3 * trainable + 2


@dataclass
class Logistic:
    """scikit-learn's logistic regression with its defaults, on grey levels from 0 to 1.

    - `weights`: (labels, 48 · 48);
    - `bias`: (labels,), -inf for a label without a training picture, whose probability is therefore 0.
    """

    weights: np.ndarray
    bias: np.ndarray
    name: str = "logistic"
    history: list[dict[str, float]] = field(default_factory=list)
    epochs: int | None = None

    @classmethod
    def fitted(cls, pictures: np.ndarray, targets: np.ndarray, *, labels: int) -> Logistic:
        """Logistic regression fitted on pictures (n, 48, 48) uint8 and label numbers (n,)."""
        with warnings.catch_warnings():
            # scikit-learn's default ends after 100 iterations, converged or not.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = LogisticRegression(max_iter=MAX_ITERATIONS).fit(_flat(pictures), targets)
        weights, bias = np.zeros((labels, SIDE_PX**2)), np.full(labels, -np.inf)
        # For two labels scikit-learn keeps one row: the logit of the second label, that of the first being 0.
        seen = found.classes_[1:] if len(found.classes_) == 2 else found.classes_
        bias[found.classes_[0]] = 0.0
        weights[seen], bias[seen] = found.coef_, found.intercept_
        return cls(weights, bias)

    @property
    def takes(self) -> InputPictures:
        return EFRS_PICTURES

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        return torch.from_numpy(_flat(pictures) @ self.weights.T + self.bias).softmax(dim=1).numpy()

    def state(self) -> dict[str, Any]:
        return {"weights": torch.from_numpy(self.weights), "bias": torch.from_numpy(self.bias)}


@dataclass
class Cnn:
    """One of EFRS's CNNs, with its history and the epochs of its final training."""

    name: str
    network: nn.Module
    history: list[dict[str, float]] = field(default_factory=list)
    epochs: int | None = None

    @property
    def takes(self) -> InputPictures:
        return EFRS_PICTURES

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
        self.network.to(device).eval()
        with torch.inference_mode():
            parts = [
                self.network(_as_input(pictures[start : start + 512]).to(device)).softmax(dim=1).cpu()
                for start in range(0, len(pictures), 512)
            ]
        return torch.cat(parts).numpy()

    def state(self) -> dict[str, Any]:
        return dict(self.network.to("cpu").state_dict())


def fit(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    *,
    labels: int,
    seed: int,
    epochs: int = EPOCHS,
    state: Path | None = None,
) -> LabelClassifier:
    """Classifier trained by EFRS's protocol; `train` and `val` are pictures (n, 48, 48) uint8 and label numbers (n,).

    A CNN trains for `epochs`, then again from the start for the number of epochs that had the lowest validation loss.
    Its outputs go through a softmax; with EFRS's sigmoid two outputs would not be a distribution. `history` has every
    epoch of the first training. `state` is a file for the state after each epoch, from which a training that was killed
    continues; the caller removes it.

    Raises BadInput for an unknown classifier, and if the training pictures have fewer than two labels.
    """
    if name not in NAMES:
        raise bad_value("label classifier", name, ", ".join(NAMES))
    if len(np.unique(train[1])) < 2:
        raise BadInput(f"label classifier {name}: the training pictures have only one label; at least two are needed")
    if name == "logistic":
        return Logistic.fitted(*train, labels=labels)
    kept = EpochState(state)
    explored = kept.finished
    if explored is None:
        explored = _trained(name, train, val, labels=labels, seed=seed, epochs=epochs, kept=kept).history
        kept.explored(explored)
    least = int(np.argmin([epoch["val_loss"] for epoch in explored])) + 1
    refitted = _trained(name, train, None, labels=labels, seed=seed, epochs=least, kept=kept)
    return Cnn(name, refitted.network, explored, least)


class EpochState:
    """State of a CNN's training after its last epoch, in the file `path`; without one, nothing is kept.

    - `finished`: history of the first training, None while it is going on;
    - `latest`: network, optimizer, order and history of the training that is going on, None before its first epoch.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.finished: list[dict[str, float]] | None = None
        self.latest: dict[str, Any] | None = None
        if path is not None and path.is_file():
            content = torch_files.read(path, wanted="the state of a training")
            self.finished, self.latest = content["finished"], content["latest"]

    def explored(self, history: list[dict[str, float]]) -> None:
        """The first training has ended."""
        self.finished, self.latest = history, None
        self._write()

    def keep(self, **latest: Any) -> None:
        """Keep the state after an epoch."""
        self.latest = latest
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            atomic_files.write_bytes(self._path, to_bytes({"finished": self.finished, "latest": self.latest}))


def _trained(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray] | None,
    *,
    labels: int,
    seed: int,
    epochs: int,
    kept: EpochState,
) -> Cnn:
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(name, labels).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    order = torch.Generator().manual_seed(seed)
    history: list[dict[str, float]] = []
    if (latest := kept.latest) is not None:
        model.load_state_dict(latest["network"])
        optimizer.load_state_dict(latest["optimizer"])
        order.set_state(latest["order"])
        history = latest["history"]
    for _ in range(len(history), epochs):
        figures = _trained_epoch(model, optimizer, order, train, device)
        if val is not None:
            figures |= _validated(Cnn(name, model), val)
        history.append(figures)
        kept.keep(
            network=model.state_dict(), optimizer=optimizer.state_dict(), order=order.get_state(), history=history
        )
    return Cnn(name, model, history)


def _trained_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
    train: tuple[np.ndarray, np.ndarray],
    device: torch.device,
) -> dict[str, float]:
    """Loss and accuracy of one epoch of training, in an order drawn from `order`."""
    pictures, targets = torch.from_numpy(train[0]), torch.from_numpy(train[1])
    model.train()
    total, right = 0.0, 0
    for batch in torch.randperm(len(targets), generator=order).split(BATCH):
        scores = model(_scaled(pictures[batch].to(device)))
        wanted = targets[batch].to(device)
        loss = functional.cross_entropy(scores, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(batch)
        right += int((scores.argmax(dim=1) == wanted).sum())
    return {"train_loss": total / len(targets), "train_accuracy": right / len(targets)}


def _validated(model: Cnn, val: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    probabilities = model.probabilities(val[0])
    own = probabilities[np.arange(len(val[1])), val[1]].clip(1e-12)
    hits = probabilities.argmax(axis=1) == val[1]
    return {"val_loss": float(-np.log(own).mean()), "val_accuracy": float(hits.mean())}


def restored(name: str, state: dict[str, Any], labels: int) -> LabelClassifier:
    """Classifier from its `state`.

    Raises ValueError, KeyError or RuntimeError if the state belongs to another classifier or number of labels.
    """
    if name == "logistic":
        if tuple(state["weights"].shape) != (labels, SIDE_PX**2) or tuple(state["bias"].shape) != (labels,):
            raise ValueError(f"weights of the shape {tuple(state['weights'].shape)} for {labels} labels")
        return Logistic(state["weights"].numpy(), state["bias"].numpy())
    model = network(name, labels)
    model.load_state_dict(state)
    return Cnn(name, model.eval())


def grey(pictures: np.ndarray) -> np.ndarray:
    """Grey pictures (n, 48, 48) uint8 of RGB ones (n, 48, 48, 3) uint8, by the weights of ITU-R BT.601 as in OpenCV."""
    return np.rint(pictures @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _as_input(pictures: np.ndarray) -> torch.Tensor:
    return _scaled(torch.from_numpy(np.ascontiguousarray(pictures)))


def _scaled(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.unsqueeze(1).float().div_(255)


def _flat(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1).astype(np.float64) / 255


def to_bytes(content: dict[str, Any]) -> bytes:
    """Bytes of `content` as `torch.save` writes it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
