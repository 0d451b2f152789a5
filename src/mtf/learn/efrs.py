"""The label classifier of EFRS: 48×48 grey pictures, logistic regression or one of three small CNNs (section 4).

The report's first convolution keeps 48×48, so its padding is 1 and not the 2 that the text says; with that, the
parameter counts are those of its Table 2. Its "total" column counts the optimizer's slots as well.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional

from mtf.errors import BadInput, bad_value

SIDE_PX = 48
HIDDEN = {"cnn1": [128], "cnn2": [1024], "cnn3": [128, 128]}
NAMES = ("logistic", *HIDDEN)
EPOCHS = 10
# The report names neither batch nor rate: these are the defaults of the libraries it uses (Keras, scikit-learn).
BATCH, LEARNING_RATE = 32, 0.001
MAX_ITERATIONS = 100


class LabelClassifier(Protocol):
    """Grey pictures (n, 48, 48) uint8 in, a probability per label out."""

    name: str
    history: list[dict[str, float]]
    # Of the refit; None where nothing is counted in epochs.
    epochs: int | None

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """(n, labels), rows summing to 1."""
        ...

    def state(self) -> dict[str, Any]:
        """What `restored` makes the classifier from again: tensors and plain values."""
        ...


def network(name: str, labels: int) -> nn.Module:
    """CNN model 1, 2 or 3 with one output per label; takes (n, 1, 48, 48) of 0 to 1."""
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
    """Trainable numbers of a classifier, and the report's "total" (Table 2): a CNN's and the two slots that its
    optimizer keeps for each, and two numbers of the optimizer's own.
    """
    if name == "logistic":
        trainable = (SIDE_PX**2 + 1) * (1 if labels == 2 else labels)
        return trainable, trainable
    with torch.device("meta"):
        trainable = sum(parameter.numel() for parameter in network(name, labels).parameters())
    return trainable, 3 * trainable + 2


@dataclass
class Logistic:
    """scikit-learn's logistic regression with its defaults, on grey levels of 0 to 1.

    `weights` (labels, 48 · 48) and `bias` (labels,). A label that no training picture bears has the bias -inf: its
    probability is 0.
    """

    weights: np.ndarray
    bias: np.ndarray
    name: str = "logistic"
    history: list[dict[str, float]] = field(default_factory=list)
    epochs: int | None = None

    @classmethod
    def fitted(cls, pictures: np.ndarray, targets: np.ndarray, *, labels: int) -> Logistic:
        with warnings.catch_warnings():
            # The defaults end after so many iterations, converged or not.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = LogisticRegression(max_iter=MAX_ITERATIONS).fit(_flat(pictures), targets)
        weights, bias = np.zeros((labels, SIDE_PX**2)), np.full(labels, -np.inf)
        # For two labels scikit-learn keeps one row: the second label's score, the first one's being 0.
        seen = found.classes_[1:] if len(found.classes_) == 2 else found.classes_
        bias[found.classes_[0]] = 0.0
        weights[seen], bias[seen] = found.coef_, found.intercept_
        return cls(weights, bias)

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        return torch.from_numpy(_flat(pictures) @ self.weights.T + self.bias).softmax(dim=1).numpy()

    def state(self) -> dict[str, Any]:
        return {"weights": torch.from_numpy(self.weights), "bias": torch.from_numpy(self.bias)}


@dataclass
class Cnn:
    name: str
    network: nn.Module
    history: list[dict[str, float]] = field(default_factory=list)
    epochs: int | None = None

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
) -> LabelClassifier:
    """Train by the report's protocol; pairs are pictures (n, 48, 48) uint8 and numbers of labels (n,).

    A CNN trains for `epochs`, then anew for as many epochs as gave the least validation loss. Its outputs go through
    a softmax; with the report's sigmoid the two outputs would not be a distribution. `history` has every epoch.

    Raises BadInput for an unknown classifier, and where the training pictures bear fewer than two labels.
    """
    if name not in NAMES:
        raise bad_value("label classifier", name, ", ".join(NAMES))
    if len(np.unique(train[1])) < 2:
        raise BadInput(f"label classifier {name}: the training pictures bear one label only; nothing to tell apart")
    if name == "logistic":
        return Logistic.fitted(*train, labels=labels)
    explored = _trained(name, train, val, labels=labels, seed=seed, epochs=epochs)
    least = int(np.argmin([epoch["val_loss"] for epoch in explored.history])) + 1
    refitted = _trained(name, train, None, labels=labels, seed=seed, epochs=least)
    return Cnn(name, refitted.network, explored.history, least)


def _trained(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray] | None,
    *,
    labels: int,
    seed: int,
    epochs: int,
) -> Cnn:
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(name, labels).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    order = torch.Generator().manual_seed(seed)
    pictures, targets = torch.from_numpy(train[0]), torch.from_numpy(train[1])
    history = []
    for _ in range(epochs):
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
        figures = {"train_loss": total / len(targets), "train_accuracy": right / len(targets)}
        if val is not None:
            probabilities = Cnn(name, model).probabilities(val[0])
            own = probabilities[np.arange(len(val[1])), val[1]].clip(1e-12)
            hits = probabilities.argmax(axis=1) == val[1]
            figures |= {"val_loss": float(-np.log(own).mean()), "val_accuracy": float(hits.mean())}
        history.append(figures)
    return Cnn(name, model, history)


def restored(name: str, state: dict[str, Any], labels: int) -> LabelClassifier:
    """Raises ValueError, KeyError or RuntimeError where `state` is of another classifier, or of other labels."""
    if name == "logistic":
        if tuple(state["weights"].shape) != (labels, SIDE_PX**2) or tuple(state["bias"].shape) != (labels,):
            raise ValueError(f"weights of the shape {tuple(state['weights'].shape)} for {labels} labels")
        return Logistic(state["weights"].numpy(), state["bias"].numpy())
    model = network(name, labels)
    model.load_state_dict(state)
    return Cnn(name, model.eval())


def grey(pictures: np.ndarray) -> np.ndarray:
    """(n, 48, 48, 3) uint8 RGB → (n, 48, 48) uint8, by the weights of ITU-R BT.601 as OpenCV uses them."""
    return np.rint(pictures @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _as_input(pictures: np.ndarray) -> torch.Tensor:
    return _scaled(torch.from_numpy(np.ascontiguousarray(pictures)))


def _scaled(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.unsqueeze(1).float().div_(255)


def _flat(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1).astype(np.float64) / 255


def to_bytes(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
