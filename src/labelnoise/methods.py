"""Named recipes that train under label noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from labelnoise import learned, losses
from labelnoise.errors import InputError
from labelnoise.transitions import Matrix


@dataclass(frozen=True)
class Method:
    """A recipe.

    Attributes:
        title: what figures and tables call it.
        loss: makes the loss; takes T where `needs_transition`, nothing otherwise.
        needs_transition: whether the recipe is given a transition matrix.
        warm_start: whether it starts from the best epoch of a cross-entropy fit, in place of random weights.
        learns_transition: whether it estimates T while it trains.
        folds: how many networks it trains, each without a fold (see `labelnoise.alternation`); 0 for one fit on all.
    """

    title: str
    loss: Callable[..., nn.Module]
    needs_transition: bool = True
    warm_start: bool = False
    learns_transition: bool = False
    folds: int = 0

    def make_loss(self, transition_matrix: Matrix | None, n_classes: int) -> nn.Module:
        """The loss of this recipe, for T of shape (n_classes, n_classes) where it needs one.

        Raises:
            InputError: T is missing, or given to a recipe that takes none.
        """
        if self.needs_transition != (transition_matrix is not None):
            need = "needs a transition matrix" if self.needs_transition else "takes no transition matrix"
            raise InputError(f"{self.title} {need}.")
        if self.needs_transition:
            return self.loss(transition_matrix)
        return self.loss(n_classes) if self.learns_transition else self.loss()


METHODS: dict[str, Method] = {
    "cross-entropy": Method("cross-entropy", losses.CrossEntropy, needs_transition=False),
    "forward": Method("forward correction", losses.Forward),
    "forward-warm": Method("forward correction, warm start", losses.Forward, warm_start=True),
    "backward": Method("backward correction", losses.Backward),
    "reweighting": Method("importance reweighting", losses.Reweighted),
    "t-revision": Method("T-Revision", learned.Revised, warm_start=True, learns_transition=True),
    "volminnet": Method("VolMinNet", learned.VolumeMinimised, needs_transition=False, learns_transition=True),
    "total-variation": Method(
        "total variation", learned.TotalVariation, needs_transition=False, learns_transition=True
    ),
    "cross-fitting": Method("cross-fitted cross-entropy", losses.CrossEntropy, needs_transition=False, folds=3),
    "alternating": Method("alternating likelihood", losses.Forward, learns_transition=True, folds=3),
}


def method(name: str) -> Method:
    """The recipe called `name`.

    Raises:
        InputError: there is none.
    """
    if name not in METHODS:
        raise InputError(f"Unknown method {name!r}; use one of: {', '.join(METHODS)}.")
    return METHODS[name]
