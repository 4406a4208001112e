"""Intervals for every entry of an estimated T."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import as_array, as_numbers, check_labels, check_level, check_size, check_whole, shown
from labelnoise.errors import InputError
from labelnoise.estimators._inputs import check_inputs, row_blocks
from labelnoise.transitions import Matrix, validate

# Of each entry alone, for what the data leave open: it stands for a deviation of 100, in entries of at most 1.
LEAST_INFORMATION = 1e-4
MANY = 1000  # classes, beyond which a T of a resample is kept as a sparse matrix
RESAMPLES = 40  # for the deviation of an estimate, known by them to 11 %


@dataclass(frozen=True)
class Bounds:
    """An estimate of T with an interval for each entry on its own, not for all of them at once.

    Attributes:
        estimate, low, high: shape (n_classes, n_classes), probabilities.
    """

    estimate: Matrix
    low: Matrix
    high: Matrix

    def covers(self, transition_matrix: ArrayLike) -> NDArray[np.bool_]:
        """Which entries of T lie in their interval, ends included: shape (n_classes, n_classes).

        Raises:
            InputError: no transition matrix, or one of another number of classes.
        """
        matrix = validate(transition_matrix, len(self.estimate))
        return (self.low <= matrix) & (matrix <= self.high)


def combined(matrices: ArrayLike, deviation: ArrayLike, level: float = 0.95) -> Bounds:
    """The mean T of several fits, with an interval for what examples and fits leave open.

    Args:
        matrices: T of each fit, shape (n_fits, n_classes, n_classes).
        deviation: of the mean T over draws of the examples, shape (n_classes, n_classes).
        level: the coverage each interval has where the estimate is normal and without bias.

    Returns:
        The mean plus and minus a normal quantile of the joint deviation, clipped to [0, 1]. A
        single fit says nothing of other fits, and has the given deviation alone.

    Raises:
        InputError: shapes that disagree, a deviation that is negative or NaN, a level outside (0, 1).

    >>> combined([[[0.8, 0.2], [0.3, 0.7]]], [[0.05, 0.05], [0.1, 0.1]]).low.round(3)
    array([[0.702, 0.102],
           [0.104, 0.504]])
    """
    fits, spread = as_numbers(matrices, "matrices"), as_numbers(deviation, "deviation")
    if fits.ndim != 3 or not len(fits) or fits.shape[1] != fits.shape[2]:
        raise InputError(f"The matrices must have shape (n_fits, n_classes, n_classes), not {fits.shape}.")
    if spread.shape != fits.shape[1:]:
        raise InputError(f"The deviation must have the shape {fits.shape[1:]} of one matrix, not {spread.shape}.")
    if not (spread >= 0).all():
        raise InputError(f"Each deviation must be 0 or more, not {spread[~(spread >= 0)][0]}.")
    level = check_level(level)
    # Not divided by n_fits: fits share their data and their kind of mistake, which no mean over fits takes out.
    between = fits.var(axis=0, ddof=1) if len(fits) > 1 else np.zeros_like(spread)
    half = scipy.special.ndtri((1 + level) / 2) * np.sqrt(spread**2 + between)
    estimate = fits.mean(axis=0)
    return Bounds(estimate, (estimate - half).clip(0, 1), (estimate + half).clip(0, 1))


def interval(
    estimate: Callable[[ArrayLike, ArrayLike], Matrix],
    pred_probs: ArrayLike,
    noisy_labels: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 100,
    seed: int = 0,
) -> Bounds:
    """An interval for each entry of T, by resampling the examples (Efron 1979, Annals of Statistics 7, 1-26).

    It is the estimate plus and minus a normal quantile of the bootstrap deviation. A deviation
    over B resamples is known to a part of ``1 / sqrt(2 B)``, 7 % for 100; percentiles, which
    rest on the few most extreme resamples, need a thousand or more.

    Resamples share the network, so that one fit gives the variation of the estimator for given
    probabilities. Pass several independent fits to have that of the network added (`combined`).

    Assumes examples that are drawn independently, and an estimate that is near normal with little
    bias: an interval is centred on the estimate and knows nothing of its bias. Fails at the
    border: an entry that is 0 in every resample gets the interval [0, 0].

    Args:
        estimate: takes probabilities of shape (n_samples, n_classes) and noisy labels to T.
        pred_probs: shape (n_samples, n_classes), or (n_fits, n_samples, n_classes) for several fits
            of the same labels.
        noisy_labels: shape (n_samples,).
        level: in (0, 1).
        resamples: 2 or more; each takes one estimate per fit.
        seed: of the resamples.

    Raises:
        InputError: as `estimate` and `combined`; it gives no T; another shape; fewer than two resamples, or too many.

    >>> from labelnoise.estimators import argmax_counts
    >>> probs = np.repeat([[0.9, 0.1], [0.2, 0.8]], 200, axis=0)
    >>> bounds = interval(argmax_counts, probs, np.repeat([0, 1, 1, 0], [150, 50, 150, 50]))
    >>> bounds.low[0].round(2), bounds.high[0].round(2)
    (array([0.69, 0.19]), array([0.81, 0.31]))
    """
    fits, labels, _ = _several(pred_probs), as_array(noisy_labels, "noisy_labels"), check_level(level)
    _check_estimate(estimate)
    matrices = np.array([_estimated(estimate, fit, labels) for fit in fits])
    spread = bootstrap_deviation(estimate, fits, labels, resamples=resamples, seed=seed)
    return combined(matrices, spread, level)


def bootstrap_deviation(
    estimate: Callable[[ArrayLike, ArrayLike], Matrix],
    pred_probs: ArrayLike,
    noisy_labels: ArrayLike,
    *,
    resamples: int = 100,
    seed: int = 0,
    size: int | None = None,
) -> Matrix:
    """The standard deviation of each entry of T over resamples of the examples, (n_classes, n_classes).

    Arguments and errors as `interval`; of several fits, that of their mean. A resample has `size` examples, by default
    as many as there are.
    """
    fits = _several(pred_probs)
    _check_estimate(estimate)
    labels = check_labels(noisy_labels, fits.shape[2], "noisy_labels")
    if len(labels) != fits.shape[1]:
        raise InputError(f"There are {fits.shape[1]} rows of pred_probs but {len(labels)} noisy_labels.")
    resamples, generator = check_whole(resamples, "resamples", 2), np.random.default_rng(check_whole(seed, "seed", 0))
    check_size(f"T of resamples = {resamples:,}", resamples, fits.shape[2])
    drawn: list[Any] = []
    for _ in range(resamples):
        rows = _resample(labels, size or len(labels), generator)
        matrix = np.mean([np.asarray(estimate(fit[rows], labels[rows])) for fit in fits], axis=0)
        # Of thousands of classes few pairs occur, and matrices in full would outgrow the input.
        drawn.append(scipy.sparse.csr_array(matrix) if len(matrix) > MANY else matrix)
    deviation = np.empty(drawn[0].shape)
    for block in row_blocks(deviation):
        parts = [each[block] for each in drawn]
        deviation[block] = np.std([p if isinstance(p, np.ndarray) else p.toarray() for p in parts], axis=0, ddof=1)
    return deviation


def _check_estimate(estimate: Any) -> None:
    if not callable(estimate):
        raise InputError(f"estimate must be a function such as labelnoise.anchor, not {shown(estimate)}.")


def _estimated(estimate: Callable[[ArrayLike, ArrayLike], Matrix], probs: Any, labels: NDArray[Any]) -> Matrix:
    found, n_classes = estimate(probs, labels), probs.shape[1]
    try:
        return validate(found, n_classes)
    except InputError as error:
        raise InputError(f"estimate must give T of shape {(n_classes, n_classes)}: {error}") from None


def _several(pred_probs: ArrayLike) -> Any:
    """Fits of shape (n_fits, n_samples, n_classes), of one or several."""
    array = as_array(pred_probs, "pred_probs")
    # A tensor stays one: an estimator allows for the rounding of bfloat16 where it sees it.
    fits: Any = pred_probs if hasattr(pred_probs, "detach") else array
    if fits.ndim not in (2, 3) or 0 in fits.shape:
        raise InputError(f"pred_probs must have shape ([n_fits,] n_samples, n_classes), not {tuple(fits.shape)}.")
    return fits[None] if fits.ndim == 2 else fits


def _resample(labels: NDArray[Any], size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows drawn with replacement, in which every class has a noisy label."""
    rows = generator.integers(len(labels), size=size)
    # Estimators refuse a class without a label, so that one example of it is put back. With 20 examples of a class
    # this happens to one resample in 5e8: only the rarest classes vary a little less than they should.
    absent = np.setdiff1d(labels, labels[rows])
    return np.append(rows, [generator.choice(np.flatnonzero(labels == j)) for j in absent]).astype(np.int64)


def likelihood_deviation(clean_probs: ArrayLike, noisy_labels: ArrayLike, transition_matrix: ArrayLike) -> Matrix:
    """The asymptotic standard deviation of each entry of T by `maximum_likelihood`, without resampling.

    From the observed information (Efron and Hinkley 1978, Biometrika 65, 457-483) of the log
    likelihood ``sum_n log (q_n @ T)[noisy_n]``. Column j of T meets only the samples labelled j,
    with information ``I_j = sum_n q_n q_n' / (q_n @ T)[j]**2``. Rows that sum to 1 tie column j to
    minus the sum of the other columns, and so its covariance is
    ``inv(I_j + inv(sum_{k != j} inv(I_k)))``: matrices of n_classes rows only, never all entries
    of T by all entries.

    At the border, where an entry is held at 0, the likelihood falls with a slope s and may have
    no curvature. Its scale is then 1 / s, the deviation of an exponential with that rate, and
    s**2 is added to the information. With known clean classes and no flip among n samples of a
    class this gives 1 / n; the bootstrap would say 0. An entry of which the data say nothing, as
    in the row of a class without probability, gets a deviation far above 1.

    Assumes what `maximum_likelihood` does, and samples enough for a normal limit.

    Args:
        clean_probs: q, shape (n_samples, n_classes); P(clean | x), rows sum to 1.
        noisy_labels: shape (n_samples,).
        transition_matrix: the T that `maximum_likelihood` finds for them.

    Returns:
        Shape (n_classes, n_classes).

    Raises:
        InputError: as `check_inputs`; no transition matrix, or one that rules out a label that occurs.
    """
    probs, labels = check_inputs(clean_probs, noisy_labels, name="clean_probs")
    n_classes = probs.shape[1]
    matrix = validate(transition_matrix, n_classes)
    order, ends = np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))
    information = np.empty((n_classes, n_classes, n_classes))  # (noisy, clean, clean)
    gradient = np.empty((n_classes, n_classes))
    for j, rows in enumerate(np.split(order, ends[:-1])):
        slopes = probs[rows].astype(np.float64, copy=False)
        likelihood = slopes @ matrix[:, j]
        if likelihood.min() <= np.finfo(np.float32).tiny:
            raise InputError(
                f"The transition matrix gives sample {rows[likelihood.argmin()]} its noisy label {j} with probability "
                f"{likelihood.min():.3g}; pass the one that maximum_likelihood finds for these samples."
            )
        slopes /= likelihood[:, None]
        information[j] = slopes.T @ slopes
        gradient[:, j] = slopes.sum(axis=0)
    fall = ((matrix * gradient).sum(axis=1, keepdims=True) - gradient).clip(0)
    # An entry further from 0 than the scale 1 / fall isn't held there; the maximum is just not quite reached.
    fall[matrix * fall >= 1] = 0
    diagonal = np.arange(n_classes)
    information[:, diagonal, diagonal] += fall.T**2 + LEAST_INFORMATION
    free = np.linalg.inv(information)  # covariances of the columns if rows could have any sum
    variance = np.empty((n_classes, n_classes))
    for j in range(n_classes):
        # The others are added up, not taken from the sum of all: one column may be far less certain than they.
        others = free[:j].sum(axis=0) + free[j + 1 :].sum(axis=0)
        variance[:, j] = np.linalg.inv(information[j] + np.linalg.inv(others)).diagonal()
    return np.sqrt(variance)
