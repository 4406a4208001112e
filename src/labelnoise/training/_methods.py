"""Named recipes that train under label noise. Nothing here imports what trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from labelnoise import losses
from labelnoise._checks import check_choice
from labelnoise._imports import imported, is_own
from labelnoise.errors import InputError
from labelnoise.transitions import Matrix

if TYPE_CHECKING:
    from torch import nn

    from labelnoise.estimators import Floats

FUNCTIONS = 100  # on a graph of images, the smoothest ones; a graph needs more images than that


class Option(NamedTuple):
    """A number of a loss's own that a study may choose; it is positive, and is searched on a logarithmic scale."""

    low: float
    high: float
    default: float


@dataclass(frozen=True)
class Method:
    """A recipe.

    Attributes:
        title: what messages, reports, figures and tables call it.
        loss: the name in `labelnoise.losses`, or ``module:name``, of what makes its loss from what it `takes` and from
            its `options`.
        takes: what else that is made from, of "transition_matrix", "soft_labels", "n_samples" and "n_classes".
        compared: the features that its graph compares, by their name in `labelnoise.training.FEATURES`; None without a
            graph.
        warm_start: whether it starts from the best epoch of a cross-entropy fit, in place of random weights.
        learns_transition: whether it estimates T while it trains.
        starts_from: the estimator whose T it begins with, if it learns T from one.
        gives_transition: whether the T that it learns can be given to other methods.
        folds: how many networks it trains, each without a fold (see `cross_fit`); 0 for one fit on all.
        pair: whether two networks learn from each other.
        options: by name.
    """

    title: str
    loss: str
    takes: tuple[str, ...] = ()
    compared: str | None = None
    warm_start: bool = False
    learns_transition: bool = False
    starts_from: str | None = None
    gives_transition: bool = False
    folds: int = 0
    pair: bool = False
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def n_networks(self) -> int:
        """How many networks it trains at once."""
        return self.folds or 1 + self.pair

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
        possible = {
            "transition_matrix": transition_matrix, "soft_labels": soft_labels, "n_samples": n_samples,
            "n_classes": n_classes,
        }  # fmt: skip
        chosen = {name: option.default for name, option in self.options.items()} | options
        make = imported(self.loss, "method") if is_own(self.loss) else getattr(losses, self.loss)
        made: nn.Module = make(**{name: possible[name] for name in self.takes}, **chosen)
        return made


_T = ("transition_matrix",)
_T_AND_SOFT = ("transition_matrix", "soft_labels")

METHODS: dict[str, Method] = {
    "cross-entropy": Method("cross-entropy", "CrossEntropy"),
    "forward": Method("forward", "Forward", _T),
    "forward-warm": Method("forward, warm start", "Forward", _T, warm_start=True),
    # The share is the best of three by noisy validation losses after the last epoch, on two tuning seeds of both of
    # the paper's sets.
    "hog-forward": Method(
        "graph-guided training", "Guided", _T_AND_SOFT, "gradients", options={"share": Option(0.4, 1.0, 0.75)}
    ),
    "graph-forward": Method(
        "graph-guided training, pixels", "Guided", _T_AND_SOFT, "pixels", options={"share": Option(0.2, 0.8, 0.5)}
    ),
    "hog-labels": Method("labels of the graph, without T", "SoftCrossEntropy", ("soft_labels",), "gradients"),
    "backward": Method("backward", "Backward", _T),
    "reweighting": Method("reweighting", "Reweighted", _T),
    "resampling": Method("resampling", "Resampled", _T),
    "t-revision": Method(
        "T-Revision", "Revised", _T, warm_start=True, learns_transition=True, starts_from="anchor-97"
    ),
    "volminnet": Method(
        "VolMinNet", "VolumeMinimised", ("n_classes",), learns_transition=True, gives_transition=True,
        options={"weight": Option(1e-5, 1e-2, 1e-4)},
    ),
    "volminnet-sigmoid": Method(
        "VolMinNet, sigmoid T", "SigmoidVolumeMinimised", ("n_classes",), learns_transition=True,
        options={"weight": Option(1e-5, 1e-2, 1e-4)},
    ),
    "total-variation": Method(
        "total variation", "TotalVariation", ("n_classes",), learns_transition=True, gives_transition=True,
        options={"weight": Option(0.01, 1.0, 0.1)},
    ),
    "generalised": Method(
        "generalised cross-entropy", "GeneralisedCrossEntropy", options={"power": Option(0.1, 1.0, 0.7)}
    ),
    "symmetric": Method(
        "symmetric cross-entropy", "SymmetricCrossEntropy",
        options={"alpha": Option(0.01, 1.0, 0.1), "beta": Option(0.1, 10.0, 1.0)},
    ),
    "early-learning": Method(
        "early-learning regularisation", "EarlyLearning", ("n_samples", "n_classes"),
        options={"weight": Option(0.3, 10.0, 3.0), "memory": Option(0.5, 0.99, 0.7)},
    ),
    "mixup": Method("mixup", "Mixup", options={"alpha": Option(0.1, 10.0, 1.0)}),
    "co-teaching": Method(
        "co-teaching", "CoTeaching", pair=True,
        options={"forget": Option(0.05, 0.8, 0.2), "ramp": Option(0.1, 1.0, 0.5)},
    ),
    "cross-fitting": Method("cross-fitted cross-entropy", "CrossEntropy", folds=3),
    "alternating": Method(
        "alternating likelihood", "Forward", _T, learns_transition=True, starts_from="confident-learning",
        gives_transition=True, folds=3,
    ),
}  # fmt: skip


def method(name: str) -> Method:
    """The recipe called `name`: of the book, or with the reader's own loss ``module:name`` (see `own_method`).

    Raises:
        InputError: there is none, or it can't be imported.
    """
    if is_own(name):
        from labelnoise.training._ideas import own_method

        return own_method(name)
    return METHODS[check_choice(name, "method", METHODS)]
