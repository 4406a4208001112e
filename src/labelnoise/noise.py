"""Corrupting labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.errors import InputError
from labelnoise.transitions import Matrix, validate

Labels = NDArray[np.int64]


def check_labels(labels: ArrayLike, n_classes: int, name: str = "labels") -> Labels:
    """Check integer labels and return them as int64, shape (n_samples,); the same array if it is that already.

    Raises:
        InputError: not one-dimensional, not integers, or a label outside [0, n_classes); the
            message names the first such row.
    """
    array = np.asarray(labels)
    if array.ndim != 1:
        raise InputError(f"{name} must have shape (n_samples,), not {array.shape}.")
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} must be integers, not {array.dtype}; convert class names to 0, 1, ... first.")
    outside = np.flatnonzero((array < 0) | (array >= n_classes))
    if len(outside):
        row = int(outside[0])
        raise InputError(
            f"{name} has {int(array[row])} in row {row}; with {n_classes} classes a label must lie in [0, {n_classes})."
        )
    return array.astype(np.int64, copy=False)


def corrupt(clean_labels: ArrayLike, transition_matrix: ArrayLike, generator: np.random.Generator) -> Labels:
    """Draw a noisy label for each clean one, independently: ``noisy ~ T[clean]``.

    Args:
        clean_labels: shape (n_samples,), integers in [0, n_classes).
        transition_matrix: shape (n_classes, n_classes); rows are clean classes.
        generator: the only source of randomness; one uniform number is used a sample.

    Returns:
        Noisy labels, shape (n_samples,), int64.

    Raises:
        InputError: a bad matrix, or a label outside its classes.
    """
    matrix = validate(transition_matrix)
    clean = check_labels(clean_labels, len(matrix), "clean_labels")
    uniform = generator.random(len(clean))
    noisy = np.empty_like(clean)
    # Dividing by the last sum keeps rounding from leaving a gap below 1.
    cumulative = np.cumsum(matrix, axis=1)
    cumulative /= cumulative[:, -1:]
    for i in range(len(matrix)):
        rows = clean == i
        noisy[rows] = np.searchsorted(cumulative[i], uniform[rows], side="right")
    return noisy


def count_transitions(clean_labels: ArrayLike, noisy_labels: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """How often clean class i became noisy class j: shape (n_classes, n_classes).

    Raises:
        InputError: labels outside the classes, or two lengths that differ.
    """
    clean = check_labels(clean_labels, n_classes, "clean_labels")
    noisy = check_labels(noisy_labels, n_classes, "noisy_labels")
    if len(clean) != len(noisy):
        raise InputError(f"There are {len(clean)} clean_labels but {len(noisy)} noisy_labels; pass one each a sample.")
    pairs = np.bincount(clean * n_classes + noisy, minlength=n_classes**2)
    return pairs.reshape(n_classes, n_classes)


def oracle(clean_labels: ArrayLike, noisy_labels: ArrayLike, n_classes: int) -> Matrix:
    """T counted from clean and noisy labels together: the limit for estimators that see only noisy ones.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1.

    Raises:
        InputError: as `count_transitions`, or a clean class with no sample.
    """
    counts = count_transitions(clean_labels, noisy_labels, n_classes)
    totals = counts.sum(axis=1, keepdims=True)
    if not totals.all():
        empty = int(np.flatnonzero(totals[:, 0] == 0)[0])
        raise InputError(f"Clean class {empty} has no sample, so row {empty} of T can't be counted.")
    return counts / totals
