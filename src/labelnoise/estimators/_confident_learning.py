"""T from the samples of which the network is confident."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from labelnoise.estimators._counts import counts
from labelnoise.estimators._inputs import Floats, as_rows, check_inputs, row_blocks
from labelnoise.noise import Labels
from labelnoise.transitions import Matrix


def confident_learning(pred_probs: ArrayLike, noisy_labels: ArrayLike) -> Matrix:
    """The confident joint of Northcutt et al. 2021 (arXiv:1911.00068, equations 1 to 3), by its rows.

    The threshold of a class is the mean probability of it among the samples that bear its label.
    A sample is counted, noisy label against guessed class, if some class reaches its threshold:
    as that class if it is the only one, else as the class with the largest probability. The
    counts of each noisy label are then scaled to its frequency. Equal to what cleanlab 2.9 gives
    (`compute_confident_joint`, then `estimate_latent`), save that cleanlab rounds the scaled
    counts to integers and has the clean classes as columns. As in cleanlab, the largest probability decides even if its
    class is below its threshold, a threshold that is missed by 1e-6 counts as reached, and each class counts at least
    one sample with its own label.

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

    >>> probs = np.repeat([[0.9, 0.1], [0.2, 0.8]], 4, axis=0)
    >>> confident_learning(probs, [0, 0, 0, 1, 1, 1, 1, 0])
    array([[0.75, 0.25],
           [0.25, 0.75]])
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
    joint = counts(guess, labels, n_classes).T.astype(np.float64)  # (noisy, clean)
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
