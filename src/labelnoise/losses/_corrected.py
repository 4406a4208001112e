"""Losses for noisy labels, each an ``nn.Module`` that drops into any training loop.

Each maps logits of shape (n, n_classes) and noisy labels of shape (n,) to their mean loss.
``T`` is the transition matrix, ``q = softmax(logits)`` the network's P(clean | x), and
``q @ T`` its P(noisy | x).

Losses compute in float32 at least, whatever the type of the logits and inside of autocast too.

A loss that needs more than logits and labels to learn from also has a method ``on_batch``, which
maps a function from images to logits and a `Batch` to the loss; see `labelnoise.losses.EarlyLearning`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor, nn

from labelnoise._checks import check_labels, shown
from labelnoise.errors import InputError, MismatchError
from labelnoise.transitions import Matrix, validate

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
LARGEST_LOG_WEIGHT = math.log(1e8)
SMALLEST_LOG = 50.0  # below minus this, the largest weight of a batch is too small for float32 to weigh others by


@dataclass(frozen=True)
class Batch:
    """What a training loop hands a loss with ``on_batch``, on one device.

    Attributes:
        images: shape (n, channels, height, width).
        noisy_labels: shape (n,).
        rows: shape (n,), the places of the images among the training images.
        progress: how much of the training is done, from 0 up to below 1.
    """

    images: Tensor
    noisy_labels: Tensor
    rows: Tensor
    progress: float


def widened(logits: Tensor) -> Tensor:
    """The same numbers in float32 at least: in half precision, probabilities near 1 are all 1."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def checked(noisy_labels: Tensor, logits: Tensor, transition: Tensor | None = None) -> Tensor:
    """The labels of a batch as int64, the same tensor if it is that already; on the CPU each is one of the classes.

    Elsewhere to look at them would hold up each step until the device has done all that was asked of it before.

    Args:
        noisy_labels: shape (n,).
        logits: shape (n, n_classes).
        transition: the T that the loss has, if any; shape (n_classes, n_classes).

    Raises:
        MismatchError: they are not one for each row of the logits, or these have other classes than T.
        InputError: one is no class.
    """
    whole = isinstance(noisy_labels, Tensor) and noisy_labels.dtype in INTEGERS
    if not whole or logits.ndim != 2 or noisy_labels.shape != logits.shape[:1]:
        raise MismatchError(
            f"noisy_labels must be a tensor of one integer for each row of the logits, which have shape "
            f"{tuple(logits.shape)}, not {shown(noisy_labels)}."
        )
    if transition is not None and transition.shape[1] != logits.shape[1]:
        raise MismatchError(
            f"The logits must have a column for each of the {len(transition)} classes of T, not shape "
            f"{tuple(logits.shape)}."
        )
    labels, n_classes = noisy_labels.long(), logits.shape[1]
    if labels.device.type == "cpu" and len(labels) and (labels.min() < 0 or labels.max() >= n_classes):
        check_labels(labels, n_classes, "noisy_labels")  # which names the row
    return labels


def log_noisy_probs(log_clean: Tensor, log_transition: Tensor) -> Tensor:
    """``log (q @ T)`` from the logarithms of both, shape (n, n_classes): finite where the product would underflow."""
    return torch.logsumexp(log_clean.unsqueeze(2) + log_transition, dim=1)


class CrossEntropy(nn.Module):
    """``-log q[noisy]``: it fits P(noisy | x), whatever the noise."""

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        return F.cross_entropy(widened(logits), checked(noisy_labels, logits))


class Corrected(nn.Module):
    transition: Tensor

    def __init__(self, transition_matrix: ArrayLike) -> None:
        super().__init__()
        matrix = torch.as_tensor(validate(transition_matrix), dtype=torch.float32)
        self.register_buffer("transition", matrix)


class Forward(Corrected):
    """Forward correction, ``-log (q @ T)[noisy]``.

    Patrini et al. 2017 (arXiv:1609.03683, theorem 2): for an invertible T its minimiser under
    noise is P(clean | x), the minimiser of cross-entropy without noise.

    Args:
        transition_matrix: shape (n_classes, n_classes); rows are clean classes and sum to 1.

    Raises:
        InputError: it is no transition matrix; or, when called, a noisy label that it gives no class, so that the loss
            were infinite.

    >>> loss = Forward([[0.8, 0.2], [0.3, 0.7]])
    >>> sure = torch.tensor([[0.0, 100.0]])
    >>> round(loss(sure, torch.tensor([0])).exp().item(), 3)  # 1 / 0.3
    3.333
    """

    def __init__(self, transition_matrix: ArrayLike) -> None:
        super().__init__(transition_matrix)
        self._never = (self.transition.max(dim=0).values == 0).nonzero().flatten().tolist()  # labels that none has

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        noisy_labels = checked(noisy_labels, logits, self.transition)
        for label in self._never:
            if bool((noisy_labels == label).any()):
                raise InputError(f"Label {label} can't be: column {label} of the transition matrix is 0 in every row.")
        return F.nll_loss(log_noisy_probs(F.log_softmax(widened(logits), dim=1), self.transition.log()), noisy_labels)


def _inverse(matrix: Matrix, rounded: Tensor) -> Tensor | None:
    """The inverse of T in float32, from T in float64 and rounded to float32; None if that can't hold it."""
    if np.linalg.matrix_rank(matrix) < len(matrix):
        return None
    # That of the rounded T as far as rounding is all that it changes: recorded trainings are repeated bit for bit.
    well = np.linalg.cond(matrix) < 100
    inverse = torch.linalg.inv(rounded.double() if well else torch.from_numpy(matrix)).float()
    return inverse if np.abs(inverse.double().numpy() @ matrix - np.eye(len(matrix))).max() < 0.01 else None


class Backward(Corrected):
    """Backward correction, ``(T^-1 @ (-log q))[noisy]``.

    Patrini et al. 2017 (arXiv:1609.03683, theorem 1): its mean over the noise equals the
    cross-entropy on the clean label, for every network. A single term can be negative, and its
    variance grows with the entries of the inverse. The inverse is held in float32. Where that is
    too coarse, its product with T being off the identity by more than 0.01, T is refused: two
    rows of T that differ by less than about 1e-5 may be too alike, by less than 1e-8 they are.

    Args:
        transition_matrix: shape (n_classes, n_classes); rows are clean classes and sum to 1.

    Raises:
        InputError: it is no transition matrix, or has no inverse that float32 can hold.

    >>> loss, logits = Backward([[0.8, 0.2], [0.3, 0.7]]), torch.tensor([[2.0, 0.0]])
    >>> noisy = torch.stack([loss(logits, torch.tensor([j])) for j in (0, 1)])
    >>> round((torch.tensor([0.8, 0.2]) @ noisy).item(), 3)  # as cross-entropy has it on the clean label 0
    0.127
    """

    inverse: Tensor

    def __init__(self, transition_matrix: ArrayLike) -> None:
        super().__init__(transition_matrix)
        inverse = _inverse(validate(transition_matrix), self.transition)
        if inverse is None:
            raise InputError("Backward correction needs an invertible transition matrix; this one has none.")
        self.register_buffer("inverse", inverse)

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        losses = -F.log_softmax(widened(logits), dim=1)  # (n, n_classes): the loss were that class the clean one
        return (self.inverse[checked(noisy_labels, logits, self.transition)] * losses).sum(dim=1).mean()


class Reweighted(Corrected):
    """Importance reweighting, ``w * -log q[noisy]`` with ``w = q[noisy] / (q @ T)[noisy]``.

    Liu and Tao 2016 (arXiv:1411.7718, equation 5), with the weight taken from the network itself
    as in Xia et al. 2019 (arXiv:1906.00189, section 3). No gradient flows through the weight, which
    is at most 1e8, or what the type of the logits holds: it is below ``1 / T[noisy, noisy]``, and
    without a bound where that entry is 0.

    Args:
        transition_matrix: shape (n_classes, n_classes); rows are clean classes and sum to 1.

    Raises:
        InputError: it is no transition matrix.

    >>> unsure = torch.zeros(1, 2)
    >>> Reweighted([[0.8, 0.2], [0.3, 0.7]]).weights(unsure, torch.tensor([0]))  # 0.5 / 0.55
    tensor([0.9091])
    """

    def weights(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        """How much likelier each label is as the clean than as the noisy one, shape (n,)."""
        return self._log_weights(logits, noisy_labels).exp()

    @torch.no_grad()
    def _log_weights(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        noisy_labels, log_clean = checked(noisy_labels, logits, self.transition), F.log_softmax(widened(logits), dim=1)
        log_noisy = log_noisy_probs(log_clean, self.transition.log())
        largest = min(LARGEST_LOG_WEIGHT, math.log(torch.finfo(logits.dtype).max))
        return (log_clean - log_noisy).gather(1, noisy_labels.unsqueeze(1)).squeeze(1).clamp(max=largest)

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        noisy_labels = checked(noisy_labels, logits, self.transition)
        weights = self.weights(logits, noisy_labels)
        return (weights * F.cross_entropy(widened(logits), noisy_labels, reduction="none")).mean()


class Resampled(Reweighted):
    """Resampling: cross-entropy on images drawn from the batch by the weights of importance reweighting.

    Bae et al. 2024 (RENT, arXiv:2403.02690, section 3): as many draws with replacement as there are
    images, each in proportion to its weight. On average that is the reweighted loss with weights
    that sum to one in each batch; its variance is what the authors find helps. It draws from
    torch's default generator; in eval mode it is that average.

    Args:
        transition_matrix: shape (n_classes, n_classes); rows are clean classes and sum to 1.

    Raises:
        InputError: it is no transition matrix.

    >>> loss = Resampled([[0.8, 0.2], [0.3, 0.7]])
    >>> sure = torch.tensor([[100.0, 0.0], [100.0, 0.0]])
    >>> loss(sure, torch.tensor([0, 1])).item()  # the second label it takes for wrong, and does not draw
    0.0
    """

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        noisy_labels = checked(noisy_labels, logits, self.transition)
        logits, log_weights = widened(logits), self._log_weights(logits, noisy_labels)
        # Only their proportions count. Weights that float32 can hold stay as they are, to the last bit of a record;
        # of those that all would be 0 the largest is made 1.
        weights = (log_weights - F.hardshrink(log_weights.max(), SMALLEST_LOG)).exp()
        if self.training:
            draws = torch.multinomial(weights, len(weights), replacement=True)
            return F.cross_entropy(logits[draws], noisy_labels[draws])
        return (weights * F.cross_entropy(logits, noisy_labels, reduction="none")).sum() / weights.sum()
