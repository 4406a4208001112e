"""Soft labels: distributions, or they are refused, and for how long a loss learns from them."""

import re

import numpy as np
import pytest
import torch

from labelnoise import losses
from labelnoise.errors import InputError
from labelnoise.transitions import symmetric

MAKERS = [losses.SoftCrossEntropy, lambda soft_labels: losses.Guided(symmetric(3, 0.2), soft_labels)]
every_loss = pytest.mark.parametrize("make", MAKERS, ids=["soft", "guided"])


@every_loss
@pytest.mark.parametrize(
    ("soft_labels", "message"),
    [
        ([0.2, 0.3, 0.5], "soft_labels must have shape (n_samples, n_classes), not (3,)."),
        ([[[0.5, 0.5]]], "soft_labels must have shape (n_samples, n_classes), not (1, 1, 2)."),
        ([[1.0], [1.0]], "soft_labels must have shape (n_samples, n_classes), not (2, 1)."),
        ([[0.5, 0.5], [-0.5, 1.5], [0.5, 0.4]], "Row 1 of soft_labels is no distribution;"),
        ([[0.5, 0.5], [0.5, 0.4], [1.5, -0.5]], "Row 1 of soft_labels is no distribution;"),
        ([[np.nan, 0.5], [0.5, 0.5]], "Row 0 of soft_labels is no distribution;"),
        ([[0.5, 0.50101], [0.5, 0.5]], "Row 0 of soft_labels is no distribution;"),
        ([[0.5, 0.49899], [0.5, 0.5]], "Row 0 of soft_labels is no distribution;"),
    ],
)
def test_soft_labels_that_are_no_distributions_are_refused(make, soft_labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make(soft_labels)


@every_loss
def test_soft_labels_are_kept_as_they_are_in_single_precision_certain_ones_and_rounded_ones_too(make):
    soft_labels = np.array([[0.0, 0.0, 1.0], [0.2, 0.3, 0.5], [0.2, 0.3, 0.50099], [0.2, 0.3, 0.49901]])
    kept = make(soft_labels).soft_labels
    assert kept.dtype == torch.float32
    np.testing.assert_allclose(kept, soft_labels, rtol=1e-7)


def test_two_classes_are_enough():
    losses.SoftCrossEntropy([[0.5, 0.5]])


def test_unless_told_otherwise_the_first_half_of_a_training_learns_from_them():
    matrix, soft_labels = symmetric(3, 0.2), np.eye(3)[[0, 1]]
    logits, labels = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.0, 1.0]]), torch.tensor([2, 2])
    loss = losses.Guided(matrix, soft_labels)
    first, last = (
        loss.on_batch(lambda images: images, losses.Batch(logits, labels, torch.arange(2), progress))
        for progress in (0.4999, 0.5)
    )
    torch.testing.assert_close(first, losses.CrossEntropy()(logits, torch.tensor([0, 1])))
    torch.testing.assert_close(last, losses.Forward(matrix)(logits, labels))


def test_a_share_may_be_0_so_that_nothing_is_learned_from_them():
    logits, labels = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([2])
    loss = losses.Guided(symmetric(3, 0.2), np.eye(3)[[0]], share=0)
    found = loss.on_batch(lambda images: images, losses.Batch(logits, labels, torch.arange(1), 0.0))
    torch.testing.assert_close(found, losses.Forward(symmetric(3, 0.2))(logits, labels))
