"""One trial: its specification, its key, its record."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labelnoise import names
from labelnoise._imports import is_own, pinned, without_hash
from labelnoise.data import DATASETS, entry
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, try_estimator
from labelnoise.training import FUNCTIONS, METHODS, Method, Settings, method, model, protocol, try_method

# Raise it with every change that alters what a trial computes; records of another protocol are not read.
PROTOCOL_VERSION = 2

SMOKE_IMAGES = 600

# Methods that give their T to others, each with where it takes the T that it starts from.
GIVEN_BY_METHODS = {name: recipe.starts_from for name, recipe in METHODS.items() if recipe.gives_transition}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is asked: a training under noise that is a pure function of these values.

    Two trials with the same seed share the split and the order of images (a refit has another, of more images), the
    flips where their data set and noise agree, and the initial weights where their model and classes agree. So
    methods are compared in pairs.

    The names of own losses and estimators get the hash of their source, so that they have other keys when it changes.
    """

    dataset: str  # a name in DATASETS
    noise: str  # a name that names.named reads, instance-RATE, instance-raw-RATE, or human
    model: str  # a name in MODELS
    method: str  # a name in METHODS, or module:name of an own loss
    # T: "true", a name in ESTIMATORS, module:name of an own one, a name in GIVEN_BY_METHODS, or "true, DISTORTION"
    transition: str | None = None
    seed: int
    settings: Settings
    images: int | None = None  # noisy images used, training and validation together; all by default
    trace: bool | None = None  # whether T is estimated after every epoch, too; for cross-entropy
    base: Settings | None = None  # of the trial that this one is given; its own by default
    refit: bool | None = None  # whether it learns from the validation images too, its settings being chosen by then
    options: tuple[tuple[str, float], ...] | None = None  # of the method's own, by name; its defaults otherwise

    def __post_init__(self) -> None:
        self._check_types()
        for name, what in (("method", "method"), ("transition", "estimator")):
            if is_own(getattr(self, name)):
                object.__setattr__(self, name, pinned(getattr(self, name), what))
        recipe = method(self.method)
        people = entry(self.dataset).people
        model(self.model)
        try_method(self.method, self.n_classes)
        self._check_transition(recipe)
        if self.noise != names.HUMAN:
            names.nominal_rate(self.noise, self.n_classes)
        elif people is None:
            having = [name for name, known in DATASETS.items() if known.people]
            raise InputError(f"{self.dataset} has no human labels; use one of: {', '.join(having)}.")
        if self.trace is not None and not (self.trace is True and self.method == "cross-entropy"):
            raise InputError(f"trace must be True, for cross-entropy only, or left out, not {self.trace!r}.")
        if self.refit is not None and not (self.refit is True and not recipe.folds):
            raise InputError(f"refit must be True, not for networks in folds, or left out, not {self.refit!r}.")
        if self.images is not None and (type(self.images) is not int or self.images < 10 * self.n_classes):
            raise InputError(f"images must be a whole number from {10 * self.n_classes} up, not {self.images!r}.")
        if recipe.needs_soft_labels and self.images is not None and self.images <= FUNCTIONS:
            raise InputError(f"{self.method} needs more than {FUNCTIONS} images for its graph, not {self.images}.")
        if self.base is not None and self.prerequisite() is None:
            raise InputError(f"{self.method} with T from {self.transition!r} is given no fit, so it takes no base.")
        self._check_options(recipe)

    def _check_transition(self, recipe: Method) -> None:
        if is_own(self.transition):
            try_estimator(str(self.transition), self.n_classes)
        learners = () if recipe.learns_transition or recipe.warm_start else tuple(GIVEN_BY_METHODS)
        sources = ("true", *ESTIMATORS, *learners) if recipe.needs_transition else (None,)
        if recipe.needs_transition and self.distortion:
            names.distorted(self.distortion, np.eye(self.n_classes), np.random.default_rng())
        elif self.transition not in sources and not (recipe.needs_transition and is_own(self.transition)):
            allowed = f"use one of: {', '.join(map(str, sources))}" if sources != (None,) else "it takes none"
            name, source = without_hash(self.method), self.transition and without_hash(self.transition)
            raise InputError(f"{name} can't take its transition matrix from {source!r}; {allowed}.")

    def _check_options(self, recipe: Method) -> None:
        known = [name for name, _ in self.options or ()]
        if self.options is not None and (not known or known != sorted({*known} & recipe.options.keys())):
            raise InputError(
                f"{self.method} has the options {', '.join(recipe.options) or '(none)'}; name them once each and in "
                f"order, or leave options out, not {self.options!r}."
            )

    def _check_types(self) -> None:
        """A key is made of the values as they are written, and seeds of how Python shows them.

        So 0 and 0.0 must not both stand for a seed, nor two kinds of text for a noise.
        """
        if type(self.seed) is not int or self.seed < 0:
            raise InputError(f"A seed must be a whole number from 0 up, not {self.seed!r}.")
        exact: dict[str, tuple[type, ...]] = dict.fromkeys(("dataset", "noise", "model", "method"), (str,))
        exact |= {"transition": (str, type(None)), "settings": (Settings,), "base": (Settings, type(None))}
        exact["options"] = (tuple, type(None))
        for name, kinds in exact.items():
            value = getattr(self, name)
            if type(value) not in kinds:
                raise InputError(f"{name} must be of type {kinds[0].__name__}, not {value!r}.")
        for option in self.options or ():
            typed = type(option) is tuple and [type(part) for part in option] == [str, float]
            if not typed or not 0 < option[1] < float("inf"):
                raise InputError(f"Each of options must be a tuple of a str and a positive float, not {option!r}.")

    @property
    def n_classes(self) -> int:
        return DATASETS[self.dataset].n_classes

    @property
    def distortion(self) -> str | None:
        """What is done to the true T before it is given (see `names.distorted`); None if nothing is."""
        return names.distortion(self.transition)

    @functools.cached_property
    def key(self) -> str:
        """16 hexadecimal digits; a field that is None is left out, so that new fields keep old keys."""

        def present(fields: list[tuple[str, Any]]) -> dict[str, Any]:
            return {name: value for name, value in fields if value is not None}

        text = json.dumps([PROTOCOL_VERSION, dataclasses.asdict(self, dict_factory=present)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def prerequisite(self) -> Trial | None:
        """The trial whose T or weights this one is given, if it needs one."""
        if self.transition in GIVEN_BY_METHODS:
            giver, source = self.transition, GIVEN_BY_METHODS[self.transition]
        elif self.transition in ESTIMATORS or is_own(self.transition) or method(self.method).warm_start:
            giver, source = "cross-entropy", None
        else:
            return None
        settings = self.base or self.settings
        return dataclasses.replace(
            self, method=giver, transition=source, settings=settings, base=None, trace=None, refit=None, options=None
        )


def trial(*, model: str, profile: str = "full", **fields: Any) -> Trial:
    """A trial on the paper's data with its model's default settings, unless told otherwise.

    Args:
        model: a name in `MODELS`.
        profile: "full", or "smoke" for one epoch on `SMOKE_IMAGES` images, to try the machinery.
        fields: the other fields of `Trial`.

    Raises:
        InputError: an unknown model or profile, or as `Trial`.
    """
    dataset = fields.pop("dataset", "fashion-mnist-3")
    settings = protocol(dataset, model, fields.get("method", "cross-entropy"))
    return in_profile(Trial(dataset=dataset, model=model, **({"settings": settings} | fields)), profile)


def in_profile(asked: Trial, profile: str) -> Trial:
    """The trial itself with the profile "full", and a tiny one in its place with "smoke" (see `trial`).

    Raises:
        InputError: an unknown profile.
    """
    if profile not in ("full", "smoke"):
        raise InputError(f"Unknown profile {profile!r}; use full or smoke.")
    if profile == "full":
        return asked
    settings = dataclasses.replace(asked.settings, epochs=1)
    base = dataclasses.replace(asked.base, epochs=1) if asked.base else None
    return dataclasses.replace(asked, images=SMOKE_IMAGES, settings=settings, base=base)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What came of a trial.

    Attributes:
        status: "done" or "failed".
        history: measurement to one value per epoch (see `training.Epoch`).
        best_epoch: index of the epoch with the lowest noisy validation loss; the last one of a refit.
        transition_matrices: "oracle"; for cross-entropy every estimator's T at the best epoch; for a
            method that learns T that one, by the method's name, and where it alternates the one of
            each round; for cross-fitting "NAME, held out" and "NAME, calibrated" of every estimator.
            Each of shape (n_classes, n_classes).
        deviations: name to the standard deviation of each entry of that T, as its interval has it.
        trace: estimator to its T after each epoch, where the trial asks for it.
        refitted_loss: of the noisy validation labels at the best epoch, once T and a temperature are fitted to it, in
            nats; None where there are none that were not learned from: with networks in folds, and in a refit.
        prob_quantiles: for cross-entropy, the `statistics.QUANTILES` of the predicted probability of noisy
            class j over the images of clean class i, shape (n_classes, n_classes, 5).
        weights_sha256: of the last weights, or of the best ones of the networks of all folds, so that two runs can be
            compared to the bit.
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
    deviations: Mapping[str, list[list[float]]] = field(default_factory=dict)
    trace: Mapping[str, list[list[list[float]]]] = field(default_factory=dict)
    refitted_loss: float | None = None
    prob_quantiles: list[list[list[float]]] = field(default_factory=list)
    weights_sha256: str = ""
    seconds: float = 0.0
    provenance: Mapping[str, str] = field(default_factory=dict)
    traceback: str = ""
    weights: bytes = field(default=b"", compare=False, repr=False)

    @property
    def complete(self) -> bool:
        """Whether the trial ended well."""
        return self.status == "done"

    def has(self, estimators: Collection[str]) -> bool:
        """Whether the record holds the T of each of these estimators, and its deviations if it reads probabilities."""
        asked = {*estimators}
        return asked <= self.transition_matrices.keys() and asked & ESTIMATORS.keys() <= self.deviations.keys()

    def to_json(self) -> dict[str, Any]:
        values = {"key": self.trial.key, **dataclasses.asdict(self)}
        del values["weights"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        fields = {name: value for name, value in values.items() if name != "key"}
        asked = fields["trial"]
        settings = {name: Settings(**asked[name]) for name in ("settings", "base") if asked.get(name)}
        options = {"options": tuple((name, value) for name, value in asked["options"])} if asked.get("options") else {}
        fields["trial"] = Trial(**{**asked, **settings, **options})
        return cls(**fields)
