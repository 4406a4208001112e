"""Intervals, quantiles, paired comparisons, a goodness-of-fit test and one of homogeneity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import as_array, as_numbers, check_labels, check_level, shown
from labelnoise.errors import InputError
from labelnoise.noise import count_transitions
from labelnoise.transitions import validate

QUANTILES = (0.03, 0.25, 0.5, 0.75, 0.97)
LARGEST = 1e100  # of a value, so that no sum of squares is infinite


@dataclass(frozen=True)
class Interval:
    """A mean over independent runs with its confidence interval.

    Attributes:
        mean, low, high: in the unit of the values; low and high are NaN for a single value.
        deviation: sample standard deviation (ddof 1) of the values.
        n: how many values.
    """

    mean: float
    low: float
    high: float
    deviation: float
    n: int

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @property
    def p_value(self) -> float:
        """The two-sided p-value of Student's t test that the true mean is 0; NaN for a single value."""
        if self.n == 1:
            return float("nan")
        if not self.deviation:
            return float(self.mean == 0)
        return float(2 * scipy.special.stdtr(self.n - 1, -abs(self.mean) / self.deviation * self.n**0.5))


def _finite(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = as_numbers(values, what, "a list of numbers")
    if array.ndim != 1 or not len(array) or not (np.abs(array) <= LARGEST).all():
        raise InputError(f"{what} needs one or more finite values, up to {LARGEST:g}, not {shown(array.tolist())}.")
    return array


def interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student's t interval for the mean of independent values.

    Args:
        values: shape (n,), n >= 1.
        level: the coverage it has when the values are normal, in (0, 1).

    Raises:
        InputError: no value, or one that is not finite; a level outside (0, 1).

    >>> found = interval([1, 2, 3])
    >>> f"{found.mean:.1f} ({found.low:.1f} to {found.high:.1f})"
    '2.0 (-0.5 to 4.5)'
    """
    array, level = _finite(values, "An interval"), check_level(level)
    n, mean = len(array), float(array.mean())
    if n == 1:
        return Interval(mean, float("nan"), float("nan"), float("nan"), 1)
    deviation = float(array.std(ddof=1))
    half = float(scipy.special.stdtrit(n - 1, (1 + level) / 2)) * deviation / n**0.5
    return Interval(mean, mean - half, mean + half, deviation, n)


def median_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """The median of independent values, and two of them between which the true one lies in at least `level` of samples.

    The interval is that of order statistics (Thompson 1936, Annals of Mathematical Statistics 7:122): it takes no
    distribution for granted, so a run that failed moves it no further than any other. NaN with too few values.

    Args:
        values: shape (n,), n >= 1.
        level: the least coverage, in (0, 1).

    Raises:
        InputError: as `interval`.

    >>> median_interval([1, 2, 3, 4, 5, 6, 7, 8, 90])
    (5.0, 2.0, 8.0)
    """
    array, level = _finite(values, "A median"), check_level(level)
    ordered, n = np.sort(array), len(array)
    # The k-th smallest and k-th largest: fewer than k lie on one side of the true median with chance (1 - level) / 2.
    k = int(np.searchsorted(scipy.special.bdtr(np.arange(n), n, 0.5), (1 - level) / 2, side="right"))
    low, high = (ordered[k - 1], ordered[n - k]) if k else (np.nan, np.nan)
    return float(np.median(array)), float(low), float(high)


def paired_difference(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of ``first - second`` over pairs that share their seed, with its t interval.

    Args:
        first, second: shape (n,), in the same order of seeds.

    Raises:
        InputError: two lengths that differ, or as `interval`.

    >>> round(paired_difference([0.9, 0.8], [0.8, 0.6]).mean, 3)
    0.15
    """
    a, b = _finite(first, "A paired comparison"), _finite(second, "A paired comparison")
    if a.shape != b.shape:
        raise InputError(f"A paired comparison needs as many first as second values, not {len(a)} and {len(b)}.")
    return interval(a - b, level)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """p-values corrected for their number, so that one below 0.05 among them by chance has a probability of 0.05.

    Holm 1979 (Scandinavian Journal of Statistics 6, 65-70): the smallest of m is multiplied by m,
    the next by m - 1, and so on; none comes out below one before it, or above 1.

    Args:
        p_values: shape (m,), each in [0, 1].

    Returns:
        Shape (m,), in the same order.

    Raises:
        InputError: one that lies outside [0, 1].

    >>> holm([0.01, 0.04, 0.03]).round(2)
    array([0.03, 0.06, 0.06])
    """
    values = as_numbers(p_values, "p-values", "a list of numbers in [0, 1]")
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"p-values must be a list of numbers in [0, 1], not {shown(values.tolist())}.")
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)).clip(max=1)
    return corrected


def goodness_of_fit(clean_labels: ArrayLike, noisy_labels: ArrayLike, transition_matrix: ArrayLike) -> float:
    """Pearson's chi-square p-value of the flips under T, given the clean labels.

    Each row of counts is multinomial with the probabilities of its row of T. A flip that T rules
    out gives 0.

    Args:
        clean_labels, noisy_labels: shape (n_samples,).
        transition_matrix: shape (n_classes, n_classes); rows are clean classes.

    Raises:
        InputError: no transition matrix, labels outside its classes, or two lengths that differ.

    >>> goodness_of_fit([0, 0, 1, 1], [0, 1, 0, 1], [[0.5, 0.5], [0, 1]])  # no label of class 1 can flip
    0.0
    """
    matrix = validate(transition_matrix)
    counts = count_transitions(clean_labels, noisy_labels, len(matrix))
    expected = counts.sum(axis=1, keepdims=True) * matrix
    possible = expected > 0
    if counts[~possible].any():
        return 0.0
    with np.errstate(over="ignore"):  # of a flip that hardly ever happens
        statistic = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    freedom = int((possible.sum(axis=1) - 1).clip(0).sum())
    return float(scipy.special.chdtrc(freedom, statistic)) if freedom else 1.0


def class_quantiles(values: ArrayLike, clean_labels: ArrayLike) -> NDArray[np.float64]:
    """Quantiles, at `QUANTILES`, of what is known of each class for each image, over the images of each class.

    Args:
        values: such as predicted probabilities, shape (n_samples, n_classes).
        clean_labels: shape (n_samples,); each class occurs.

    Returns:
        Shape (n_classes, n_classes, n_quantiles).

    Raises:
        InputError: another shape, values that are no finite numbers, or a class that does not occur.
    """
    array = as_array(values, "values")
    if array.ndim != 2 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise InputError(f"values must be finite numbers of shape (n_samples, n_classes), not {shown(values)}.")
    labels = check_labels(clean_labels, array.shape[1], "clean_labels")
    if len(labels) != len(array) or not np.bincount(labels, minlength=array.shape[1]).all():
        raise InputError(
            f"clean_labels must name a class for each of {len(array)} values, and each class once or more."
        )
    return np.stack([np.quantile(array[labels == i], QUANTILES, axis=0).T for i in range(array.shape[1])])


def overdispersion(counts: ArrayLike) -> tuple[float, float]:
    """How much more counts vary from row to row than if all rows were drawn with the same probabilities.

    Pearson's chi-square test of homogeneity. The statistic over its degrees of freedom is about 1 for rows that are
    multinomial with the same probabilities; of two columns it is the variance of the shares over the binomial one.

    Args:
        counts: shape (n_rows, n_columns), such as the votes for each image; a column of zeros takes no part.

    Returns:
        That ratio and the p-value.

    Raises:
        InputError: a row without a count, or fewer than two rows or two columns that have any; a negative count.

    >>> ratio, p_value = overdispersion([[3, 0], [0, 3]])
    >>> round(ratio, 1), round(p_value, 3)
    (6.0, 0.014)
    """
    array = as_numbers(counts, "counts", "a table of numbers")
    if not ((array >= 0) & (array <= LARGEST)).all():
        raise InputError(f"counts must be finite and 0 or more, not {shown(array.tolist())}.")
    seen = array[:, array.any(axis=0)] if array.ndim == 2 else array
    if seen.ndim != 2 or min(seen.shape) < 2 or not seen.any(axis=1).all():
        raise InputError(
            f"A test of homogeneity needs two or more rows and columns, each with a count, not shape {seen.shape}."
        )
    found = scipy.stats.chi2_contingency(seen, correction=False)
    return float(found.statistic / found.dof), float(found.pvalue)
