"""Whether correction is worth it: by T alone, and by noisy labels that two classifiers have not learned from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import check_number, check_whole
from labelnoise.errors import InputError
from labelnoise.noise import check_labels
from labelnoise.statistics import Interval, interval
from labelnoise.transitions import validate

DISAGREEMENT = 0.1  # share of labels on which one classifier agrees and another does not, before any training
BOUND = 0.3  # read off the trainings of the chapter on when to correct


def leads(transition_matrix: ArrayLike) -> NDArray[np.float64]:
    """By how much the right label is more frequent than the next one, ``T[i, i]`` less the largest other entry.

    Args:
        transition_matrix: shape (n_classes, n_classes), rows sum to 1.

    Returns:
        Shape (n_classes,); 0 or less where another label is at least as frequent.

    Raises:
        InputError: no transition matrix.

    >>> leads([[0.6, 0.3, 0.1], [0.2, 0.4, 0.4], [0, 0, 1]]).round(1)
    array([0.3, 0. , 1. ])
    """
    matrix = validate(transition_matrix)
    others = np.where(np.eye(len(matrix), dtype=bool), -np.inf, matrix).max(axis=1)
    found: NDArray[np.float64] = matrix.diagonal() - others
    return found


def margin(transition_matrix: ArrayLike) -> float:
    """The lead of the right label in the class in which it is smallest (see `leads`).

    The smaller it is, the more labels it takes to be right about that class without correction; where it is negative,
    no number of labels is enough. In the trainings of the book correction changed little where it was above `BOUND`.

    Args:
        transition_matrix: shape (n_classes, n_classes), rows sum to 1; an estimate will do.

    Raises:
        InputError: no transition matrix.

    >>> round(margin([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0, 0, 1]]), 3)
    0.2
    """
    return float(leads(transition_matrix).min())


def slope(transition_matrix: ArrayLike) -> float:
    """What a point of clean accuracy is worth in accuracy on noisy labels, both on images that were not learned from.

    A right prediction agrees with the noisy label with the probability ``T[i, i]``, a wrong one with ``T[i, j]``; this
    is the mean of the first less the mean of the others. Where T is symmetric noise, or classes and mistakes are all
    equally frequent, it is exact. Where a network mistakes classes as T flips them, it is too large.

    Args:
        transition_matrix: shape (n_classes, n_classes), rows sum to 1.

    Raises:
        InputError: no transition matrix, or one of which noisy labels don't agree more with right predictions.

    >>> round(slope([[0.9, 0.1], [0.3, 0.7]]), 3)
    0.6
    """
    matrix = validate(transition_matrix)
    n_classes = len(matrix)
    right = float(np.trace(matrix)) / n_classes
    found = right - (1 - right) / (n_classes - 1)
    if found <= 0:
        raise InputError(
            f"The mean of T's diagonal is {right:.3g}, no more than a guess, so noisy labels can't rank classifiers."
        )
    return found


def predicted_gain(
    first: ArrayLike, second: ArrayLike, noisy_labels: ArrayLike, transition_matrix: ArrayLike
) -> Interval:
    """How much more often the first classifier is right than the second, from noisy labels alone.

    It is the difference of their agreements with the labels, divided by the mean of T's diagonal less the mean of its
    other entries (`slope`). Under noise by class, with the right label the most frequent in every class, the classifier
    that agrees most of all with noisy labels is the most accurate one (Chen et al. 2021, arXiv:2012.04193). Where most
    labels of some images are wrong, agreeing with them counts as right, and where mistakes follow T the gain is larger
    than what is said. The interval knows of chance alone.

    Args:
        first, second: predicted classes of the same held-out images, shape (n_samples,), n_samples > 1.
        noisy_labels: of these images, shape (n_samples,); neither classifier has learned from them.
        transition_matrix: shape (n_classes, n_classes), rows sum to 1; an estimate will do.

    Returns:
        The difference of clean accuracies, a fraction, with its 95 % interval in `mean`, `low` and `high`.

    Raises:
        InputError: no transition matrix, or one of which noisy labels don't agree more with right predictions; labels
            outside the classes, or fewer than two; or lengths that differ.

    >>> predicted_gain([0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 1, 1], [[0.9, 0.1], [0.1, 0.9]]).mean
    0.625
    """
    per_point, n_classes = slope(transition_matrix), len(validate(transition_matrix))
    labels = check_labels(noisy_labels, n_classes, "noisy_labels")
    if len(labels) < 2:
        raise InputError(f"An interval needs 2 noisy_labels or more, not {len(labels)}.")
    hits = []
    for name, classes in (("first", first), ("second", second)):
        predicted = check_labels(classes, n_classes, name)
        if len(predicted) != len(labels):
            raise InputError(f"There are {len(predicted)} labels in {name} but {len(labels)} noisy_labels.")
        hits.append(predicted == labels)
    return interval((hits[0].astype(float) - hits[1]) / per_point)


def verdict(predicted: float, resolution: float) -> str:
    """``gain`` or ``loss`` where what is predicted is further from 0 than its resolution, else ``can't tell``.

    >>> verdict(0.03, 0.01), verdict(-0.03, 0.01), verdict(0.03, 0.05)
    ('gain', 'loss', "can't tell")
    """
    if abs(predicted) <= resolution:
        return "can't tell"
    return "gain" if predicted > 0 else "loss"


def gain_resolution(n_samples: int, transition_matrix: ArrayLike, disagreement: float = DISAGREEMENT) -> float:
    """The half-width of the interval that `predicted_gain` will have, before any training.

    Args:
        n_samples: noisy labels held out.
        transition_matrix: shape (n_classes, n_classes), rows sum to 1; an estimate will do.
        disagreement: share of the samples whose noisy label one classifier predicts and the other does not.

    Raises:
        InputError: as `predicted_gain`, or no sample, or a share outside (0, 1].

    >>> round(gain_resolution(10_000, [[0.9, 0.1], [0.3, 0.7]]), 3)
    0.01
    """
    share = check_number(disagreement, "disagreement must lie in (0, 1]", lambda value: 0 < value <= 1)
    return 1.96 * math.sqrt(share / check_whole(n_samples, "n_samples", 1)) / slope(transition_matrix)
