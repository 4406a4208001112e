"""T from the agreement of noisy labels among neighbours in feature space."""

from __future__ import annotations

import warnings

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import check_size, check_whole
from labelnoise.errors import InputError
from labelnoise.estimators._inputs import Floats, check_features, in_range
from labelnoise.noise import Labels
from labelnoise.transitions import Matrix

Frequencies = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

BLOCK_BYTES = 2**24  # of similarities at a time
MOST_STEPS = 1000  # of the optimiser
SCALE = 1e6  # squared differences of frequencies are smaller than what the optimiser takes for no progress


def two_nearest(features: Floats, rows: Labels) -> Labels:
    """The two nearest other samples of some samples, by cosine similarity and without approximation.

    Args:
        features: shape (n_samples, n_features), at least 3 samples.
        rows: shape (n_rows,), which samples to look from.

    Returns:
        Shape (n_rows, 2), the nearest first. A sample whose features are all 0 is as near to any other.
    """
    features = in_range(features, axis=1)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = (features / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    found = np.empty((len(rows), 2), dtype=np.int64)
    step = max(1, BLOCK_BYTES // (unit.itemsize * len(unit)))
    for first in range(0, len(rows), step):
        block = rows[first : first + step]
        similarity = unit[block] @ unit.T  # (step, n_samples)
        each = np.arange(len(block))
        similarity[each, block] = -np.inf
        for k in range(2):
            nearest = similarity.argmax(axis=1)
            similarity[each, nearest] = -np.inf
            found[first : first + step, k] = nearest
    return found


def consensus(triples: Labels, n_classes: int) -> Frequencies:
    """How often one, two and three noisy labels of neighbours meet.

    Args:
        triples: shape (n_triples, 3), the noisy labels of a sample and of its two neighbours.
        n_classes: memory and time grow with its cube.

    Returns:
        Frequencies of shape (n_classes,), (n_classes, n_classes) and (n_classes, n_classes,
        n_classes), each summing to 1 and symmetric: if the three share their clean class, their
        order carries no information, and the mean over the six orders has less variance.
    """
    flat = np.ravel_multi_index(tuple(triples.T), (n_classes,) * 3)
    third = np.bincount(flat, minlength=n_classes**3).reshape((n_classes,) * 3) / len(triples)
    third = (third + third.transpose(1, 2, 0) + third.transpose(2, 0, 1)) / 3
    third = (third + third.transpose(0, 2, 1)) / 2
    return third.sum(axis=(1, 2)), third.sum(axis=2), third


def distance(parameters: NDArray[np.float64], frequencies: Frequencies) -> tuple[float, NDArray[np.float64]]:
    """How far the consensus that T and p imply is from the given one, and the slope of that.

    The sum over the orders v of ``|sum_i p_i T_i x ... x T_i (v times) - frequencies_v|^2``, T_i
    being row i. Products of rows stand in for the implied frequencies, which are never formed.

    Args:
        parameters: shape ((n_classes + 1) * n_classes,), the logits of the rows of T, then of p.
        frequencies: as from `consensus`, symmetric.
    """
    n_classes = len(frequencies[0])
    weights = scipy.special.softmax(parameters.reshape(n_classes + 1, n_classes), axis=1)
    matrix, p = weights[:-1], weights[-1]
    gram = matrix @ matrix.T
    # The observed frequencies with T_i in all places but one, one row per i: (n_classes, n_classes) each.
    first, second, third = frequencies
    by_rows = np.einsum("ijk,ij->ik", np.tensordot(matrix, third, axes=(1, 0)), matrix)
    filled = (np.broadcast_to(first, matrix.shape), matrix @ second, by_rows)
    loss, slope = 0.0, np.zeros_like(weights)
    for order, (observed, rest) in enumerate(zip(frequencies, filled, strict=True), start=1):
        seen = (rest * matrix).sum(axis=1)
        implied = gram**order @ p
        loss += float(p @ implied - 2 * p @ seen + (observed**2).sum())
        slope[:-1] += 2 * order * p[:, None] * ((gram ** (order - 1) * p) @ matrix - rest)
        slope[-1] += 2 * (implied - seen)
    slope = weights * (slope - (weights * slope).sum(axis=1, keepdims=True))
    return loss, slope.ravel()


def match(frequencies: Frequencies) -> tuple[Matrix, NDArray[np.float64]]:
    """The T and the class shares p that minimise `distance`, from T near the identity and p uniform.

    Returns:
        T, shape (n_classes, n_classes), and p, shape (n_classes,), both in the order of the classes.
    """
    n_classes = len(frequencies[0])

    def scaled(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, slope = distance(parameters, frequencies)
        return SCALE * loss, SCALE * slope

    start = np.vstack([np.log(0.5 * np.eye(n_classes) + 0.5 / n_classes), np.zeros(n_classes)])
    options = {"maxiter": MOST_STEPS, "ftol": 1e-9}
    found = scipy.optimize.minimize(scaled, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    if found.nit >= MOST_STEPS:
        warnings.warn(f"HOC stopped after {MOST_STEPS:,} steps, before T had settled.", RuntimeWarning, stacklevel=3)
    weights = scipy.special.softmax(found.x.reshape(n_classes + 1, n_classes), axis=1)
    matrix, p = weights[:-1], weights[-1]
    order = scipy.optimize.linear_sum_assignment(matrix.T, maximize=True)[1]
    return matrix[order], p[order]


def hoc(features: ArrayLike, noisy_labels: ArrayLike, *, queries: int = 15_000, seed: int = 0) -> Matrix:
    """High-order consensus: T from the noisy labels of samples and of their two nearest neighbours.

    Zhu, Song and Liu 2021 (arXiv:2102.05291, section 3 and algorithm 1). If a sample and its two
    nearest neighbours share a clean class, drawn with shares p, their noisy labels are
    independent given it, and meet with frequencies ``sum_i p_i T[i, j]``, ``sum_i p_i T[i, j]
    T[i, k]`` and ``sum_i p_i T[i, j] T[i, k] T[i, l]``. T and p are those whose frequencies come
    nearest to the counted ones, by least squares. Differs from the paper in that the squares of
    the norms are summed and not the norms, which have a kink where they are 0; in that neighbours
    are sought among all samples and not among a sample of them; and in that the labels of a
    triple are counted in every order.

    Assumes that neighbours share their clean class, that T is invertible, and that the largest
    entry of each row of T is on the diagonal: the frequencies don't tell which row belongs to
    which class, so rows are assigned such that the diagonal sums to the most. Fails where
    neighbours are of different classes (their differences are taken for noise), and where the
    features were learned until they memorised the noisy labels (the identity).

    Args:
        features: shape (n_samples, n_features), in any unit; only their directions count.
        noisy_labels: shape (n_samples,); every class up to the largest occurs.
        queries: how many samples are looked from, drawn without replacement if there are more;
            time grows with queries * n_samples * n_features, memory with n_classes**3.
        seed: of that draw.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. A class without clean samples has a row that
        the frequencies don't determine: most often about a mixture of the other rows.

    Warns:
        RuntimeWarning: T had not settled after `MOST_STEPS` steps of the optimiser.

    Raises:
        InputError: as `check_features`, fewer than 3 samples, fewer than 1 query, or more classes than there is memory
            for.

    >>> clean = np.repeat([0, 1], 200)
    >>> features = np.eye(2)[clean] + 0.1 * np.random.default_rng(0).standard_normal((400, 2))
    >>> noisy = np.where(np.arange(400) % 4 == 0, 1 - clean, clean)  # a quarter of each class
    >>> hoc(features, noisy).round(1)
    array([[0.8, 0.2],
           [0.3, 0.7]])
    """
    array, labels, n_classes = check_features(features, noisy_labels)
    if len(array) < 3:
        raise InputError(f"Neighbours need at least 3 samples, not {len(array)}; pass more.")
    queries, generator = check_whole(queries, "queries", 1), np.random.default_rng(check_whole(seed, "seed", 0))
    check_size(f"HOC for {n_classes:,} classes of noisy_labels", n_classes, n_classes, n_classes)
    rows = np.arange(len(array))
    if len(rows) > queries:
        rows = np.sort(generator.choice(rows, queries, replace=False))
    triples = labels[np.column_stack([rows, two_nearest(array, rows)])]  # (n_rows, 3)
    return match(consensus(triples, n_classes))[0]
