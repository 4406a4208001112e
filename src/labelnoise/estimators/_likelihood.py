"""T by maximum likelihood, given what a network says of the clean classes."""

from __future__ import annotations

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import ArrayLike

from labelnoise._checks import check_number, check_whole
from labelnoise.errors import InputError
from labelnoise.estimators._calibration import scaled
from labelnoise.estimators._inputs import Floats, as_rows, check_inputs
from labelnoise.noise import Labels
from labelnoise.transitions import Matrix, validate


def maximum_likelihood(
    clean_probs: ArrayLike,
    noisy_labels: ArrayLike,
    *,
    start: ArrayLike | None = None,
    tolerance: float = 1e-9,
    max_steps: int = 1000,
) -> Matrix:
    """The T under which the noisy labels are most likely, for fixed clean posteriors q.

    Maximises ``sum_n log (q_n @ T)[noisy_n]`` over row-stochastic T by expectation maximisation
    (Dempster, Laird and Rubin 1977). The expected number of samples of clean class i with noisy
    label j is ``sum_n q_n[i] T[i, j] / (q_n @ T)[j]`` over the samples labelled j, and the next T
    has its rows in these proportions. No step lowers the likelihood. It is concave in T, so that
    the maximum found is the global one, from any start without zeros.

    Assumes that q is right and held out, such as the softmax of a network that was trained with
    a corrected loss. Fails where it isn't: an overconfident q gives the argmax counts, with the
    classifier's own errors in T, and a q that was memorised gives the identity. Where q never
    tells two classes apart the maximum is not unique, and the start decides.

    Args:
        clean_probs: q, shape (n_samples, n_classes); P(clean | x), rows sum to 1.
        noisy_labels: shape (n_samples,).
        start: T to start from, shape (n_classes, n_classes), no entry 0; uniform by default.
        tolerance: stops when a step gains no more than this, in nats per sample.
        max_steps: stops there otherwise; the last T is the best so far.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1. A class that has probability 0 in every
        sample gets the row of the identity.

    Raises:
        InputError: as `check_inputs`; a start that is no transition matrix or has a 0; a negative tolerance; no step.

    >>> maximum_likelihood(np.eye(2)[[0, 0, 1, 1]], [0, 1, 1, 1])
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    probs, labels = check_inputs(clean_probs, noisy_labels, name="clean_probs")
    n_samples, n_classes = probs.shape
    tolerance = check_number(tolerance, "tolerance must be a finite number from 0 up", lambda value: value >= 0)
    max_steps = check_whole(max_steps, "max_steps", 1)
    matrix = np.full((n_classes, n_classes), 1 / n_classes) if start is None else validate(start, n_classes)
    if not matrix.all():
        row = int(np.flatnonzero((matrix == 0).any(axis=1))[0])
        raise InputError(f"Row {row} of start has a 0, which no step can leave; pass positive entries.")
    by_label = probs[np.argsort(labels, kind="stable")].astype(np.float64, copy=False)
    ends = np.cumsum(np.bincount(labels))
    groups = np.split(by_label, ends[:-1])  # one per observed label, (n_j, n_classes)
    reached = -np.inf
    for _ in range(max_steps):
        likelihoods = [group @ matrix[:, j] for j, group in enumerate(groups)]
        now = sum(float(np.log(each).sum()) for each in likelihoods) / n_samples
        if now - reached <= tolerance:
            break
        reached = now
        weights = np.stack([(1 / each) @ group for each, group in zip(likelihoods, groups, strict=True)], axis=1)
        matrix = as_rows(matrix * weights)
    return matrix


def clean_posterior(clean_probs: Floats, noisy_labels: Labels, transition_matrix: Matrix) -> Floats:
    """P(clean | x, noisy), from P(clean | x) and T by Bayes' rule: shape (n_samples, n_classes), rows sum to 1.

    In proportion to ``clean_probs[n, i] * T[i, noisy_labels[n]]``, of which one must be above 0 in each row.

    >>> T = np.array([[0.8, 0.2], [0.4, 0.6]])
    >>> clean_posterior(np.array([[0.5, 0.5]]), np.array([1]), T).round(2)  # in proportion to 0.2 and 0.6
    array([[0.25, 0.75]])
    """
    joint = clean_probs * transition_matrix[:, noisy_labels].T
    posterior: Floats = joint / joint.sum(axis=1, keepdims=True)
    return posterior


TEMPERATURES = (0.5, 2.0)  # searched; held-out probabilities of a network needed 0.9 to 1.3


def tempered_likelihood(clean_probs: ArrayLike, noisy_labels: ArrayLike) -> tuple[Matrix, float]:
    """T and the temperature of the clean posteriors under which the noisy labels are most likely.

    `maximum_likelihood` for each temperature t of ``softmax(log(q) / t)`` (Guo et al. 2017,
    arXiv:1706.04599), and the best of them. Guo et al. find t with the labels that are to be
    predicted; here these are hidden, and T comes between. An overconfident q takes the
    classifier's own errors for noise, one that is not confident enough takes noise for doubt;
    one number corrects both, as long as the error is of that kind.

    Args:
        clean_probs: q, shape (n_samples, n_classes), held out; P(clean | x), rows sum to 1.
        noisy_labels: shape (n_samples,).

    Returns:
        T of shape (n_classes, n_classes), rows sum to 1; the temperature, in `TEMPERATURES`.

    Raises:
        InputError: as `maximum_likelihood`.

    >>> probs, labels = np.repeat([[0.9, 0.1], [0.1, 0.9]], 10, axis=0), [0] * 9 + [1] + [1] * 9 + [0]
    >>> tempered_likelihood(probs, labels)[0].round(2)
    array([[0.93, 0.07],
           [0.07, 0.93]])
    """
    probs, labels = check_inputs(clean_probs, noisy_labels, name="clean_probs")
    samples, n_classes = np.arange(len(labels)), probs.shape[1]
    start = maximum_likelihood(clean_probs, labels, tolerance=1e-7)  # as given: bfloat16 sums to 1 less closely

    def cost(log_temperature: float) -> float:
        nonlocal start
        q = scaled(probs, float(np.exp(log_temperature)))
        # Near the last temperature's T, and a little inside, as no step leaves a 0.
        start = maximum_likelihood(q, labels, start=0.99 * start + 0.01 / n_classes, tolerance=1e-8)
        return -float(np.log((q @ start)[samples, labels]).mean())

    low, high = np.log(TEMPERATURES)
    found = scipy.optimize.minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 0.01})
    temperature = float(np.exp(found.x))
    return maximum_likelihood(scaled(probs, temperature), labels), temperature
