"""Which labels are wrong, given T and what a model says of the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import NDArray

from labelnoise.estimators._inputs import Floats, row_blocks
from labelnoise.noise import Labels
from labelnoise.transitions import Matrix

STEPS = 3  # of `unmixed`; more of them trust T further than its estimate goes
LEAST_PROB = 1e-9  # in place of a probability of 0, such as a neighbourhood has without a sample of a class
SPARSE = 0.1  # of the entries of T that are not 0, below which a sparse product is quicker


@dataclass(frozen=True)
class Judged:
    """What is thought of each label.

    Attributes:
        suggestions: the likeliest clean class, shape (n_samples,).
        p_wrong: P(clean != label | x, label), shape (n_samples,).
        times: how many times as likely as the label the likeliest other class is by P(clean | x), shape (n_samples,).
    """

    suggestions: Labels
    p_wrong: NDArray[np.float64]
    times: NDArray[np.float64]


def unmixed(pred_probs: Floats, transition_matrix: Matrix, steps: int = STEPS) -> NDArray[np.float64]:
    """P(clean | x) of which T makes about P(noisy | x): shape (n_samples, n_classes), rows sum to 1.

    Each step is one of expectation maximisation towards the q whose ``q @ T`` has the least divergence from
    `pred_probs` (Richardson 1972, Journal of the Optical Society of America 62, 55-59; Lucy 1974, The Astronomical
    Journal 79, 745-754), which begins with `pred_probs`. The inverse of T has no bounds, and makes of each error of the
    model a larger one; few steps do not.

    Args:
        pred_probs: P(noisy | x), shape (n_samples, n_classes).
        transition_matrix: T.
        steps: how many.

    >>> T, noisy = np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([[0.74, 0.26]])
    >>> unmixed(noisy, T).round(2), unmixed(noisy, T, steps=50).round(2)  # the inverse of T gives 0.9 and 0.1
    (array([[0.84, 0.16]]), array([[0.9, 0.1]]))
    """
    return _unmixed(pred_probs, *_parts(transition_matrix), steps)


def _parts(transition_matrix: Matrix) -> tuple[Any, float]:
    """T less a number, sparse where few entries are left by that, and the number."""
    least = float(transition_matrix.min())
    rest = transition_matrix - least
    if np.count_nonzero(rest) < SPARSE * rest.size:
        return scipy.sparse.csr_array(rest), least
    return transition_matrix, 0.0


def _unmixed(pred_probs: Floats, rest: Any, least: float, steps: int) -> NDArray[np.float64]:
    noisy = np.maximum(pred_probs, LEAST_PROB, dtype=np.float64)
    clean = noisy
    for _ in range(steps):
        ratio = noisy / np.maximum(clean @ rest + least * clean.sum(axis=1, keepdims=True), LEAST_PROB)
        clean = clean * (ratio @ rest.T + least * ratio.sum(axis=1, keepdims=True))
        clean /= clean.sum(axis=1, keepdims=True)
    return clean


def _shrunk(transition_matrix: Matrix, samples: NDArray[np.integer[Any]]) -> Matrix:
    """T, drawn towards the symmetric matrix of as many flips as far as it differs from that no more than by chance.

    By chance alone, the chi-squared statistic of the rows of T against those of the symmetric matrix is about its
    degrees of freedom; their quotient is how far T is drawn, as by a prior whose weight the data tell (Efron and Morris
    1973, Journal of the American Statistical Association 68, 117-130).

    Args:
        transition_matrix: T, shape (n_classes, n_classes).
        samples: how many there are of each class, shape (n_classes,).
    """
    n_classes = len(samples)
    kept = np.average(np.diag(transition_matrix), weights=samples)
    even = np.full_like(transition_matrix, (1 - kept) / (n_classes - 1))
    np.fill_diagonal(even, kept)
    statistic = (samples[:, None] * (transition_matrix - even) ** 2 / np.maximum(even, LEAST_PROB)).sum()
    free = n_classes * (n_classes - 1) - 1  # less one for `kept`
    by_chance = free / max(statistic, free)
    return (1 - by_chance) * transition_matrix + by_chance * even


def wrong_labels(probs: Floats, noisy_labels: Labels, transition_matrix: Matrix, steps: int = STEPS) -> Judged:
    """How likely each label is wrong, what it should rather be, and how clearly.

    By Bayes' rule P(clean | x, label) is in proportion to ``P(clean | x) * T[clean, label]``, which tells how likely a
    label is wrong, but takes T at its word. `times` does so less: labels are ranked by it (``benchmarks/rankings.py``).
    T is first drawn towards a symmetric matrix as far as it differs from that by chance alone: under symmetric noise
    what is by chance would rank labels worse than the model does by itself.

    Assumes that flips depend on the class alone, and that the model has not learned from these labels. A row of T is
    mixed with one sample that is of any class, as few samples don't show the flips that are rare.

    Args:
        probs: P(noisy | x), shape (n_samples, n_classes), as `check_inputs` gives them.
        noisy_labels: shape (n_samples,), likewise.
        transition_matrix: T, shape (n_classes, n_classes).
        steps: of `unmixed`, by which P(clean | x) is found; 0 if that is what `probs` are.

    >>> judged = wrong_labels(np.array([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1]), np.array([[0.8, 0.2], [0.2, 0.8]]))
    >>> judged.suggestions, judged.p_wrong.round(2), judged.times.round(1)
    (array([0, 0]), array([0.05, 0.84]), array([0.1, 9.7]))
    """
    n_samples, n_classes = probs.shape
    samples = np.bincount(noisy_labels, minlength=n_classes)
    shrunk = _shrunk(transition_matrix, samples)
    mixed = (samples[:, None] * shrunk + 1 / n_classes) / (samples[:, None] + 1)
    rest, least = _parts(shrunk)
    judged = Judged(np.empty(n_samples, np.int64), np.empty(n_samples), np.empty(n_samples))
    for block in row_blocks(probs):
        labels = noisy_labels[block]
        rows, clean = np.arange(len(labels)), np.maximum(_unmixed(probs[block], rest, least, steps), LEAST_PROB)
        posterior = clean * mixed[:, labels].T
        posterior /= posterior.sum(axis=1, keepdims=True)
        judged.suggestions[block] = posterior.argmax(axis=1)
        judged.p_wrong[block] = 1 - posterior[rows, labels]
        own = clean[rows, labels]
        clean[rows, labels] = 0
        judged.times[block] = clean.max(axis=1) / own
    return judged
