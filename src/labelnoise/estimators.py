"""Estimators of T from predicted probabilities and noisy labels: pure functions, one a method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.errors import InputError
from labelnoise.noise import Labels, check_labels
from labelnoise.transitions import Matrix


def check_inputs(pred_probs: ArrayLike, noisy_labels: ArrayLike) -> tuple[NDArray[np.float64], Labels]:
    """Check what every estimator takes.

    Args:
        pred_probs: shape (n_samples, n_classes); a model's P(noisy | x), rows sum to 1.
        noisy_labels: shape (n_samples,), integers in [0, n_classes); every class occurs.

    Returns:
        Both, as float64 and int64.

    Raises:
        InputError: shapes that disagree, values that are no probabilities (not finite, negative,
            integers, logits), labels out of range, a class with no label.
    """
    probs = np.asarray(pred_probs)
    if probs.ndim != 2 or probs.shape[1] < 2 or not len(probs):
        raise InputError(f"pred_probs must have shape (n_samples, n_classes), not {probs.shape}.")
    if not np.issubdtype(probs.dtype, np.floating):
        raise InputError(f"pred_probs must be floating-point probabilities, not {probs.dtype}.")
    probs = probs.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(probs).all(axis=1))
    if len(bad):
        raise InputError(f"pred_probs has a value that is not finite in row {bad[0]}.")
    bad = np.flatnonzero((probs.min(axis=1) < 0) | (np.abs(probs.sum(axis=1) - 1) > 1e-3))
    if len(bad):
        raise InputError(
            f"Row {bad[0]} of pred_probs sums to {probs[bad[0]].sum():.4g} with minimum {probs[bad[0]].min():.4g}; "
            "rows must be probabilities, so apply a softmax to logits first."
        )
    labels = check_labels(noisy_labels, probs.shape[1], "noisy_labels")
    if len(labels) != len(probs):
        raise InputError(f"There are {len(probs)} rows of pred_probs but {len(labels)} noisy_labels.")
    absent = np.flatnonzero(np.bincount(labels, minlength=probs.shape[1]) == 0)
    if len(absent):
        raise InputError(f"Class {absent[0]} has no noisy label; drop its column or pass more samples.")
    return probs, labels


def anchor(pred_probs: ArrayLike, noisy_labels: ArrayLike, *, percentile: float = 100.0) -> Matrix:
    """Read row i of T off the sample that looks most like class i, its anchor point.

    Patrini et al. 2017 (arXiv:1609.03683, equations 12 and 13): where P(clean = i | x) = 1,
    P(noisy = j | x) = T[i, j]. The anchor of class i is the sample with the largest predicted
    probability of i, or, against outliers, the one at the given percentile of those.

    Assumes that every class has samples that belong to it without doubt, and that `pred_probs`
    are right there. Fails where the network is overconfident (rows pulled to the identity) or no
    such sample exists (rows pulled to each other).

    Args:
        pred_probs: shape (n_samples, n_classes).
        noisy_labels: shape (n_samples,); checked, and not otherwise used.
        percentile: in (0, 100]; 100 takes the maximum.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1.

    Raises:
        InputError: as `check_inputs`, or a percentile outside (0, 100].
    """
    probs, _ = check_inputs(pred_probs, noisy_labels)
    if not 0 < percentile <= 100:
        raise InputError(f"percentile must lie in (0, 100], not {percentile!r}.")
    rank = int(np.ceil(percentile / 100 * len(probs))) - 1
    anchors = np.argpartition(probs, rank, axis=0)[rank]  # (n_classes,)
    rows = probs[anchors]
    return rows / rows.sum(axis=1, keepdims=True)


Estimator = Callable[[ArrayLike, ArrayLike], Matrix]

ESTIMATORS: dict[str, Estimator] = {
    "anchor-max": anchor,
    "anchor-97": partial(anchor, percentile=97.0),
}
