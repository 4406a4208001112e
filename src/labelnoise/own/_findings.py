"""What training on noisy labels finds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from labelnoise.estimators import Floats, Judged, wrong_labels
from labelnoise.noise import Labels
from labelnoise.own._choice import Choice
from labelnoise.statistics import Interval
from labelnoise.transitions import Matrix

if TYPE_CHECKING:
    from torch import nn

    from labelnoise.training import Epoch


@dataclass(frozen=True)
class Findings:
    """What came of training on noisy labels, without the networks.

    Attributes:
        noisy_labels: of the images, shape (n,).
        probs: P(clean | x) of each image by networks that did not see its label, shape (n, n_classes).
        transition_matrix: T by alternating likelihood, shape (n_classes, n_classes).
        deviation: of each of its entries.
        history: of the network that is handed over, before it learned from the images held out too.
        best_epoch: its index in the history.
        gain: in accuracy over cross-entropy with the same settings, by the noisy labels that are held out; None if
            that is the method, or if T lets these labels tell nothing.
        choice: which methods were compared, and what for which was taken; None if there was one alone.
        test_accuracy: of the network on clean test images, a fraction; None without such.
    """

    noisy_labels: Labels
    probs: Floats
    transition_matrix: Matrix
    deviation: Matrix
    history: tuple[Epoch, ...]
    best_epoch: int
    gain: Interval | None
    choice: Choice | None = None
    test_accuracy: float | None = None

    @cached_property
    def judged(self) -> Judged:
        """How likely each label is wrong, and what it should rather be."""
        return wrong_labels(self.probs, self.noisy_labels, self.transition_matrix, steps=0)

    @cached_property
    def pred_probs(self) -> Floats:
        """P(noisy | x) by the same networks and T, shape (n, n_classes)."""
        return self.probs @ self.transition_matrix


@dataclass(frozen=True)
class Trained(Findings):
    """What came of training on noisy labels, with the network that is handed over.

    Attributes:
        network: after training on all images.
        scale: the mean and deviation by which images were normalised.
    """

    network: nn.Module = dataclasses.field(kw_only=True)
    scale: tuple[float, float] = dataclasses.field(kw_only=True)
