"""Estimators of T from noisy labels: pure functions, one a method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.errors import InputError
from labelnoise.estimators._columns import largest
from labelnoise.estimators._consensus import hoc
from labelnoise.estimators._inputs import Floats, Opened, as_rows, check_inputs, open_inputs, row_blocks
from labelnoise.estimators._intervals import interval as interval
from labelnoise.estimators._selection import selective_costs, selective_threshold
from labelnoise.noise import Labels
from labelnoise.transitions import Matrix


def _anchors(opened: Opened, percentile: float) -> Matrix:
    """The rows of `anchor`; checks those of the probabilities."""
    if not 0 < percentile <= 100:
        raise InputError(f"percentile must lie in (0, 100], not {percentile!r}.")
    n_samples, n_classes = opened.probs.shape
    rank = n_samples - int(np.ceil(percentile / 100 * n_samples)) + 1  # of the anchor, from above
    anchors = np.empty(n_classes, dtype=np.int64)
    for i, (column, rows) in enumerate(largest(opened, rank)):
        found = column == np.partition(column, -rank)[-rank]
        anchors[i] = rows[found].min()
    return as_rows(opened.probs[anchors].astype(np.float64, copy=False))


def _counts(predicted: Labels, noisy_labels: Labels, n_classes: int) -> NDArray[np.int64]:
    """How often each predicted class has each noisy label, (n_classes, n_classes); uses up `predicted`.

    A prediction of -1 is not counted.
    """
    skipped = predicted < 0
    predicted *= n_classes
    predicted += noisy_labels
    predicted[skipped] = n_classes**2
    return np.bincount(predicted, minlength=n_classes**2 + 1)[:-1].reshape(n_classes, n_classes)


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
    """
    return _anchors(open_inputs(pred_probs, noisy_labels), percentile)


def argmax_counts(pred_probs: ArrayLike, noisy_labels: ArrayLike) -> Matrix:
    """Row i of T is the distribution of noisy labels among the samples predicted to be class i.

    The plain plug-in, and the baseline that others are held against: the class with the largest
    probability stands in for the clean one. Yao et al. 2020 (arXiv:2006.07805, equation 4) count
    one factor of T in this way.

    Assumes that the predicted class is the clean one: that the network is right although its
    labels are not, and that the largest entry of each row of T is on the diagonal. Fails where
    the classifier errs (its own confusions are counted as noise) and where it has memorised the
    labels it is counted on (the identity).

    Args:
        pred_probs: shape (n_samples, n_classes).
        noisy_labels: shape (n_samples,).

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. A class that is never predicted gets the row
        of the identity (see `as_rows`); of classes that tie in a sample, the first is predicted.

    Raises:
        InputError: as `check_inputs`.
    """
    probs, labels = check_inputs(pred_probs, noisy_labels)
    return as_rows(_counts(probs.argmax(axis=1), labels, probs.shape[1]))


def dual_t(pred_probs: ArrayLike, noisy_labels: ArrayLike, *, percentile: float = 100.0) -> Matrix:
    """Dual-T: from the clean class to an intermediate class, and from that to the noisy one.

    Yao et al. 2020 (arXiv:2006.07805, equations 2 to 4): ``T = club @ spade``. The intermediate
    class is the one that the network gives: ``club[i, l] = P(intermediate = l | clean = i)`` is
    read off the anchor point of class i as in `anchor`, ``spade[l, j] = P(noisy = j |
    intermediate = l)`` is counted as in `argmax_counts`. (The paper's algorithm 1 writes the
    product the other way round, for matrices whose columns are the clean classes.)

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
    """
    opened = open_inputs(pred_probs, noisy_labels)
    club = _anchors(opened, percentile)
    return club @ as_rows(_counts(opened.probs.argmax(axis=1), opened.labels, len(club)))


def confident_learning(pred_probs: ArrayLike, noisy_labels: ArrayLike) -> Matrix:
    """The confident joint of Northcutt et al. 2021 (arXiv:1911.00068, equations 1 to 3), by its rows.

    The threshold of a class is the mean probability of it among the samples that bear its label.
    A sample is counted, noisy label against guessed class, if some class reaches its threshold:
    as that class if it is the only one, else as the class with the largest probability. The
    counts of each noisy label are then scaled to its frequency. Equal to what cleanlab 2.9 gives
    (`compute_confident_joint`, then `estimate_latent`), save that cleanlab rounds the scaled
    counts to integers and has the clean classes as columns. From cleanlab too are that the
    largest probability decides even if its class is below its threshold, that 1e-6 below counts
    as reached, and that each class counts at least one sample with its own label.

    Assumes that among the samples which reach a threshold the classifier is right, and that
    `pred_probs` are held out. Fails where the classifier confuses classes with confidence, and
    where it has memorised the labels (the identity).

    Args:
        pred_probs: shape (n_samples, n_classes).
        noisy_labels: shape (n_samples,).

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. A class that no sample is counted as gets
        the row of the identity.

    Raises:
        InputError: as `check_inputs`.
    """
    probs, labels = check_inputs(pred_probs, noisy_labels)
    n_samples, n_classes = probs.shape
    frequency = np.bincount(labels)
    blocks = row_blocks(probs)
    confidence = np.zeros(n_classes)  # summed over the samples that bear the label
    for block in blocks:
        own = np.take_along_axis(probs[block], labels[block, None], axis=1)[:, 0]
        confidence += np.bincount(labels[block], weights=own, minlength=n_classes)
    thresholds = (confidence / frequency - 1e-6).astype(probs.dtype)
    guess = np.empty(n_samples, dtype=np.int64)
    for block in blocks:
        guess[block] = _confident_classes(probs[block], thresholds)
    joint = _counts(guess, labels, n_classes).T.astype(np.float64)  # (noisy, clean)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    joint *= (frequency / joint.sum(axis=1))[:, None]
    return as_rows(joint.T)


def _confident_classes(probs: Floats, thresholds: Floats) -> Labels:
    """The class that each sample counts as in `confident_learning`, or -1: shape (n_samples,)."""
    guess = probs.argmax(axis=1)
    # Where the likeliest class reaches its threshold it is the guess, whatever others do.
    below = np.flatnonzero(probs[np.arange(len(probs)), guess] < thresholds[guess])
    confident = probs[below] >= thresholds  # (n_below, n_classes)
    number = confident.sum(axis=1)
    guess[below] = np.select([number == 0, number == 1], [-1, confident.argmax(axis=1)], guess[below])
    return guess


Estimator = Callable[[ArrayLike, ArrayLike], Matrix]

ESTIMATORS: dict[str, Estimator] = {
    "anchor-max": anchor,
    "anchor-97": partial(anchor, percentile=97.0),
    "argmax-counts": argmax_counts,
    "dual-t": dual_t,
    "confident-learning": confident_learning,
    "selective-threshold": selective_threshold,
}

# From features and noisy labels, where those above are from probabilities and noisy labels.
FEATURE_ESTIMATORS: dict[str, Estimator] = {
    "hoc": hoc,
    "selective-costs": selective_costs,
}
