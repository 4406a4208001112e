"""Running one trial: a pure function from its specification to its record."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from labelnoise import noise, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import (
    ESTIMATORS,
    FEATURE_ESTIMATORS,
    RESAMPLES,
    bootstrap_deviation,
    scaled,
    temperature,
    tempered_likelihood,
)
from labelnoise.noise import derive_seed
from labelnoise.statistics import class_quantiles
from labelnoise.training import (
    CrossFit,
    Fit,
    Pair,
    Split,
    alternate,
    as_columns,
    by_graph,
    cross_fit,
    fit,
    method,
    predict_features,
    predict_probs,
    rounds,
)
from labelnoise.trials import provenance
from labelnoise.trials._preparation import Prepared, distorted, initial_model, prepare
from labelnoise.trials._trial import Record, Trial

Matrices = dict[str, transitions.Matrix]


def start(trial: Trial, prepared: Prepared, given: Record | None = None) -> tuple[nn.Module, transitions.Matrix | None]:
    """The network that a trial begins with and the T that it is given, if any.

    `given` is the record of its prerequisite, with weights for a warm start.
    """
    needed, recipe = trial.prerequisite(), method(trial.method)
    device = prepared.train.images.device.type
    model = initial_model(trial, device)
    if recipe.pair:
        model = Pair(model, initial_model(trial, device, number=1))
    matrix = prepared.transition_matrix if trial.transition == "true" else None
    if trial.distortion:
        matrix = distorted(trial.distortion, prepared.transition_matrix, trial.seed)
    if needed:
        if given is None or given.trial != needed or not given.complete or (recipe.warm_start and not given.weights):
            what = "record and weights" if recipe.warm_start else "record"
            raise InputError(f"Trial {trial.key} needs the {what} of its {needed.method} trial; run that one first.")
        if trial.transition is not None and matrix is None:
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
    """Train as the trial says; `given` as in `start`. Of a refit the last epoch counts as the best."""
    model, matrix = start(trial, prepared, given)
    train = prepared.noisy if trial.refit else prepared.train
    recipe, options = method(trial.method), dict(trial.options or ())
    soft_labels = None
    if recipe.compared:
        assert matrix is not None
        seed = derive_seed("graph", trial.dataset, trial.seed)
        soft_labels = by_graph(recipe.compared(prepared.noisy.images), train.noisy_labels, matrix, seed)
    loss = recipe.make_loss(matrix, trial.n_classes, len(train.images), soft_labels, **options)
    done = fit(
        model,
        loss.to(train.images.device),
        train,
        prepared.validation,
        prepared.test,
        trial.settings,
        seed=derive_seed("order", trial.dataset, trial.seed),
        after_epoch=after_epoch,
    )
    if not trial.refit:
        return done
    return dataclasses.replace(done, best_model=done.model, best_epoch=len(done.history) - 1, best_loss=loss)


def refitted_loss(model: nn.Module, validation: Split) -> float:
    """Mean loss of noisy labels under a network's probabilities, once T and a temperature are fitted to it, in nats.

    It says how much a network knows of labels that it has not seen, whichever loss it was trained with and whether it
    gives P(clean | x) or P(noisy | x). It does not mind a network that takes one class for another throughout, as T is
    free to say so.
    """
    noisy_labels = validation.noisy_labels.cpu().numpy()
    probs = predict_probs(model, validation.images)
    matrix, found = tempered_likelihood(probs, noisy_labels)
    likelihoods = scaled(probs, found) @ matrix
    return float(-np.log(likelihoods[np.arange(len(noisy_labels)), noisy_labels]).mean())


def in_folds(trial: Trial, prepared: Prepared, given: Record | None = None) -> tuple[CrossFit, Matrices, Matrices]:
    """Train a network a fold as the trial says: the fits, T by name, and the deviations of some of these.

    A method that alternates has the rounds of `ROUNDS`.
    """
    _, matrix = start(trial, prepared, given)
    recipe, device = method(trial.method), prepared.train.images.device.type
    networks = [initial_model(trial, device, fold) for fold in range(recipe.folds)]
    seed = derive_seed("order", trial.dataset, trial.seed)
    if matrix is not None:
        turns = alternate(networks, prepared.noisy, prepared.test, matrix, rounds(trial.settings), seed=seed)
        found = {f"round-{k}": each for k, each in enumerate(turns.matrices, 1)}
        found[trial.method] = turns.transition_matrix
        return turns.fit, found, {trial.method: turns.deviation}
    loss = recipe.make_loss(None, trial.n_classes, len(prepared.noisy.images))
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
            if not trial.refit:
                outcome["refitted_loss"] = refitted_loss(done.best_model, prepared.validation)
            if trial.method == "cross-entropy":
                outcome |= _read_noise(trial, noisy, done.best_model) | {"weights": _packed(done.best_model)}
    measured = as_columns(history)
    best_epoch = len(history) - 1 if trial.refit else int(np.argmin(measured["noisy_validation_loss"]))
    return Record(
        trial=trial,
        history={name: np.round(values, 6).tolist() for name, values in measured.items()},
        best_epoch=best_epoch,
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
    quantiles = class_quantiles(pred_probs, clean_labels).round(4).tolist()
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
