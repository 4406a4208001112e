"""T from samples that a selection function accepts for a class, where it errs least.

Both algorithms of de Juan, Mazuelas, Zhu and Scott 2026 (arXiv:2609.39829). Their T has the clean
classes as columns; here they are rows, as everywhere in this project.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import check_number, check_size, check_whole
from labelnoise.estimators._columns import largest
from labelnoise.estimators._inputs import Floats, as_rows, check_features, check_inputs, in_range
from labelnoise.transitions import Matrix

MOST_COSTS = 1_000  # a classifier is learned for each and each class; the default has 19
LEARNING_STEPS = 100  # four times as many give the same T on overlapping Gaussian classes


def _needed(coverage: float, n_samples: int) -> int:
    share = check_number(coverage, "coverage must lie in (0, 1]", lambda value: 0 < value <= 1)
    return int(np.ceil(share * n_samples))


def _last_largest(values: NDArray[np.float64]) -> int:
    return len(values) - 1 - int(values[::-1].argmax())


def selective_threshold(pred_probs: ArrayLike, noisy_labels: ArrayLike, *, coverage: float = 0.01) -> Matrix:
    """Row i of T is the distribution of noisy labels among the samples most probably labelled i.

    De Juan et al. 2026 (arXiv:2609.39829, algorithm 1). For each class the samples are accepted
    from the largest probability of it downwards, as far as the share of those labelled so is
    largest, but at least a given share of all. Only the order of the probabilities counts, not
    their values.

    Assumes that the largest entry of each column of T is on the diagonal, that the most probable
    samples of a class are of that class, and that `pred_probs` are held out: the network has not
    seen these samples. The error is then of order ``sqrt(log(n_samples) / n_accepted)`` plus a
    bias for accepted samples of other classes (theorem 2). Fails where the network has memorised
    the labels (the identity), and, as the largest share is taken, is a little too sure of small
    classes.

    Args:
        pred_probs: shape (n_samples, n_classes).
        noisy_labels: shape (n_samples,).
        coverage: the smallest share of the samples to accept for a class, in (0, 1]; the paper
            takes 0.01. Less accepts purer samples, more gives less variance.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. Samples that tie are accepted together. A
        class that is never predicted is estimated as any other.

    Raises:
        InputError: as `check_inputs`, or a coverage outside (0, 1].

    >>> selective_threshold([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]], [0, 1, 1, 1], coverage=0.5)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    probs, labels = check_inputs(pred_probs, noisy_labels)
    n_samples, n_classes = probs.shape
    needed = _needed(coverage, n_samples)
    of_class = np.bincount(labels)
    matrix = np.empty((n_classes, n_classes))
    rank = min(n_samples, max(needed, 3 * of_class.max() // 2))
    for j, (column, rows) in enumerate(largest(probs, rank)):
        accepted, share = _purest(column, labels[rows] == j, needed)
        # Further down the share is at most that of all samples of the class among one more.
        if share <= of_class[j] / (len(column) + 1):
            rows = np.arange(n_samples)
            accepted, _ = _purest(probs[:, j].copy(), labels == j, needed)
        matrix[j] = np.bincount(labels[rows[accepted]], minlength=n_classes)
    return as_rows(matrix)


def _purest(scores: Floats, hits: NDArray[np.bool_], needed: int) -> tuple[NDArray[np.int64], float]:
    """The samples down to the score, at least `needed`, among which the share of hits is largest, and the share."""
    order = np.argsort(scores)[::-1]
    scores = scores[order]
    share = np.cumsum(hits[order]) / np.arange(1, len(scores) + 1)
    share[: needed - 1] = -1
    share[:-1][scores[1:] == scores[:-1]] = -1
    last = _last_largest(share)
    return order[: last + 1], float(share[last])


def _whitened(features: Floats, learn: NDArray[np.int64]) -> Floats:
    """Features with mean 0 and identity covariance over the samples to learn from, and a column of ones.

    Gradient steps then need no tuning: the curvature is at most a quarter of the largest weight.
    """
    features = in_range(features, axis=0)
    deviation = features[learn].std(axis=0)
    centred = (features - features[learn].mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    # What does not vary in these samples has no unit here, and may be beyond float32 in others.
    centred = np.where(np.abs(centred) > np.finfo(np.float32).max, 0, centred).astype(np.float32)
    covariance = (centred[learn].T @ centred[learn]).astype(np.float64) / len(learn)
    variances, directions = np.linalg.eigh(covariance)
    kept = variances > 1e-6 * variances[-1]
    white = centred @ (directions[:, kept] / np.sqrt(variances[kept])).astype(np.float32)
    return np.hstack([white, np.ones((len(features), 1), dtype=np.float32)])


def _learn(features: Floats, labelled: NDArray[np.bool_], costs: NDArray[np.float32]) -> Floats:
    """Linear scores that are positive where a sample is to be accepted, one column of weights per cost.

    Minimises the logistic surrogate ``1{not labelled} log(1 + e^f) + cost log(1 + e^-f)`` of the
    paper's equation 6 by Nesterov's method from 0.

    Args:
        features: shape (n_samples, n_features), whitened.
        labelled: shape (n_samples,), whether the noisy label is the class in question.
        costs: shape (n_costs,), of rejecting a sample; accepting one that is not labelled costs 1.
    """
    # The slope of the surrogate, (1{not labelled} + cost) / (1 + e^-f) - cost, with tanh(f / 2), which is faster.
    half = (np.where(labelled, 0, 1)[:, None] + costs) / 2  # (n_samples, n_costs)
    half, rest = half.astype(np.float32), (half - costs).astype(np.float32)
    step = 4 / (1 + costs) / len(features)
    weights: Floats = np.zeros((features.shape[1], len(costs)), dtype=np.float32)
    ahead = weights
    for k in range(LEARNING_STEPS):
        slope = features @ (ahead / 2)
        np.tanh(slope, out=slope)
        slope *= half
        slope += rest
        before, weights = weights, ahead - step * (features.T @ slope)
        ahead = weights + np.float32(k / (k + 3)) * (weights - before)
    return weights


def selective_costs(
    features: ArrayLike,
    noisy_labels: ArrayLike,
    *,
    coverage: float = 0.01,
    spacing: float = 0.05,
    seed: int = 0,
) -> Matrix:
    """Row i of T is the distribution of noisy labels among samples that a classifier accepts for class i.

    De Juan et al. 2026 (arXiv:2609.39829, algorithm 2). On one half of the samples, a classifier
    is learned for each class and each of a grid of costs of rejecting a sample, against a cost of
    1 for accepting one that is labelled otherwise; on the other half, of those that accept enough
    the one whose accepted samples bear the label of the class most often gives the row; of several
    with the same share, that of the largest cost, which tends to accept the most. The
    paper leaves the classifier open; here it is logistic regression on the features given, as in
    its experiments on CIFAR-10.

    Assumes that the largest entry of each column of T is on the diagonal, and that for each class
    a linear function of the features accepts samples of that class alone. Fails where none does
    (rows pulled to each other), and where the features were learned until they memorised the
    labels (the identity).

    Args:
        features: shape (n_samples, n_features), in any unit.
        noisy_labels: shape (n_samples,); every class up to the largest occurs.
        coverage: the smallest share of the second half to accept for a class, in (0, 1].
        spacing: of the costs, which are its multiples below 1; in [0.001, 0.5].
        seed: of the draw of the halves.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. A class for which no classifier accepts
        enough samples gets the row of the identity. Time grows with n_samples * n_features *
        n_classes / spacing: about 10 seconds for 60,000 samples, 128 features and 10 classes.

    Raises:
        InputError: as `check_features`, or a coverage or spacing outside its range.

    >>> clean = np.repeat([0, 1], 200)
    >>> features = np.eye(2)[clean] + 0.1 * np.random.default_rng(0).standard_normal((400, 2))
    >>> noisy = np.where(np.arange(400) % 4 == 0, 1 - clean, clean)  # a quarter of each class
    >>> selective_costs(features, noisy).round(1)
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    array, labels, n_classes = check_features(features, noisy_labels)
    rule = f"spacing must lie in [{1 / MOST_COSTS}, 0.5], for {MOST_COSTS:,} costs at most"
    spacing = check_number(spacing, rule, lambda value: 1 / MOST_COSTS <= value <= 0.5)
    check_size(f"Costs with spacing = {spacing}", len(labels), int(1 / spacing))
    order = np.random.default_rng(check_whole(seed, "seed", 0)).permutation(len(labels))
    learn, count = order[: len(order) // 2], order[len(order) // 2 :]
    needed = _needed(coverage, len(count))
    costs = np.arange(spacing, 1 - 1e-9, spacing, dtype=np.float32)
    white = _whitened(array, learn)
    to_learn, to_count, counted = white[learn], white[count], labels[count]
    rows = np.zeros((n_classes, n_classes))
    for j in range(n_classes):
        accepted = to_count @ _learn(to_learn, labels[learn] == j, costs) >= 0  # (n_count, n_costs)
        number = accepted.sum(axis=0)
        share = np.where(number >= needed, accepted[counted == j].sum(axis=0) / np.maximum(number, 1), -1)
        best = _last_largest(share)
        if share[best] >= 0:
            rows[j] = np.bincount(counted[accepted[:, best]], minlength=n_classes)
    return as_rows(rows)
