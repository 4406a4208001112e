"""T read off anchor points, the samples that look most like their class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from labelnoise._checks import check_number
from labelnoise.estimators._columns import largest
from labelnoise.estimators._inputs import Floats, as_rows, check_inputs
from labelnoise.transitions import Matrix


def rank_from_above(percentile: float, n_samples: int) -> int:
    """The rank from above, 1 being the largest, of the sample at a percentile of all."""
    percentile = check_number(percentile, "percentile must lie in (0, 100]", lambda value: 0 < value <= 100)
    return n_samples - max(1, int(np.ceil(percentile / 100 * n_samples))) + 1  # of the least ones float64 makes 0


def anchors(probs: Floats, percentile: float) -> Matrix:
    """The T of `anchor`, from probabilities that are checked."""
    n_samples, n_classes = probs.shape
    rank = rank_from_above(percentile, n_samples)
    found = np.empty(n_classes, dtype=np.int64)
    for i, (column, rows) in enumerate(largest(probs, rank)):
        found[i] = rows[column == np.partition(column, -rank)[-rank]].min()
    return as_rows(probs[found].astype(np.float64, copy=False))


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
        Shape (n_classes, n_classes), rows sum to 1. Of samples that tie, the first is taken.

    Raises:
        InputError: as `check_inputs`, or a percentile outside (0, 100].

    >>> anchor([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6]], [0, 0, 1])
    array([[0.8, 0.2],
           [0.4, 0.6]])
    """
    return anchors(check_inputs(pred_probs, noisy_labels)[0], percentile)
