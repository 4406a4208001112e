"""Named recipes that train under label noise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from labelnoise import losses
from labelnoise.errors import InputError
from labelnoise.estimators import Floats
from labelnoise.training._gradients import oriented_gradients
from labelnoise.transitions import Matrix


@dataclass(frozen=True)
class Method:
    """A recipe.

    Attributes:
        title: what messages and reports call it.
        loss: makes the loss, from what it `takes` and from options of its own.
        takes: what else it is made from, of "transition_matrix", "soft_labels", "n_samples" and "n_classes", in this
            order.
        compared: maps images, shape (n, channels, height, width), to the features, shape (n, ...), that its graph
            compares (see `labelnoise.graph`); None without a graph.
        warm_start: whether it starts from the best epoch of a cross-entropy fit, in place of random weights.
        learns_transition: whether it estimates T while it trains.
        folds: how many networks it trains, each without a fold (see `labelnoise.alternation`); 0 for one fit on all.
        pair: whether two networks learn from each other.
        options: the loss's own options that a study may choose, each with its bounds; all are positive, and are
            searched on a logarithmic scale.
    """

    title: str
    loss: Callable[..., nn.Module]
    takes: tuple[str, ...] = ()
    compared: Callable[[Tensor], Tensor] | None = None
    warm_start: bool = False
    learns_transition: bool = False
    folds: int = 0
    pair: bool = False
    options: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def needs_transition(self) -> bool:
        """Whether the recipe is given a transition matrix."""
        return "transition_matrix" in self.takes

    @property
    def needs_soft_labels(self) -> bool:
        """Whether the recipe is given probabilities of the clean class of its training images."""
        return self.compared is not None

    def make_loss(
        self,
        transition_matrix: Matrix | None,
        n_classes: int,
        n_samples: int,
        soft_labels: Floats | None = None,
        **options: float,
    ) -> nn.Module:
        """The loss of this recipe.

        Args:
            transition_matrix: shape (n_classes, n_classes), where it needs one.
            n_classes: the number of classes.
            n_samples: the number of training images.
            soft_labels: shape (n_samples, n_classes), where it needs them.
            options: some of `options`, in place of their defaults.

        Raises:
            InputError: T or soft labels are missing, or given to a recipe that takes none; an option that it does not
                have.
        """
        if self.needs_transition != (transition_matrix is not None):
            need = "needs a transition matrix" if self.needs_transition else "takes no transition matrix"
            raise InputError(f"{self.title} {need}.")
        if self.needs_soft_labels != (soft_labels is not None):
            raise InputError(f"{self.title} {'needs' if self.needs_soft_labels else 'takes no'} soft labels.")
        for name in options:
            if name not in self.options:
                known = f"use one of: {', '.join(self.options)}" if self.options else "it has none"
                raise InputError(f"{self.title} has no option {name!r}; {known}.")
        given = {
            "transition_matrix": transition_matrix, "soft_labels": soft_labels, "n_samples": n_samples,
            "n_classes": n_classes,
        }  # fmt: skip
        return self.loss(*(given[name] for name in self.takes), **options)


def pixels(images: Tensor) -> Tensor:
    """The images as they are."""
    return images


_T = ("transition_matrix",)
_T_AND_SOFT = ("transition_matrix", "soft_labels")

METHODS: dict[str, Method] = {
    "cross-entropy": Method("cross-entropy", losses.CrossEntropy),
    "forward": Method("forward correction", losses.Forward, _T),
    "forward-warm": Method("forward correction, warm start", losses.Forward, _T, warm_start=True),
    # The share is the best of three by noisy validation losses after the last epoch, on two tuning seeds of both of
    # the paper's sets.
    "hog-forward": Method(
        "forward correction from a graph", functools.partial(losses.Guided, share=0.75), _T_AND_SOFT,
        compared=oriented_gradients, options={"share": (0.4, 1.0)},
    ),
    "graph-forward": Method(
        "forward correction from a graph of pixels", losses.Guided, _T_AND_SOFT, compared=pixels,
        options={"share": (0.2, 0.8)},
    ),
    "backward": Method("backward correction", losses.Backward, _T),
    "reweighting": Method("importance reweighting", losses.Reweighted, _T),
    "resampling": Method("resampling", losses.Resampled, _T),
    "t-revision": Method("T-Revision", losses.Revised, _T, warm_start=True, learns_transition=True),
    "volminnet": Method(
        "VolMinNet", losses.VolumeMinimised, ("n_classes",), learns_transition=True, options={"weight": (1e-5, 1e-2)}
    ),
    "total-variation": Method(
        "total variation", losses.TotalVariation, ("n_classes",), learns_transition=True,
        options={"weight": (0.01, 1.0)},
    ),
    "generalised": Method(
        "generalised cross-entropy", losses.GeneralisedCrossEntropy, options={"power": (0.1, 1.0)}
    ),
    "symmetric": Method(
        "symmetric cross-entropy", losses.SymmetricCrossEntropy, options={"alpha": (0.01, 1.0), "beta": (0.1, 10.0)}
    ),
    "early-learning": Method(
        "early-learning regularisation", losses.EarlyLearning, ("n_samples", "n_classes"),
        options={"weight": (0.3, 10.0), "memory": (0.5, 0.99)},
    ),
    "mixup": Method("mixup", losses.Mixup, options={"alpha": (0.1, 10.0)}),
    "co-teaching": Method(
        "co-teaching", losses.CoTeaching, pair=True, options={"forget": (0.05, 0.8), "ramp": (0.1, 1.0)}
    ),
    "cross-fitting": Method("cross-fitted cross-entropy", losses.CrossEntropy, folds=3),
    "alternating": Method("alternating likelihood", losses.Forward, _T, learns_transition=True, folds=3),
}  # fmt: skip


def method(name: str) -> Method:
    """The recipe called `name`.

    Raises:
        InputError: there is none.
    """
    if name not in METHODS:
        raise InputError(f"Unknown method {name!r}; use one of: {', '.join(METHODS)}.")
    return METHODS[name]
