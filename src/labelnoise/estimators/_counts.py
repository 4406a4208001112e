"""T counted with the predicted class in the place of the clean one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.estimators._inputs import as_rows, check_inputs
from labelnoise.noise import Labels
from labelnoise.transitions import Matrix


def counts(predicted: Labels, noisy_labels: Labels, n_classes: int) -> NDArray[np.int64]:
    """How often each predicted class has each noisy label, (n_classes, n_classes); uses up `predicted`.

    A prediction of -1 is not counted.
    """
    skipped = predicted < 0
    predicted *= n_classes
    predicted += noisy_labels
    predicted[skipped] = n_classes**2
    return np.bincount(predicted, minlength=n_classes**2 + 1)[:-1].reshape(n_classes, n_classes)


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

    >>> argmax_counts([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6]], [0, 1, 1])
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    probs, labels = check_inputs(pred_probs, noisy_labels)
    return as_rows(counts(probs.argmax(axis=1), labels, probs.shape[1]))
