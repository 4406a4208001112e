"""Running one trial: a pure function from its specification to its record."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from labelnoise import data, noise, provenance, transitions
from labelnoise.alternation import CrossFit, alternate, cross_fit
from labelnoise.calibration import scaled, temperature
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.intervals import bootstrap_deviation
from labelnoise.methods import method
from labelnoise.models import build
from labelnoise.training import Fit, Split, as_columns, fit, predict_features, predict_probs
from labelnoise.trials import Record, Trial

Matrices = dict[str, transitions.Matrix]

VALIDATION_SHARE = 0.2  # of the noisy images
ROUNDS = (0.75, 0.375, 0.375)  # of a method that alternates: epochs of each, as shares of the trial's
RESAMPLES = 40  # for the deviation of an estimate, known by them to 11 %
PROB_QUANTILES = (0.03, 0.25, 0.5, 0.75, 0.97)


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

    test = split(dataset.test_images[:], dataset.test_labels, dataset.test_labels)
    matrix = transitions.named(trial.noise, dataset.n_classes)
    return Prepared(rows(train_rows), rows(validation_rows), test, matrix)


def initial_model(trial: Trial, device: str = "cpu", fold: int | None = None) -> nn.Module:
    """The network of a trial before its first step; where it trains one a fold, that of a fold."""
    channels, size = _dataset(trial.dataset).train_images.shape[1:3]
    folds = () if fold is None else (fold,)
    seed = derive_seed("weights", trial.model, trial.n_classes, trial.seed, *folds)
    return build(trial.model, trial.n_classes, channels, size, seed=seed).to(device)


def start(trial: Trial, prepared: Prepared, given: Record | None = None) -> tuple[nn.Module, transitions.Matrix | None]:
    """The network that a trial begins with and the T that it is given, if any.

    `given` is the record of its prerequisite, with weights for a warm start.
    """
    needed, recipe = trial.prerequisite(), method(trial.method)
    model = initial_model(trial, prepared.train.images.device.type)
    matrix = prepared.transition_matrix if trial.transition == "true" else None
    if needed:
        if given is None or given.trial != needed or not given.complete or (recipe.warm_start and not given.weights):
            what = "record and weights" if recipe.warm_start else "record"
            raise InputError(f"Trial {trial.key} needs the {what} of its {needed.method} trial; run that one first.")
        if trial.transition is not None and trial.transition != "true":
            matrix = np.array(given.transition_matrices[trial.transition])
        if recipe.warm_start:
            model.load_state_dict(load(given.weights))
    return model, matrix


def train(
    trial: Trial,
    prepared: Prepared,
    given: Record | None = None,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> Fit:
    """Train as the trial says; `given` as in `start`."""
    model, matrix = start(trial, prepared, given)
    return fit(
        model,
        method(trial.method).make_loss(matrix, trial.n_classes).to(prepared.train.images.device),
        prepared.train,
        prepared.validation,
        prepared.test,
        trial.settings,
        seed=derive_seed("order", trial.dataset, trial.seed),
        after_epoch=after_epoch,
    )


def in_folds(trial: Trial, prepared: Prepared, given: Record | None = None) -> tuple[CrossFit, Matrices, Matrices]:
    """Train a network a fold as the trial says: the fits, T by name, and the deviations of some of these.

    A method that alternates has the rounds of `ROUNDS`.
    """
    _, matrix = start(trial, prepared, given)
    recipe, device = method(trial.method), prepared.train.images.device.type
    networks = [initial_model(trial, device, fold) for fold in range(recipe.folds)]
    seed = derive_seed("order", trial.dataset, trial.seed)
    if matrix is not None:
        settings = trial.settings
        rounds = [dataclasses.replace(settings, epochs=math.ceil(share * settings.epochs)) for share in ROUNDS]
        turns = alternate(networks, prepared.noisy, prepared.test, matrix, rounds, seed=seed)
        found = {f"round-{k}": each for k, each in enumerate(turns.matrices, 1)}
        found[trial.method] = turns.transition_matrix
        return turns.fit, found, {trial.method: turns.deviation}
    loss = recipe.make_loss(None, trial.n_classes)
    done = cross_fit(networks, loss, prepared.noisy, prepared.test, trial.settings, folds=seed, seed=seed)
    noisy_labels = prepared.noisy.noisy_labels.cpu().numpy()
    calibrated = scaled(done.probs, temperature(done.probs, noisy_labels))
    return done, {
        f"{name}, {kind}": estimate(probs, noisy_labels)
        for kind, probs in (("held out", done.probs), ("calibrated", calibrated))
        for name, estimate in ESTIMATORS.items()
    }, {}  # fmt: skip


def run(trial: Trial, given: Record | None = None, device: str = "cpu") -> Record:
    """Run a trial from its specification to its record.

    Args:
        trial: what to run.
        given: the record of ``trial.prerequisite()``, where it has one, with weights for a warm start.
        device: "cpu", on one thread, or "cuda".

    Returns:
        The record, with weights for cross-entropy.

    Raises:
        InputError: the prerequisite's record is missing.
    """
    started = time.perf_counter()
    recipe = method(trial.method)
    outcome: dict[str, Any] = {}
    with _one_thread():
        prepared = prepare(trial, device)
        noisy = prepared.noisy
        noisy_labels = noisy.noisy_labels.cpu().numpy()
        matrices = {"oracle": _oracle(noisy, trial.n_classes)}
        if recipe.folds:
            folds, found, deviations = in_folds(trial, prepared, given)
            history, networks = folds.history, folds.networks
            matrices |= found
            outcome["deviations"] = {name: _listed(each) for name, each in deviations.items()}
        else:
            trace: dict[str, list[list[list[float]]]] = {name: [] for name in ESTIMATORS if trial.trace}

            def after_epoch(model: nn.Module) -> None:
                for name in trace:
                    trace[name].append(_listed(ESTIMATORS[name](predict_probs(model, noisy.images), noisy_labels)))

            done = train(trial, prepared, given, after_epoch if trial.trace else None)
            outcome["trace"] = trace
            history, networks = done.history, [done.model]
            if recipe.learns_transition:
                learned = done.best_loss.transition_matrix
                assert isinstance(learned, Tensor)
                matrices[trial.method] = learned.detach().cpu().double().numpy()
            if trial.method == "cross-entropy":
                outcome |= _read_noise(trial, noisy, done.best_model) | {"weights": _packed(done.best_model)}
    measured = as_columns(history)
    return Record(
        trial=trial,
        history={name: np.round(values, 6).tolist() for name, values in measured.items()},
        best_epoch=int(np.argmin(measured["noisy_validation_loss"])),
        weights_sha256=_digest(networks),
        seconds=round(time.perf_counter() - started, 2),
        provenance=provenance.here(device),
        **{"transition_matrices": {name: _listed(matrix) for name, matrix in matrices.items()}} | outcome,
    )


def reread(record: Record, device: str = "cpu") -> Record:
    """A cross-entropy record with the T of every estimator, from its weights, without training."""
    with _one_thread():
        # Another memory layout would sum in another order.
        model = initial_model(record.trial, device).to(memory_format=torch.channels_last)
        model.load_state_dict(load(record.weights))
        read = _read_noise(record.trial, prepare(record.trial, device).noisy, model)
    return dataclasses.replace(record, **read)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _oracle(noisy: Split, n_classes: int) -> transitions.Matrix:
    return noise.oracle(noisy.clean_labels.cpu().numpy(), noisy.noisy_labels.cpu().numpy(), n_classes)


def _read_noise(trial: Trial, noisy: Split, model: nn.Module) -> dict[str, Any]:
    """What the probabilities of a cross-entropy fit tell of the noise, beside the oracle's T."""
    clean_labels, noisy_labels = noisy.clean_labels.cpu().numpy(), noisy.noisy_labels.cpu().numpy()
    pred_probs = predict_probs(model, noisy.images)
    seed = derive_seed("resamples", trial.dataset, trial.seed)
    matrices = {"oracle": _listed(_oracle(noisy, trial.n_classes))}
    deviations = {}
    for name, estimate in ESTIMATORS.items():
        matrices[name] = _listed(estimate(pred_probs, noisy_labels))
        spread = bootstrap_deviation(estimate, pred_probs, noisy_labels, resamples=RESAMPLES, seed=seed)
        deviations[name] = _listed(spread)
    features = predict_features(model, noisy.images)
    matrices |= {name: _listed(estimate(features, noisy_labels)) for name, estimate in FEATURE_ESTIMATORS.items()}
    of_class = (pred_probs[clean_labels == i] for i in range(trial.n_classes))
    quantiles = [np.quantile(probs, PROB_QUANTILES, axis=0).T.round(4).tolist() for probs in of_class]
    return {"transition_matrices": matrices, "deviations": deviations, "prob_quantiles": quantiles}


def _listed(matrix: transitions.Matrix) -> list[list[float]]:
    rounded: list[list[float]] = np.round(matrix, 10).tolist()
    return rounded


def _packed(model: nn.Module) -> bytes:
    return save({name: weights.cpu().contiguous() for name, weights in model.state_dict().items()})


def _digest(networks: Iterable[nn.Module]) -> str:
    digest = hashlib.sha256()
    for network in networks:
        for parameter in network.state_dict().values():
            digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
