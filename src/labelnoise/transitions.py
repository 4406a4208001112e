"""Transition matrices: building, checking and comparing them.

Convention, here and everywhere in this project: rows are clean classes, columns are noisy
classes, rows sum to 1, ``T[i, j] = P(noisy = j | clean = i)``. So noisy class probabilities are
``clean_probs @ T``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import as_numbers, check_generator, check_number, check_size, check_whole, shown
from labelnoise.errors import InputError

Matrix = NDArray[np.float64]


def validate(transition_matrix: ArrayLike, n_classes: int | None = None) -> Matrix:
    """Check a transition matrix and return it as float64.

    Args:
        transition_matrix: shape (n_classes, n_classes); rows are clean classes and sum to 1. An
            array, or a tensor on any device.
        n_classes: the number of classes it must have; by default any number from 2 up.

    Returns:
        A new array of shape (n_classes, n_classes).

    Raises:
        InputError: it is not square, has another number of classes, or has a row that is not a
            probability distribution, which the message names; n_classes is no whole number.

    >>> validate([[1, 0], [0.2, 0.8]])
    array([[1. , 0. ],
           [0.2, 0.8]])
    """
    matrix = as_numbers(transition_matrix, "A transition matrix", "a square table of numbers")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise InputError(f"A transition matrix must be square with at least 2 classes, not of shape {matrix.shape}.")
    if n_classes is not None and len(matrix) != check_whole(n_classes, "n_classes", 1):
        raise InputError(
            f"The transition matrix has {len(matrix)} classes but the data have {n_classes}; "
            f"pass one of shape ({n_classes}, {n_classes})."
        )
    for i, row in enumerate(matrix):
        if not np.all(np.isfinite(row)) or row.min() < 0 or row.max() > 1 + 1e-6:
            entries = shown(row.tolist())
            raise InputError(f"Row {i} of the transition matrix is {entries}; its entries must lie in [0, 1].")
    sums = matrix.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > 1e-6)
    if len(wrong):
        transposed = np.allclose(matrix.sum(axis=0), 1, atol=1e-6)
        raise InputError(
            f"Row {wrong[0]} of the transition matrix sums to {sums[wrong[0]]:.9g}, not 1; "
            + (
                "its columns do, so pass its transpose: rows are clean classes."
                if transposed
                else "rows are clean classes and each must sum to 1."
            )
        )
    return matrix


def check_rate(rate: Any) -> float:
    """Check a noise rate and return it as float.

    Raises:
        InputError: not a number in [0, 1].
    """
    return check_number(rate, "A noise rate must lie in [0, 1]", lambda value: 0 <= value <= 1)


def check_n_classes(n_classes: Any) -> int:
    """Check a number of classes and return it as int.

    Raises:
        InputError: not a whole number from 2 up, or one so large that there is no memory for a T.
    """
    found = check_whole(n_classes, "n_classes", 2)
    check_size(f"Work with a T for n_classes = {found:,}", found, found, copies=3)
    return found


def symmetric(n_classes: int, rate: float) -> Matrix:
    """Each label is flipped with probability `rate`, to each other class alike.

    Van Rooyen et al. 2015 (arXiv:1505.07634).

    Returns:
        Shape (n_classes, n_classes), ``1 - rate`` on the diagonal and ``rate / (n_classes - 1)`` elsewhere.

    Raises:
        InputError: fewer than 2 classes, or a rate outside [0, 1].

    >>> symmetric(3, 0.2)
    array([[0.8, 0.1, 0.1],
           [0.1, 0.8, 0.1],
           [0.1, 0.1, 0.8]])
    """
    n_classes, rate = check_n_classes(n_classes), check_rate(rate)
    matrix = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def pair_flip(n_classes: int, rate: float) -> Matrix:
    """Each label is flipped with probability `rate` to the next class, the last to the first.

    Han et al. 2018 (arXiv:1804.06872, figure 2).

    Returns:
        Shape (n_classes, n_classes).

    Raises:
        InputError: fewer than 2 classes, or a rate outside [0, 1].

    >>> pair_flip(3, 0.25)
    array([[0.75, 0.25, 0.  ],
           [0.  , 0.75, 0.25],
           [0.25, 0.  , 0.75]])
    """
    n_classes, rate = check_n_classes(n_classes), check_rate(rate)
    matrix = np.diag(np.full(n_classes, 1 - rate))
    matrix[np.arange(n_classes), np.arange(1, n_classes + 1) % n_classes] = rate
    return matrix


def random(n_classes: int, rate: float, generator: np.random.Generator) -> Matrix:
    """Each label is flipped with probability `rate`, to classes drawn per row from a flat Dirichlet.

    Returns:
        Shape (n_classes, n_classes), ``1 - rate`` on the diagonal and the rest of each row uniform on the simplex.

    Raises:
        InputError: fewer than 2 classes, a rate outside [0, 1], or another generator than NumPy's.

    >>> random(3, 0.3, np.random.default_rng(0)).diagonal()
    array([0.7, 0.7, 0.7])
    """
    n_classes, rate, generator = check_n_classes(n_classes), check_rate(rate), check_generator(generator)
    matrix = np.zeros((n_classes, n_classes))
    others = rate * generator.dirichlet(np.ones(n_classes - 1), size=n_classes)
    matrix[~np.eye(n_classes, dtype=bool)] = others.ravel()
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def noise_rate(transition_matrix: ArrayLike, class_priors: ArrayLike | None = None) -> float:
    """P(noisy != clean).

    Args:
        transition_matrix: shape (n_classes, n_classes).
        class_priors: P(clean), shape (n_classes,); uniform by default.

    Raises:
        InputError: a bad matrix, or priors that are not one per class, 0 or more, with a sum above 0.

    >>> round(noise_rate([[0.9, 0.1], [0.3, 0.7]], class_priors=[0.75, 0.25]), 3)
    0.15
    """
    kept = np.diag(validate(transition_matrix))
    weights = np.ones(len(kept)) if class_priors is None else as_numbers(class_priors, "class_priors")
    largest = weights.max(initial=0)
    if weights.shape != kept.shape or not (weights >= 0).all() or not 0 < largest < math.inf:
        raise InputError(f"class_priors must be {len(kept)} numbers, 0 or more, not {shown(weights.tolist())}.")
    # By a power of two, which rounds nothing: numbers of any scale can then be added.
    return float(1 - np.average(kept, weights=np.ldexp(weights, -np.frexp(largest)[1])))


def _pair(estimate: ArrayLike, truth: ArrayLike) -> tuple[Matrix, Matrix]:
    first, second = as_numbers(estimate, "The estimate"), as_numbers(truth, "The true matrix")
    if first.shape != second.shape:
        raise InputError(f"The estimate has shape {first.shape} but the true matrix {second.shape}.")
    for name, matrix in (("estimate", first), ("true matrix", second)):
        # Within bounds of which the squares are no infinity and no 0.
        if not (np.isfinite(matrix).all() and 1e-100 <= np.abs(matrix).max(initial=0) <= 1e100):
            raise InputError(
                f"The {name} must have finite entries up to 1e100 that are not all 0, not {shown(matrix.tolist())}."
            )
    return first, second


def l1_error(estimate: ArrayLike, truth: ArrayLike) -> float:
    """Relative entry-wise L1 error, ``sum|estimate - truth| / sum|truth|``.

    As in T-Revision (Xia et al. 2019, arXiv:1906.00189, section 4) and Dual-T (Yao et al. 2020,
    arXiv:2006.07805).

    Args:
        estimate, truth: shape (n_classes, n_classes).

    Raises:
        InputError: two shapes, or entries that are no finite numbers or all 0.

    >>> round(l1_error([[1, 0], [0, 1]], [[0.9, 0.1], [0.3, 0.7]]), 3)
    0.4
    """
    estimate, truth = _pair(estimate, truth)
    return float(np.abs(estimate - truth).sum() / np.abs(truth).sum())


def frobenius_error(estimate: ArrayLike, truth: ArrayLike) -> float:
    """Relative Frobenius error, ``||estimate - truth||_F / ||truth||_F``.

    Args:
        estimate, truth: shape (n_classes, n_classes).

    Raises:
        InputError: two shapes, or entries that are no finite numbers or all 0.

    >>> round(frobenius_error([[1, 0], [0, 1]], [[0.9, 0.1], [0.3, 0.7]]), 3)
    0.378
    """
    estimate, truth = _pair(estimate, truth)
    return float(np.linalg.norm(estimate - truth) / np.linalg.norm(truth))
