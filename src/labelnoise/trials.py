"""One trial: its specification, its key, its record."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labelnoise import data, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS
from labelnoise.methods import method
from labelnoise.models import MODELS
from labelnoise.training import Settings

# Raise it with every change that alters what a trial computes; records of another protocol are not read.
PROTOCOL_VERSION = 2

SMOKE_IMAGES = 600

# One setting a network, for every method, chosen by noisy validation loss (benchmarks/protocol.py).
PROTOCOL: dict[str, Settings] = {
    "lenet": Settings(epochs=8, batch_size=256, learning_rate=1e-3, weight_decay=1e-2, precision="bfloat16"),
    "alexnet": Settings(epochs=8, batch_size=256, learning_rate=6e-4, weight_decay=1e-2, precision="bfloat16"),
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
    base: Settings | None = None  # of the cross-entropy fit that this trial is given; its own by default

    def __post_init__(self) -> None:
        if self.dataset not in data.DATASETS:
            raise InputError(f"Unknown data set {self.dataset!r}; use one of: {', '.join(data.DATASETS)}.")
        if self.model not in MODELS:
            raise InputError(f"Unknown model {self.model!r}; use one of: {', '.join(MODELS)}.")
        sources = ("true", *ESTIMATORS) if method(self.method).needs_transition else (None,)
        if self.transition not in sources:
            allowed = f"use one of: {', '.join(map(str, sources))}" if sources != (None,) else "it takes none"
            raise InputError(f"{self.method} can't take its transition matrix from {self.transition!r}; {allowed}.")
        transitions.named(self.noise, self.n_classes)
        # A key is made of these values as they are written, so 0 and 0.0 must not both stand for a seed.
        if type(self.seed) is not int or self.seed < 0:
            raise InputError(f"A seed must be a whole number from 0 up, not {self.seed!r}.")
        if self.base is not None and self.prerequisite() is None:
            raise InputError(f"{self.method} with T from {self.transition!r} is given no fit, so it takes no base.")
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
        """The cross-entropy trial whose estimate of T or weights this one is given, if it needs one."""
        if self.transition in ESTIMATORS or method(self.method).warm_start:
            settings = self.base or self.settings
            return dataclasses.replace(self, method="cross-entropy", transition=None, settings=settings, base=None)
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
        settings = dataclasses.replace(asked.settings, epochs=1)
        base = dataclasses.replace(asked.base, epochs=1) if asked.base else None
        return dataclasses.replace(asked, images=SMOKE_IMAGES, settings=settings, base=base)
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
        prob_quantiles: for cross-entropy, the `running.PROB_QUANTILES` of the predicted probability of noisy
            class j over the images of clean class i, shape (n_classes, n_classes, 5).
        weights_sha256: of the last weights, so that two runs can be compared to the bit.
        seconds: wall time on one thread.
        provenance: processor, versions and date.
        traceback: of a failed trial.
        weights: of a cross-entropy fit at its best epoch, as safetensors. They are kept in a file
            beside the ledger, and missing where a record was made on another machine.
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
    weights: bytes = field(default=b"", compare=False, repr=False)

    @property
    def complete(self) -> bool:
        """Whether the trial ended well, with a T from every estimator if they can read it."""
        wanted = ESTIMATORS if self.trial.method == "cross-entropy" else {}
        return self.status == "done" and wanted.keys() <= self.transition_matrices.keys()

    def to_json(self) -> dict[str, Any]:
        values = {"key": self.trial.key, **dataclasses.asdict(self)}
        del values["weights"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        fields = {name: value for name, value in values.items() if name != "key"}
        asked = fields["trial"]
        settings = {name: Settings(**asked[name]) for name in ("settings", "base") if asked.get(name)}
        fields["trial"] = Trial(**{**asked, **settings})
        return cls(**fields)
