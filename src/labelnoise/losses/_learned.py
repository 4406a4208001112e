"""Losses that learn T while the network trains, each an ``nn.Module`` with parameters of its own.

Each maps logits of shape (n, n_classes) and noisy labels of shape (n,) to their mean loss, and has
its current T, differentiable, as ``transition_matrix``. Give the optimizer the parameters of the
loss beside those of the network. In eval mode a loss is the likelihood of the labels alone,
so that validation losses compare.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor, nn

from labelnoise._checks import check_number
from labelnoise.losses._corrected import Corrected, checked, log_noisy_probs, widened
from labelnoise.transitions import check_n_classes, symmetric

# VolMinNet's authors start at about 0.48 for ten classes. A T that starts cleaner than the true one stays so: a less
# sure network explains the labels as well. On the paper's "0.5" noisy validation loss prefers this to 0.8.
NOISY_START = 0.45
SIGMOID_START = -2.0  # of the free numbers of VolMinNet's authors
TINY = 1e-8  # below the rounding of float32 beside an entry of 0.2 or more, yet with a finite logarithm


class _Learned(nn.Module):
    """Forward correction by a T whose rows are softmaxes of free numbers, plus ``weight * regulariser``."""

    relative_rate = 10.0  # of learning, to the network's: the numbers have to move by several units

    def __init__(self, n_classes: int, weight: float = 1e-4, start_diagonal: float | None = None) -> None:
        super().__init__()
        n_classes = check_n_classes(n_classes)
        self.weight = check_number(weight, "weight must be a finite number from 0 up", lambda value: value >= 0)
        rule = f"start_diagonal must lie strictly between 1/{n_classes} and 1"
        default = max(NOISY_START, 1 / n_classes + 0.1)
        chosen = default if start_diagonal is None else start_diagonal
        diagonal = check_number(chosen, rule, lambda value: 1 / n_classes < value < 1)
        start = torch.as_tensor(symmetric(n_classes, 1 - diagonal), dtype=torch.float32)
        self.rows = nn.Parameter(start.log())

    @property
    def transition_matrix(self) -> Tensor:
        """The current T, shape (n_classes, n_classes)."""
        return self.rows.softmax(dim=1)

    def log_transition(self) -> Tensor:
        """Its logarithms."""
        return self.rows.log_softmax(dim=1)

    def regulariser(self, logits: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        logits, noisy_labels = widened(logits), checked(noisy_labels, logits, self.rows)
        log_noisy = log_noisy_probs(F.log_softmax(logits, dim=1), self.log_transition())
        data_term = F.nll_loss(log_noisy, noisy_labels)
        return data_term + self.weight * self.regulariser(logits) if self.training else data_term


class VolumeMinimised(_Learned):
    """VolMinNet: ``-log (q @ T)[noisy] + weight * log |det T|``, with T learned.

    Li et al. 2021 (arXiv:2102.02400, section 3): of all T that explain the noisy labels, the one of
    least volume is the true one if the clean posteriors are sufficiently scattered. The paper makes
    T from sigmoids, with 1 on the diagonal before its rows are normalised, so the diagonal stays the
    largest of its row; the softmax here only starts there, and so can reach any T. The term has no
    lower bound as T turns singular, so a large weight drives T there.

    Args:
        n_classes: the number of classes, from 2 up.
        weight: of the volume, from 0 up.
        start_diagonal: T starts with it on the diagonal and the rest of a row spread evenly; by default
            `NOISY_START`, or a little above ``1 / n_classes``.

    Raises:
        InputError: an argument is out of its range.

    >>> VolumeMinimised(2, start_diagonal=0.75).transition_matrix.detach()
    tensor([[0.7500, 0.2500],
            [0.2500, 0.7500]])
    """

    def regulariser(self, logits: Tensor) -> Tensor:
        return torch.linalg.slogdet(self.transition_matrix).logabsdet


class SigmoidVolumeMinimised(VolumeMinimised):
    """VolMinNet with the T of its authors: sigmoids beside ones on the diagonal, the rows divided by their sums.

    Li et al. 2021 (arXiv:2102.02400, section 3). The diagonal stays the largest entry of its row, so T can't name the
    classes in another order, and can't reach a T in which a wrong label is the most frequent one of a class.

    Args:
        n_classes, weight: as `VolumeMinimised` takes them.
        start_diagonal: T starts with it on the diagonal and the rest of a row spread evenly; by default with the
            authors' sigmoid of `SIGMOID_START`.

    Raises:
        InputError: an argument is out of its range.

    >>> SigmoidVolumeMinimised(2, start_diagonal=0.75).transition_matrix.detach()
    tensor([[0.7500, 0.2500],
            [0.2500, 0.7500]])
    """

    def __init__(self, n_classes: int, weight: float = 1e-4, start_diagonal: float | None = None) -> None:
        usual = 1 / (1 + (check_n_classes(n_classes) - 1) / (1 + math.exp(-SIGMOID_START)))
        super().__init__(n_classes, weight, usual if start_diagonal is None else start_diagonal)
        to_diagonal = (self.rows - self.rows.diagonal().unsqueeze(1)).detach().exp()
        self.rows = nn.Parameter(to_diagonal.fill_diagonal_(0.5).logit(eps=1e-6))  # those of the diagonal are not used

    @property
    def transition_matrix(self) -> Tensor:
        """The current T, shape (n_classes, n_classes)."""
        return self.log_transition().exp()

    def log_transition(self) -> Tensor:
        """Its logarithms."""
        beside = 1 - torch.eye(len(self.rows), dtype=self.rows.dtype, device=self.rows.device)
        return (F.logsigmoid(self.rows) * beside).log_softmax(dim=1)


class TotalVariation(_Learned):
    """``-log (q @ T)[noisy] - weight * TV``, with T learned and TV how far apart the q of a pair of samples are.

    Zhang et al. 2021 (arXiv:2102.02414, equations 10 and 12): mixing by T brings probabilities
    closer, so of all q that explain the noisy labels the clean ones lie farthest apart. TV is the
    mean of ``|q - q'|.sum() / 2`` over random pairs. This is the paper's variant that learns T by
    gradient, not the one with a Dirichlet posterior.

    Args:
        n_classes: the number of classes, from 2 up.
        weight: of the total variation, from 0 up.
        start_diagonal: T starts with it on the diagonal and the rest of a row spread evenly; by default
            `NOISY_START`, or a little above ``1 / n_classes``.

    Raises:
        InputError: an argument is out of its range.

    >>> loss, labels = TotalVariation(2, weight=1.0), torch.tensor([0, 1])
    >>> apart = torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    >>> round((loss.eval()(apart, labels) - loss.train()(apart, labels)).item(), 3)  # TV of two that share no class
    1.0
    """

    def __init__(self, n_classes: int, weight: float = 0.1, start_diagonal: float | None = None) -> None:
        super().__init__(n_classes, weight, start_diagonal)

    def regulariser(self, logits: Tensor) -> Tensor:
        # A training batch is in random order, so a sample and the next are a random pair: no draw, so no seed.
        clean = logits.softmax(dim=1)
        return -(clean - clean.roll(1, dims=0)).abs().sum(dim=1).mean() / 2


class Revised(Corrected):
    """T-Revision: importance reweighting, as `Reweighted`, by ``T + delta`` with delta learned from 0.

    Xia et al. 2019 (arXiv:1906.00189, section 3). The weight has a gradient for delta and none for
    the network. A delta that makes the weights small makes the loss small too, so the true T is no
    resting point: keep its learning rate far below the network's. In eval mode the loss is forward
    correction's by the current T, a likelihood, by which to stop.
    An entry that delta takes below 0 is clipped, and has no gradient from then on. The authors'
    first code differs: there the weight has a gradient for the network too, and the training loop
    adds delta to T once more at each step.

    Args:
        transition_matrix: the first estimate, shape (n_classes, n_classes); rows are clean classes and sum to 1.

    Raises:
        InputError: it is no transition matrix.

    >>> loss = Revised([[0.8, 0.2], [0.3, 0.7]])
    >>> loss.delta.data[0] = torch.tensor([-0.1, 0.1])  # as training would
    >>> loss.transition_matrix.detach()
    tensor([[0.7000, 0.3000],
            [0.3000, 0.7000]])
    """

    relative_rate = 0.03  # of learning, to the network's

    def __init__(self, transition_matrix: ArrayLike) -> None:
        super().__init__(transition_matrix)
        self.delta = nn.Parameter(torch.zeros_like(self.transition))

    @property
    def transition_matrix(self) -> Tensor:
        """The current T, shape (n_classes, n_classes): clipped at 0 and its rows divided by their sums."""
        revised = self.transition + self.delta
        # Not clamp, which has no gradient at its bound: an entry that starts at 0 must be able to grow.
        positive = torch.where(revised < 0, 0.0, revised) + TINY
        return positive / positive.sum(dim=1, keepdim=True)

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        logits, noisy_labels = widened(logits), checked(noisy_labels, logits, self.transition)
        log_clean = F.log_softmax(logits, dim=1).detach()
        log_noisy = log_noisy_probs(log_clean, self.transition_matrix.log())
        if not self.training:
            return F.nll_loss(log_noisy, noisy_labels)
        log_weights = log_clean - log_noisy
        weights = log_weights.gather(1, noisy_labels.unsqueeze(1)).squeeze(1).exp()
        return (weights * F.cross_entropy(logits, noisy_labels, reduction="none")).mean()
