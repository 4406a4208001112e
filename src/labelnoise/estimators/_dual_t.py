"""T as the product of two factors that are easier to estimate."""

from __future__ import annotations

from numpy.typing import ArrayLike

from labelnoise.estimators._anchor import anchors
from labelnoise.estimators._counts import counts
from labelnoise.estimators._inputs import as_rows, check_inputs
from labelnoise.transitions import Matrix


def dual_t(pred_probs: ArrayLike, noisy_labels: ArrayLike, *, percentile: float = 100.0) -> Matrix:
    """Dual-T: from the clean class to an intermediate class, and from that to the noisy one.

    Yao et al. 2020 (arXiv:2006.07805, equations 2 to 4): ``T = club @ spade``. The intermediate
    class is the one that the network gives: ``club[i, l] = P(intermediate = l | clean = i)`` is
    read off the anchor point of class i as in `anchor`, ``spade[l, j] = P(noisy = j |
    intermediate = l)`` is counted as in `argmax_counts`. (The paper's algorithm 1 writes the
    product the other way round, for matrices whose columns are the clean classes. Their script
    takes the 97th percentile for anchor points, the default here the maximum, which is kinder to
    the estimate.)

    Assumes that given the intermediate class the noisy label does not depend on the clean one.
    That holds for a network that is sure, ``club`` near the identity, and predicts the clean
    class. Fails the more, the better the noise is calibrated: with the exact P(noisy | x) of
    classes that never overlap, both factors are T, and the estimate is T @ T.

    Args:
        pred_probs: shape (n_samples, n_classes).
        noisy_labels: shape (n_samples,).
        percentile: of the anchor points, in (0, 100]; 100 takes the maximum.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. A class that is never predicted has a row of
        the identity in ``spade``; its row of T mixes as ``club`` says.

    Raises:
        InputError: as `check_inputs`, or a percentile outside (0, 100].

    >>> dual_t([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6]], [0, 1, 1])
    array([[0.4, 0.6],
           [0.2, 0.8]])
    """
    probs, labels = check_inputs(pred_probs, noisy_labels)
    club = anchors(probs, percentile)
    return club @ as_rows(counts(probs.argmax(axis=1), labels, len(club)))
