"""The estimators of T by name. One that is added here is there in all that lists or runs estimators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from labelnoise.estimators._anchor import anchor
from labelnoise.estimators._confident_learning import confident_learning
from labelnoise.estimators._consensus import hoc
from labelnoise.estimators._counts import argmax_counts
from labelnoise.estimators._dual_t import dual_t
from labelnoise.estimators._iterative_anchors import iterative_anchors
from labelnoise.estimators._selection import selective_costs, selective_threshold
from labelnoise.transitions import Matrix


@dataclass(frozen=True)
class Estimator:
    """An estimator of T, to be called as the function that it holds.

    Attributes:
        function: takes probabilities or features of samples, shape (n_samples, ...), and their noisy labels, shape
            (n_samples,), to T, shape (n_classes, n_classes).
        title: what readers see in place of its name.
        counts: whether T is made of shares of samples, so that its deviation falls with the root of their number.
    """

    function: Callable[..., Matrix]
    title: str
    counts: bool = False

    def __call__(self, *args: Any, **options: Any) -> Matrix:
        return self.function(*args, **options)


ESTIMATORS = {
    "anchor-max": Estimator(anchor, "maximum anchor"),
    "anchor-97": Estimator(partial(anchor, percentile=97.0), "97th-percentile anchor"),
    "iterative-anchors": Estimator(partial(iterative_anchors, percentile=97.0), "iterative anchors"),
    "argmax-counts": Estimator(argmax_counts, "argmax counts", counts=True),
    "dual-t": Estimator(dual_t, "Dual-T"),
    "confident-learning": Estimator(confident_learning, "confident learning", counts=True),
    "selective-threshold": Estimator(selective_threshold, "selective, by threshold"),
}

# From features and noisy labels, where those above are from probabilities and noisy labels.
FEATURE_ESTIMATORS = {
    "hoc": Estimator(hoc, "HOC"),
    "selective-costs": Estimator(selective_costs, "selective, by costs"),
}
