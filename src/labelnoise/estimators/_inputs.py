"""The checks of what every estimator of T takes, and the rows that every one gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import as_array, is_bfloat16
from labelnoise.errors import InputError
from labelnoise.noise import Labels, check_labels
from labelnoise.transitions import Matrix

Floats = NDArray[np.floating[Any]]

BLOCK_BYTES = 2**20
SUM_TOLERANCE = 1e-3
BFLOAT16_TOLERANCE = 5e-3  # rounding to 8 significant bits moves the sum of a row by up to 2**-8


def row_blocks(array: NDArray[Any]) -> list[slice]:
    """Slices of the rows, each small enough to stay in the cache while it is worked on."""
    step = max(1, BLOCK_BYTES // (array.shape[1] * array.itemsize))
    return [slice(first, first + step) for first in range(0, len(array), step)]


def _as_floats(array: NDArray[Any], name: str, meaning: str) -> Floats:
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{name} must be floating-point {meaning}, not {array.dtype}.")
    if array.dtype in (np.float32, np.float64):
        return array
    with np.errstate(over="ignore"):  # of long doubles, which are then infinite
        return array.astype(np.float32 if array.dtype == np.float16 else np.float64)


def _labels_of(rows: NDArray[Any], name: str, noisy_labels: ArrayLike, n_classes: int, remedy: str) -> Labels:
    """The labels, once there is one of the classes for each row, and of each class one or more."""
    labels = check_labels(noisy_labels, n_classes, "noisy_labels")
    if len(labels) != len(rows):
        raise InputError(f"There are {len(rows)} rows of {name} but {len(labels)} noisy_labels.")
    absent = np.flatnonzero(np.bincount(labels, minlength=n_classes) == 0)
    if len(absent):
        raise InputError(f"Class {absent[0]} has no noisy label; {remedy} or pass more samples.")
    return labels


def check_inputs(pred_probs: ArrayLike, noisy_labels: ArrayLike, *, name: str = "pred_probs") -> tuple[Floats, Labels]:
    """Check the input of an estimator that reads probabilities.

    Args:
        pred_probs: shape (n_samples, n_classes); a model's P(noisy | x), rows sum to 1 within
            0.001 (0.005 in bfloat16, which is no finer). An array, or a tensor on any device.
        noisy_labels: shape (n_samples,), integers in [0, n_classes); every class occurs.
        name: what messages call the first argument.

    Returns:
        Both: the probabilities in their own precision, at least float32 and not copied where
        they have it, so not to be written to; the labels as int64.

    Raises:
        InputError: shapes that disagree, values that are no probabilities (not finite, negative,
            integers, logits), labels out of range, a class with no label.
    """
    array = as_array(pred_probs, name)
    if array.ndim != 2 or array.shape[1] < 2 or not len(array):
        raise InputError(f"{name} must have shape (n_samples, n_classes), not {array.shape}.")
    probs = _as_floats(array, name, "probabilities")
    labels = _labels_of(probs, name, noisy_labels, probs.shape[1], "drop its column")
    tolerance = BFLOAT16_TOLERANCE if is_bfloat16(pred_probs) else SUM_TOLERANCE
    ones = np.ones(probs.shape[1], probs.dtype)
    for block in row_blocks(probs):
        rows = probs[block]
        # A sum with NaN or infinity in it is not near 1, so that good rows need no other pass for them.
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.abs(rows @ ones - 1).max()
        if not (off <= tolerance and rows.min() >= 0):
            _refuse(probs, tolerance, name)
    return probs, labels


def _refuse(probs: Floats, tolerance: float, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(probs).all(axis=1))
    if len(bad):
        raise InputError(f"{name} has a value that is not finite in row {bad[0]}.")
    smallest, sums = probs.min(axis=1), probs.sum(axis=1)
    bad = np.flatnonzero((smallest < 0) | (np.abs(sums - 1) > tolerance))
    if len(bad):
        # What is nowhere below 0 or above 1 is no logits.
        shares = smallest.min() >= 0 and probs.max() <= 1
        remedy = "divide each row by its sum" if shares else "apply a softmax to logits first"
        raise InputError(
            f"Row {bad[0]} of {name} sums to {sums[bad[0]]:.4g} with minimum {smallest[bad[0]]:.4g}; "
            f"rows must be probabilities, so {remedy}."
        )


def check_features(features: ArrayLike, noisy_labels: ArrayLike) -> tuple[Floats, Labels, int]:
    """Check the input of an estimator that reads features.

    Args:
        features: shape (n_samples, n_features); finite floating-point numbers, such as the
            activations of a network before its last layer. An array, or a tensor on any device.
        noisy_labels: shape (n_samples,), integers from 0 up; every class up to the largest occurs.

    Returns:
        The features in their own precision, at least float32 and not copied where they have it;
        the labels as int64; the number of classes.

    Raises:
        InputError: shapes that disagree, features that are not finite or integers, negative
            labels, fewer than two classes, a class with no label.
    """
    array = as_array(features, "features")
    if array.ndim != 2 or not array.size:
        raise InputError(f"features must have shape (n_samples, n_features), not {array.shape}.")
    array = _as_floats(array, "features", "numbers")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise InputError(f"features has a value that is not finite in row {bad[0]}.")
    observed = as_array(noisy_labels, "noisy_labels")
    n_classes = int(observed.max()) + 1 if observed.size and observed.dtype.kind in "iu" else 2
    remedy = "number the classes 0, 1, ... without a gap"
    if n_classes > max(len(observed), 2):
        row = observed.argmax()
        raise InputError(f"noisy_labels has {n_classes - 1} in row {row}, more than it has labels; {remedy}.")
    return array, _labels_of(array, "features", observed, max(n_classes, 2), remedy), n_classes


def in_range(features: Floats, axis: int) -> Floats:
    """Features, those whose squares might be infinite or 0 times a power of two, which rounds none.

    Args:
        features: shape (n_samples, n_features), finite.
        axis: 0 for a power of two for each column, 1 for one for each row.
    """
    largest = np.maximum(features.max(axis=axis, keepdims=True), -features.min(axis=axis, keepdims=True))
    bound = float(np.finfo(features.dtype).max) ** 0.25
    usual = (largest == 0) | ((largest > 1 / bound) & (largest < bound))
    return features if usual.all() else np.ldexp(features, np.where(usual, 0, -np.frexp(largest)[1]))


def as_rows(counts: NDArray[Any]) -> Matrix:
    """Rows of counts as distributions, shape (n_classes, n_classes).

    A row of zeros, a class of which nothing was seen, gives the row of the identity: no flips.
    It keeps T invertible, so a user with a hundred classes can go on and train; a row of the
    noisy class shares would tell the loss that these labels mean nothing. Look for an entry of
    exactly 1 on the diagonal to find such classes.
    """
    totals = counts.sum(axis=1)
    rows = counts / np.where(totals > 0, totals, 1)[:, None]
    empty = np.flatnonzero(totals == 0)
    rows[empty, empty] = 1
    return rows
