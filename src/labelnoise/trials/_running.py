"""Running one trial: a pure function from its specification to its record."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn

from labelnoise._threads import one_thread
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS, estimator, scaled, temperature
from labelnoise.noise import derive_seed
from labelnoise.training import (
    Alternation,
    CrossFit,
    Fit,
    as_columns,
    method,
    predict_probs,
    train_by,
)
from labelnoise.transitions import Matrix
from labelnoise.trials import provenance
from labelnoise.trials._preparation import Prepared, initial_model, prepare, wrong_matrix
from labelnoise.trials._reading import all_listed, digest, estimated, listed, oracle, packed, read_noise, refitted_loss
from labelnoise.trials._trial import Record, Trial


def given_matrix(trial: Trial, prepared: Prepared, given: Record | None = None) -> Matrix | None:
    """The T that a trial is given, shape (n_classes, n_classes), if any; the arguments are those of `train`.

    Raises:
        InputError: that record is missing, is another's, failed, or lacks the T or the weights.
    """
    needed, warm = trial.prerequisite(), method(trial.method).warm_start
    matrix = prepared.transition_matrix if trial.transition == "true" else None
    if trial.distortion:
        matrix = wrong_matrix(trial.distortion, prepared.transition_matrix, trial.seed)
    if needed is None:
        return matrix
    if given is None or given.trial != needed or not given.complete or (warm and not given.weights):
        what = "record and weights" if warm else "record"
        raise InputError(f"Trial {trial.key} needs the {what} of its {needed.method} trial; run that one first.")
    if matrix is not None or trial.transition is None:
        return matrix
    if trial.transition not in given.transition_matrices:
        raise InputError(
            f"Trial {trial.key} needs T from {trial.transition}, which the record of its {needed.method} trial lacks; "
            "run that one again."
        )
    return np.array(given.transition_matrices[trial.transition])


def train(
    trial: Trial,
    prepared: Prepared,
    given: Record | None = None,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> Fit | CrossFit | Alternation:
    """Train as the trial says.

    Args:
        trial: what to run.
        prepared: its splits.
        given: the record of its prerequisite, with weights for a warm start.
        after_epoch: called with the network after each epoch of a method without folds.

    Returns:
        As `labelnoise.training.train_by`: a `CrossFit` or `Alternation` of a method with folds, else a `Fit`.

    Raises:
        InputError: as `given_matrix`, or an own loss that fails.
    """
    matrix, recipe = given_matrix(trial, prepared, given), method(trial.method)
    device = prepared.train.images.device.type
    numbers = range(recipe.folds) if recipe.folds else (None, *range(1, recipe.n_networks))
    networks = [initial_model(trial, device, number) for number in numbers]
    return train_by(
        trial.method,
        networks,
        prepared,
        matrix,
        trial.settings,
        n_classes=trial.n_classes,
        seed=derive_seed("order", trial.dataset, trial.seed),
        graph_seed=derive_seed("graph", trial.dataset, trial.seed),
        warm=load(given.weights) if given and given.weights else None,
        options=dict(trial.options or ()),
        refit=bool(trial.refit),
        after_epoch=after_epoch,
    )


def _learned(trial: Trial, prepared: Prepared, done: Fit | CrossFit | Alternation) -> dict[str, Matrix]:
    """T by name, each of shape (n_classes, n_classes): of a method that learns one, and by networks held out."""
    if isinstance(done, Alternation):
        found = {f"round-{k}": each for k, each in enumerate(done.matrices, 1)}
        return found | {trial.method: done.transition_matrix}
    if isinstance(done, CrossFit):
        noisy_labels = prepared.noisy.noisy_labels.cpu().numpy()
        calibrated = scaled(done.probs, temperature(done.probs, noisy_labels))
        return {
            f"{name}, {kind}": estimate(probs, noisy_labels)
            for kind, probs in (("held out", done.probs), ("calibrated", calibrated))
            for name, estimate in ESTIMATORS.items()
        }
    if not method(trial.method).learns_transition:
        return {}
    learned = done.best_loss.transition_matrix
    assert isinstance(learned, Tensor)
    return {trial.method: learned.detach().cpu().double().numpy()}


def _read(trial: Trial, prepared: Prepared, done: Fit | CrossFit | Alternation) -> dict[str, Any]:
    """What is read from a training, as fields of a `Record`."""
    noisy = prepared.noisy
    matrices = {"oracle": oracle(noisy, trial.n_classes), **_learned(trial, prepared, done)}
    found: dict[str, Any] = {"transition_matrices": all_listed(matrices)}
    if isinstance(done, Alternation):
        return found | {"deviations": all_listed({trial.method: done.deviation})}
    if isinstance(done, Fit) and not trial.refit:
        found["refitted_loss"] = refitted_loss(done.best_model, prepared.validation)
    if isinstance(done, Fit) and trial.method == "cross-entropy":
        found |= read_noise(trial, noisy, done.best_model) | {"weights": packed(done.best_model)}
    return found


def run(trial: Trial, given: Record | None = None, device: str = "cpu") -> Record:
    """Run a trial from its specification to its record.

    Args:
        trial: what to run.
        given: the record of ``trial.prerequisite()``, where it has one, with weights for a warm start.
        device: "cpu", on one thread, or "cuda".

    Returns:
        The record, with weights for cross-entropy.

    Raises:
        InputError: the prerequisite's record is missing or lacks what the trial is given, or the data can't be found.
    """
    started = time.perf_counter()
    trace: dict[str, list[list[list[float]]]] = {name: [] for name in ESTIMATORS if trial.trace}
    with one_thread():
        prepared = prepare(trial, device)
        noisy = prepared.noisy

        def after_epoch(model: nn.Module) -> None:
            probs, noisy_labels = predict_probs(model, noisy.images), noisy.noisy_labels.cpu().numpy()
            for name, matrices in trace.items():
                matrices.append(listed(ESTIMATORS[name](probs, noisy_labels)))

        done = train(trial, prepared, given, after_epoch if trial.trace else None)
        fields = {"trace": trace, **_read(trial, prepared, done)}
    fits = done.fit if isinstance(done, Alternation) else done
    measured = as_columns(fits.history)
    best_epoch = len(fits.history) - 1 if trial.refit else int(np.argmin(measured["noisy_validation_loss"]))
    return Record(
        trial=trial,
        history={name: np.round(values, 6).tolist() for name, values in measured.items()},
        best_epoch=best_epoch,
        weights_sha256=digest([fits.model] if isinstance(fits, Fit) else fits.networks),
        seconds=round(time.perf_counter() - started, 2),
        provenance=provenance.here(device, trial.settings.precision),
        **fields,
    )


def reread(record: Record, own: Collection[str] = (), device: str = "cpu") -> Record:
    """A cross-entropy record with the T of every estimator, from its weights, without training.

    Args:
        record: with its weights.
        own: the reader's own estimators that read it, too, by their names with hashes; what the record holds of all
            others then stays as it is.
        device: "cpu", on one thread, or "cuda".

    Returns:
        The record with T of each estimator and its deviations, each of shape (n_classes, n_classes), and the quantiles
        of its probabilities, shape (n_classes, n_classes, 5); the rest is as it was.

    Raises:
        InputError: an own estimator fails or gives no T, or the data can't be found.
    """
    with one_thread():
        noisy = prepare(record.trial, device).noisy
        # Another memory layout would sum in another order.
        model = initial_model(record.trial, device).to(memory_format=torch.channels_last)
        model.load_state_dict(load(record.weights))
        if not own or not record.has([*ESTIMATORS, *FEATURE_ESTIMATORS]):
            record = dataclasses.replace(record, **read_noise(record.trial, noisy, model))
        if own:
            probs, noisy_labels = predict_probs(model, noisy.images), noisy.noisy_labels.cpu().numpy()
            found = estimated({name: estimator(name) for name in own}, record.trial, probs, noisy_labels)
            added: dict[str, Any] = {name: {**getattr(record, name), **each} for name, each in found.items()}
            record = dataclasses.replace(record, **added)
    return record
