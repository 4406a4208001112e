"""One trial: its specification, its key, running it, its record."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelnoise import data, noise, provenance, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS
from labelnoise.methods import method
from labelnoise.models import MODELS, build
from labelnoise.training import Fit, Settings, Split, as_columns, fit, predict_probs

# Raise it with every change that alters what a trial computes; records of another protocol are not read.
PROTOCOL_VERSION = 1

VALIDATION_SHARE = 0.2  # of the noisy images
SMOKE_IMAGES = 600
PROB_QUANTILES = (0.03, 0.25, 0.5, 0.75, 0.97)

# One setting a network, for every method, chosen by noisy validation loss (benchmarks/protocol.py).
PROTOCOL: dict[str, Settings] = {
    "lenet": Settings(epochs=8, batch_size=128, learning_rate=1e-3, weight_decay=1e-2),
    "alexnet": Settings(epochs=8, batch_size=128, learning_rate=3e-4, weight_decay=1e-2, precision="bfloat16"),
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is asked: a training under noise that is a pure function of these values.

    Two trials with the same seed share the split and the order of images, the flips where their
    data set and noise agree, and the initial weights where their model and classes agree. So
    methods are compared in pairs.
    """

    dataset: str  # a name in data.DATASETS
    noise: str  # a name that transitions.named reads
    model: str  # a name in models.MODELS
    method: str  # a name in methods.METHODS
    transition: str | None = None  # where the method's T comes from: "true", or a name in estimators.ESTIMATORS
    seed: int
    settings: Settings
    images: int | None = None  # noisy images used, training and validation together; all by default

    def __post_init__(self) -> None:
        if self.dataset not in data.DATASETS:
            raise InputError(f"Unknown data set {self.dataset!r}; use one of: {', '.join(data.DATASETS)}.")
        if self.model not in MODELS:
            raise InputError(f"Unknown model {self.model!r}; use one of: {', '.join(MODELS)}.")
        sources = ("true", *ESTIMATORS) if method(self.method).needs_transition else (None,)
        if self.transition not in sources:
            raise InputError(
                f"{self.method} can't take its transition matrix from {self.transition!r}; "
                f"use one of: {', '.join(map(str, sources))}."
            )
        transitions.named(self.noise, self.n_classes)
        # A key is made of these values as they are written, so 0 and 0.0 must not both stand for a seed.
        if type(self.seed) is not int or self.seed < 0:
            raise InputError(f"A seed must be a whole number from 0 up, not {self.seed!r}.")
        if self.images is not None and (type(self.images) is not int or self.images < 10 * self.n_classes):
            raise InputError(f"images must be a whole number from {10 * self.n_classes} up, not {self.images!r}.")

    @property
    def n_classes(self) -> int:
        return len(data.DATASETS[self.dataset])

    @property
    def key(self) -> str:
        """16 hexadecimal digits; a field that is None is left out, so that new fields keep old keys."""
        fields = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        text = json.dumps([PROTOCOL_VERSION, fields], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def prerequisite(self) -> Trial | None:
        """The cross-entropy trial whose estimate of T this one is given, if it needs one."""
        if self.transition in ESTIMATORS:
            return dataclasses.replace(self, method="cross-entropy", transition=None)
        return None


def trial(*, model: str, profile: str = "full", **fields: Any) -> Trial:
    """A trial on the paper's data with its model's published settings, unless told otherwise.

    Args:
        model: a name in models.MODELS.
        profile: "full", or "smoke" for one epoch on `SMOKE_IMAGES` images, to try the machinery.
        fields: the other fields of `Trial`.

    Raises:
        InputError: an unknown model or profile, or as `Trial`.
    """
    if model not in MODELS:
        raise InputError(f"Unknown model {model!r}; use one of: {', '.join(MODELS)}.")
    if profile not in ("full", "smoke"):
        raise InputError(f"Unknown profile {profile!r}; use full or smoke.")
    defaults: dict[str, Any] = {"dataset": "fashion-mnist-3", "settings": PROTOCOL[model]}
    asked = Trial(model=model, **(defaults | fields))
    if profile == "smoke":
        return dataclasses.replace(asked, images=SMOKE_IMAGES, settings=dataclasses.replace(asked.settings, epochs=1))
    return asked


@dataclass(frozen=True, kw_only=True)
class Record:
    """What came of a trial.

    Attributes:
        status: "done" or "failed".
        history: measurement to one value an epoch (see `training.Epoch`).
        best_epoch: index of the epoch with the lowest noisy validation loss.
        transition_matrices: "oracle", and for cross-entropy every estimator's T at the best epoch,
            each of shape (n_classes, n_classes).
        prob_quantiles: for cross-entropy, the `PROB_QUANTILES` of the predicted probability of noisy
            class j over the images of clean class i, shape (n_classes, n_classes, 5).
        weights_sha256: of the last weights, so that two runs can be compared to the bit.
        seconds: wall time on one thread.
        provenance: processor, versions and date.
        traceback: of a failed trial.
    """

    trial: Trial
    status: str = "done"
    history: Mapping[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    transition_matrices: Mapping[str, list[list[float]]] = field(default_factory=dict)
    prob_quantiles: list[list[list[float]]] = field(default_factory=list)
    weights_sha256: str = ""
    seconds: float = 0.0
    provenance: Mapping[str, str] = field(default_factory=dict)
    traceback: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"key": self.trial.key, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        fields = {name: value for name, value in values.items() if name != "key"}
        settings = Settings(**fields["trial"]["settings"])
        fields["trial"] = Trial(**{**fields["trial"], "settings": settings})
        return cls(**fields)


def derive_seed(*parts: object) -> int:
    """A seed that depends on these values and nothing else."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@functools.cache
def _dataset(name: str) -> data.Dataset:
    return data.load(name)


@dataclass(frozen=True)
class Prepared:
    """The splits of a trial, and the T that its labels were corrupted with, (n_classes, n_classes)."""

    train: Split
    validation: Split
    test: Split
    transition_matrix: transitions.Matrix

    @property
    def noisy(self) -> Split:
        """Training and validation images together: all that an estimator may read."""
        both = zip(dataclasses.astuple(self.train), dataclasses.astuple(self.validation), strict=True)
        return Split(*(torch.cat(pair) for pair in both))


def corrupted_labels(dataset: str, noise_name: str, seed: int) -> noise.Labels:
    """The noisy labels of all training images that trials with this data set, noise and seed have, shape (n,)."""
    clean = _dataset(dataset)
    generator = np.random.default_rng(derive_seed("flips", dataset, noise_name, seed))
    return noise.corrupt(clean.train_labels, transitions.named(noise_name, clean.n_classes), generator)


def prepare(trial: Trial, device: str = "cpu") -> Prepared:
    """Load, corrupt, split and normalise: images get the mean 0 and deviation 1 of the training ones."""
    dataset = _dataset(trial.dataset)
    order = np.random.default_rng(derive_seed("split", trial.dataset, trial.seed))
    chosen = order.permutation(len(dataset.train_labels))[: trial.images]
    noisy_labels = corrupted_labels(trial.dataset, trial.noise, trial.seed)

    held_out = round(VALIDATION_SHARE * len(chosen))
    train_rows, validation_rows = chosen[held_out:], chosen[:held_out]
    pixels = dataset.train_images[train_rows].float()
    mean, deviation = pixels.mean(), pixels.std()

    def split(images: Tensor, noisy: noise.Labels, clean: noise.Labels) -> Split:
        labels = (torch.from_numpy(noisy), torch.from_numpy(clean))
        return Split(*(t.to(device) for t in ((images.float() - mean) / deviation, *labels)))

    def rows(index: np.ndarray) -> Split:
        return split(dataset.train_images[index], noisy_labels[index], dataset.train_labels[index])

    test = split(dataset.test_images, dataset.test_labels, dataset.test_labels)
    matrix = transitions.named(trial.noise, dataset.n_classes)
    return Prepared(rows(train_rows), rows(validation_rows), test, matrix)


def initial_model(trial: Trial, device: str = "cpu") -> nn.Module:
    """The network of a trial before its first step."""
    channels, size = _dataset(trial.dataset).train_images.shape[1:3]
    seed = derive_seed("weights", trial.model, trial.n_classes, trial.seed)
    return build(trial.model, trial.n_classes, channels, size, seed=seed).to(device)


def train(trial: Trial, prepared: Prepared, given: Record | None = None) -> Fit:
    """Train as the trial says; `given` is the record of its prerequisite."""
    matrix: transitions.Matrix | None = None
    if trial.transition == "true":
        matrix = prepared.transition_matrix
    elif trial.transition is not None:
        if given is None or given.trial != trial.prerequisite() or given.status != "done":
            raise InputError(f"Trial {trial.key} needs the record of its cross-entropy trial; run that one first.")
        matrix = np.array(given.transition_matrices[trial.transition])
    device = prepared.train.images.device.type
    return fit(
        initial_model(trial, device),
        method(trial.method).make_loss(matrix).to(device),
        prepared.train,
        prepared.validation,
        prepared.test,
        trial.settings,
        seed=derive_seed("order", trial.dataset, trial.seed),
    )


def run(trial: Trial, given: Record | None = None, device: str = "cpu") -> Record:
    """Run a trial from its specification to its record.

    Args:
        trial: what to run.
        given: the record of ``trial.prerequisite()``, where it has one.
        device: "cpu", on one thread, or "cuda".

    Raises:
        InputError: the prerequisite's record is missing.
    """
    start = time.perf_counter()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        prepared = prepare(trial, device)
        done = train(trial, prepared, given)
        matrices, quantiles = _read_noise(trial, prepared.noisy, done)
    finally:
        torch.set_num_threads(threads)
    return Record(
        trial=trial,
        history={name: np.round(values, 6).tolist() for name, values in as_columns(done.history).items()},
        best_epoch=done.best_epoch,
        transition_matrices={name: np.round(matrix, 10).tolist() for name, matrix in matrices.items()},
        prob_quantiles=np.round(quantiles, 4).tolist(),
        weights_sha256=_digest(done.model),
        seconds=round(time.perf_counter() - start, 2),
        provenance=provenance.here(device),
    )


def _read_noise(trial: Trial, noisy: Split, done: Fit) -> tuple[dict[str, transitions.Matrix], np.ndarray]:
    clean_labels, noisy_labels = noisy.clean_labels.cpu().numpy(), noisy.noisy_labels.cpu().numpy()
    matrices = {"oracle": noise.oracle(clean_labels, noisy_labels, trial.n_classes)}
    if trial.method != "cross-entropy":
        return matrices, np.empty(0)
    pred_probs = predict_probs(done.best_model, noisy.images, trial.settings.precision)
    matrices |= {name: estimate(pred_probs, noisy_labels) for name, estimate in ESTIMATORS.items()}
    by_class = [np.quantile(pred_probs[clean_labels == i], PROB_QUANTILES, axis=0).T for i in range(trial.n_classes)]
    return matrices, np.stack(by_class)


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for parameter in model.state_dict().values():
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
