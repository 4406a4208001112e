"""Losses that learn from soft labels of the training images, such as P(clean | x, noisy)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from labelnoise._checks import as_numbers, check_number
from labelnoise.errors import InputError
from labelnoise.losses._corrected import Batch, CrossEntropy, Forward, widened

TOLERANCE = 1e-3  # of the sum of a row


def _distributions(soft_labels: ArrayLike) -> Tensor:
    """Soft labels in float32, once each row is known to be a distribution."""
    array = as_numbers(soft_labels, "soft_labels")
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(f"soft_labels must have shape (n_samples, n_classes), not {array.shape}.")
    # Written so that NaN counts as wrong.
    if len(wrong := np.flatnonzero(~((array >= 0).all(axis=1) & (np.abs(array.sum(axis=1) - 1) <= TOLERANCE)))):
        raise InputError(f"Row {wrong[0]} of soft_labels is no distribution; entries must be 0 or more and sum to 1.")
    return torch.as_tensor(array, dtype=torch.float32)


class SoftCrossEntropy(CrossEntropy):
    """Cross-entropy to soft labels of the training images; where it is validated, cross-entropy to noisy labels.

    Args:
        soft_labels: a distribution over the classes for each training image; shape (n_samples, n_classes), rows sum
            to 1.

    Raises:
        InputError: they are none.
    """

    soft_labels: Tensor

    def __init__(self, soft_labels: ArrayLike) -> None:
        super().__init__()
        self.register_buffer("soft_labels", _distributions(soft_labels))

    def on_batch(self, predict: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        return F.cross_entropy(widened(predict(batch.images)), self.soft_labels[batch.rows])


class Guided(Forward):
    """Cross-entropy to soft labels for the first part of the training, forward correction from then on.

    The soft labels bring the network to where correction gains from the start, so that it can't fall into one that
    explains the noisy labels as well, with classes confused. Our own; see `labelnoise.training.by_graph`.

    Args:
        transition_matrix: shape (n_classes, n_classes); rows are clean classes and sum to 1.
        soft_labels: what is known of the clean class of each training image, such as P(clean | x, noisy); shape
            (n_samples, n_classes), rows sum to 1.
        share: the part of the training that learns from them, from 0 to 1.

    Raises:
        InputError: no transition matrix, no soft labels, or a share outside that range; as `Forward` when called.
    """

    soft_labels: Tensor

    def __init__(self, transition_matrix: ArrayLike, soft_labels: ArrayLike, share: float = 0.5) -> None:
        super().__init__(transition_matrix)
        self.share = check_number(share, "share must be a number from 0 to 1", lambda value: 0 <= value <= 1)
        self.register_buffer("soft_labels", _distributions(soft_labels))

    def on_batch(self, predict: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        logits = predict(batch.images)
        if batch.progress < self.share:
            return F.cross_entropy(widened(logits), self.soft_labels[batch.rows])
        value: Tensor = self(logits, batch.noisy_labels)
        return value
