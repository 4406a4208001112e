"""Estimators of a reader's own, ``module:name``: checked each time that they are called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from labelnoise._checks import check_choice
from labelnoise._imports import imported, is_own, pinned, reason, without_hash
from labelnoise.errors import InputError
from labelnoise.estimators._registry import ESTIMATORS, FEATURE_ESTIMATORS, Estimator
from labelnoise.noise import corrupt
from labelnoise.transitions import Matrix, symmetric, validate

SAMPLES = 100  # of each class in the set that an own estimator is tried on


def estimator(name: str) -> Estimator:
    """The estimator called `name`: of the book, or the reader's own function ``module:name``.

    An own one takes probabilities and noisy labels, as those in `ESTIMATORS` do.

    Raises:
        InputError: there is none, or it can't be imported.
    """
    if is_own(name):
        return _own(pinned(name, "estimator"))
    known = ESTIMATORS | FEATURE_ESTIMATORS
    return known[check_choice(name, "estimator", known)]


def try_estimator(name: str, n_classes: int) -> None:
    """Try an own estimator on a small made-up set; those of the book need no trial.

    Raises:
        InputError: as `estimator`; one that fails, that gives no T, or that gives another T for the same samples.
    """
    if is_own(name):
        _try(pinned(name, "estimator"), n_classes)
    else:
        estimator(name)


@functools.cache
def _own(name: str) -> Estimator:
    title = without_hash(name)
    return Estimator(functools.partial(_checked, imported(name, "estimator"), title), title)


def _checked(function: Callable[..., Any], title: str, pred_probs: Any, noisy_labels: Any) -> Matrix:
    """What the function gives for copies, which it may write to, as T."""
    n_classes = pred_probs.shape[1]
    try:
        found = function(np.array(pred_probs), np.array(noisy_labels))
    except Exception as error:  # whatever their code raises
        raise InputError(f"The estimator {title} fails: {reason(error)}.") from error
    try:
        return validate(found, n_classes)
    except InputError as error:
        raise InputError(f"The estimator {title} must give T of shape {(n_classes, n_classes)}: {error}") from None


@functools.cache
def _try(name: str, n_classes: int) -> None:
    generator = np.random.default_rng(0)
    clean_labels = np.arange(SAMPLES * n_classes) % n_classes
    matrix = symmetric(n_classes, 0.3)
    noisy_labels = corrupt(clean_labels, matrix, generator)
    sure = 0.8 * np.eye(n_classes)[clean_labels]
    pred_probs = (sure + 0.2 * generator.dirichlet(np.ones(n_classes), len(sure))) @ matrix
    once, again = (estimator(name)(pred_probs, noisy_labels) for _ in range(2))
    if not np.array_equal(once, again):
        raise InputError(
            f"The estimator {without_hash(name)} gives another T for the same samples; seed its random numbers."
        )
