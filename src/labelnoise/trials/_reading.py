"""What is read from a trained network: T by every estimator, how well it knows labels, and its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from labelnoise import noise, transitions
from labelnoise._weights import sealed
from labelnoise.estimators import (
    ESTIMATORS,
    FEATURE_ESTIMATORS,
    RESAMPLES,
    bootstrap_deviation,
    scaled,
    tempered_likelihood,
)
from labelnoise.noise import derive_seed
from labelnoise.statistics import class_quantiles
from labelnoise.training import Split, predict_features, predict_probs
from labelnoise.trials._trial import Trial


def refitted_loss(model: nn.Module, validation: Split) -> float:
    """Mean loss of noisy labels under a network's probabilities, once T and a temperature are fitted to it, in nats.

    It says how much a network knows of labels that it has not seen, whichever loss it was trained with and whether it
    gives P(clean | x) or P(noisy | x). A network that takes one class for another throughout loses nothing, as T can
    say so.
    """
    noisy_labels = validation.noisy_labels.cpu().numpy()
    probs = predict_probs(model, validation.images)
    matrix, found = tempered_likelihood(probs, noisy_labels)
    likelihoods = scaled(probs, found) @ matrix
    return float(-np.log(likelihoods[np.arange(len(noisy_labels)), noisy_labels]).mean())


def oracle(noisy: Split, n_classes: int) -> transitions.Matrix:
    """T counted from clean and noisy labels together, shape (n_classes, n_classes)."""
    return noise.oracle(noisy.clean_labels.cpu().numpy(), noisy.noisy_labels.cpu().numpy(), n_classes)


def estimated(
    estimators: Mapping[str, Callable[..., transitions.Matrix]],
    trial: Trial,
    pred_probs: NDArray[np.float64],
    noisy_labels: noise.Labels,
) -> dict[str, dict[str, list[list[float]]]]:
    """T by estimators of the probabilities of a trial's fit, and how far it deviates, as fields of a `Record`."""
    seed = derive_seed("resamples", trial.dataset, trial.seed)
    matrices = {name: estimate(pred_probs, noisy_labels) for name, estimate in estimators.items()}
    deviations = {
        name: bootstrap_deviation(estimate, pred_probs, noisy_labels, resamples=RESAMPLES, seed=seed)
        for name, estimate in estimators.items()
    }
    return {"transition_matrices": all_listed(matrices), "deviations": all_listed(deviations)}


def read_noise(trial: Trial, noisy: Split, model: nn.Module) -> dict[str, Any]:
    """What a cross-entropy fit tells of the noise, beside the oracle's T, as fields of a `Record`."""
    clean_labels, noisy_labels = noisy.clean_labels.cpu().numpy(), noisy.noisy_labels.cpu().numpy()
    pred_probs, features = predict_probs(model, noisy.images), predict_features(model, noisy.images)
    found = estimated(ESTIMATORS, trial, pred_probs, noisy_labels)
    of_features = {name: estimate(features, noisy_labels) for name, estimate in FEATURE_ESTIMATORS.items()}
    matrices = all_listed({"oracle": oracle(noisy, trial.n_classes)})
    return {
        "transition_matrices": matrices | found["transition_matrices"] | all_listed(of_features),
        "deviations": found["deviations"],
        "prob_quantiles": class_quantiles(pred_probs, clean_labels).round(4).tolist(),
    }


def listed(matrix: transitions.Matrix) -> list[list[float]]:
    """A matrix as a record has it."""
    rounded: list[list[float]] = np.round(matrix, 10).tolist()
    return rounded


def all_listed(matrices: dict[str, transitions.Matrix]) -> dict[str, list[list[float]]]:
    """Matrices by name as a record has them."""
    return {name: listed(matrix) for name, matrix in matrices.items()}


def packed(model: nn.Module) -> bytes:
    """The weights of a network as safetensors, with a digest by which a ledger notices a changed byte."""
    return sealed(partial(save, {name: each.cpu().contiguous() for name, each in model.state_dict().items()}), {})


def digest(networks: Iterable[nn.Module]) -> str:
    """The sha256 of all their weights."""
    found = hashlib.sha256()
    for network in networks:
        for parameter in network.state_dict().values():
            found.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
