"""T read off anchor points that are looked for again with every T."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.estimators._anchor import anchors, rank_from_above
from labelnoise.estimators._inputs import Floats, as_rows, check_inputs
from labelnoise.transitions import Matrix

MOST_ROUNDS = 10  # at a percentile below 100 anchor points can wander among like samples without end


def iterative_anchors(pred_probs: ArrayLike, noisy_labels: ArrayLike, *, percentile: float = 100.0) -> Matrix:
    """Read T off anchor points, look for better ones with that T, and so on.

    `anchor` takes the sample with the largest P(noisy = i | x), which a class that is often mistaken for i makes large
    too. As P(noisy | x) = P(clean | x) T, a first T gives P(clean | x) by its inverse. The next T is read off the
    samples where that is the largest for each class, until they stay the same; where they don't, the T that moved the
    least from the one before is given, as it is where a T that has no inverse ends the search.

    The iterative noise estimation heuristic of Zhang, Lee and Agarwal 2021 (Learning from noisy labels with no change
    to the training process, ICML, PMLR 139). Of the paper the abstract could be read; the steps are those of the public
    implementation in biquality-learn, which takes the 97th percentile and always 100 rounds; here they are at most 10.

    Assumes what `anchor` does, but bears more classes that resemble each other: with exact `pred_probs`, a sample
    without doubt in every class, and first anchor points that each belong more to their class than to all others
    together, it gives T itself. Fails where two classes get the same anchor point, which is then given to both, and
    the more, the nearer T is to having no inverse, as that enlarges the errors of `pred_probs`.

    Args:
        pred_probs: shape (n_samples, n_classes).
        noisy_labels: shape (n_samples,); checked, and not otherwise used.
        percentile: of the anchor points, in (0, 100]; 100 takes the maximum.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. Of samples that tie, the first is taken.

    Raises:
        InputError: as `check_inputs`, or a percentile outside (0, 100].

    >>> iterative_anchors([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6]], [0, 0, 1])
    array([[0.8, 0.2],
           [0.4, 0.6]])
    """
    probs, _ = check_inputs(pred_probs, noisy_labels)
    found = anchors(probs, percentile)
    rank = rank_from_above(percentile, len(probs))
    tried = [np.eye(len(found)), found]
    while len(tried) <= MOST_ROUNDS and np.linalg.matrix_rank(found) == len(found):
        found = as_rows(probs[_most_clean(probs, found, rank)].astype(np.float64, copy=False))
        known = any(np.array_equal(found, each) for each in tried)
        tried.append(found)
        if known:
            break
    moved = [float(np.abs(after - before).sum()) for before, after in itertools.pairwise(tried)]
    return tried[int(np.argmin(moved)) + 1]


def _most_clean(probs: Floats, matrix: Matrix, rank: int) -> NDArray[np.int64]:
    """For each class, the sample whose probability of the clean class has this rank from above, by the inverse of T."""
    inverse = np.linalg.inv(matrix).T.astype(probs.dtype)  # (clean, noisy)
    step = max(1, len(inverse) // 4)  # classes at once, so that less than the input is held
    found = []
    for first in range(0, len(inverse), step):
        for column in inverse[first : first + step] @ probs.T:  # (n_samples,)
            found.append(np.flatnonzero(column == np.partition(column, -rank)[-rank])[0])
    return np.array(found)
