"""P(clean | x) from noisy labels and from which images resemble each other, without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from labelnoise._threads import one_thread
from labelnoise.errors import InputError
from labelnoise.estimators import Floats, clean_posterior
from labelnoise.training._methods import FUNCTIONS
from labelnoise.training._splits import Split
from labelnoise.transitions import Matrix, validate

NEIGHBOURS = 10
COMPONENTS = 100  # principal components in which features are compared
LEAST_REACH = 0.1  # of an image, as a share of the median

# Of the prior of `smooth_probs`. The evidence weighs these values of both; it also spoke for this smoothness
# and these COMPONENTS over others when pixels were compared, on seeds that are not reported.
SMOOTHNESS = 4
SMOOTHING = (80.0, 160.0, 320.0)
VARIANCES = (1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Smooth:
    """The smoothest functions on a graph of images.

    Attributes:
        roughness: of each function, from 0 for a constant, ascending; shape (n_functions,). The eigenvalues of the
            normalised Laplacian.
        functions: shape (n, n_functions), each of mean square 1 where an image weighs as much as its edges together.
    """

    roughness: Floats
    functions: Floats


def smooth_functions(images: ArrayLike, *, seed: int) -> Smooth:
    """The functions that change least between images that resemble each other; no label is read.

    Laplacian eigenmaps (Belkin and Niyogi 2003, Neural Computation 15(6), section 2) of a graph that joins each image
    with its `NEIGHBOURS` nearest, weighted ``exp(-d² / (s_i s_j))`` with s the distance to the last of these
    (Zelnik-Manor and Perona 2004, NIPS 17).

    Args:
        images: shape (n, ...), any features of any samples.
        seed: gives the start of the eigensolver.

    Returns:
        The `FUNCTIONS` smoothest.

    Raises:
        InputError: `FUNCTIONS` images or fewer.
    """
    pixels = np.asarray(images, dtype=np.float64).reshape(len(np.asarray(images)), -1)
    n = len(pixels)
    if n <= FUNCTIONS:
        raise InputError(f"A graph needs more than {FUNCTIONS} images, not {n}.")
    graph = _graph(_principal_components(pixels))
    degrees = graph.sum(axis=1)
    scale = scipy.sparse.diags_array(degrees**-0.5)
    start = np.random.default_rng(seed).standard_normal(n)
    likeness, vectors = scipy.sparse.linalg.eigsh(scale @ graph @ scale, k=FUNCTIONS, which="LA", v0=start)
    functions = vectors[:, ::-1] * np.sqrt(degrees.sum() / degrees)[:, None]
    return Smooth(np.maximum(1 - likeness[::-1], 0.0), functions)


def smooth_probs(
    smooth: Smooth, rows: NDArray[np.int64], noisy_labels: NDArray[np.int64], transition_matrix: ArrayLike
) -> Floats:
    """P(clean | x) that is smooth on the graph and under which the noisy labels, through T, are likely.

    Each class has a score that is a Gaussian process with a Matérn kernel (Borovitskiy et al. 2021, arXiv:2010.15538):
    independent weights of the functions, with variance ``variance * (1 + smoothing * roughness / 4) ** -4``. The
    softmax of the scores is P(clean | x), and noisy labels follow from it as in forward correction (Patrini et al.
    2017, arXiv:1609.03683, theorem 2). The weights are the most probable ones. What they say is averaged over values
    of both parameters in proportion to the evidence, by Laplace's approximation (MacKay 1992, Neural Computation 4(3))
    with the expected in place of the observed information; so no label is held out.

    Args:
        smooth: of all images, n of them.
        rows: which of the images have a label, shape (n_labels,).
        noisy_labels: of these, shape (n_labels,).
        transition_matrix: T, shape (n_classes, n_classes).

    Returns:
        Shape (n, n_classes), rows sum to 1.

    Raises:
        InputError: `transition_matrix` is none, or rules out a label that occurs.
    """
    matrix = validate(transition_matrix)
    probs, evidences = [], []
    for smoothing in SMOOTHING:
        weights: Floats = np.zeros((smooth.functions.shape[1], len(matrix)))
        deviations = (1 + smoothing * smooth.roughness / SMOOTHNESS) ** (-SMOOTHNESS / 2)
        for variance in VARIANCES:
            functions = smooth.functions * (np.sqrt(variance) * deviations)
            weights, evidence = _most_probable(functions[rows], matrix, noisy_labels, weights)
            probs.append(scipy.special.softmax(functions @ weights, axis=1))
            evidences.append(evidence)
    mean: Floats = np.tensordot(scipy.special.softmax(evidences), probs, axes=1)
    return mean


def by_graph(
    labelled: Split,
    others: Tensor,
    features: Callable[[Tensor], Tensor],
    matrix: Matrix | None,
    n_classes: int,
    seed: int,
) -> Floats:
    """P(clean | x, noisy) of images with labels, from a graph of these and of others by what `features` says of them.

    Without T it is P(noisy | x), as smooth, which has its largest entry at the clean class where T has it on the
    diagonal and the classes do not overlap.

    Args:
        labelled: n images with their noisy labels.
        others: further images that join the graph, shape (m, channels, height, width).
        features: maps images to what is compared, shape (n + m, ...).
        matrix: T, shape (n_classes, n_classes), or None.
        n_classes: the number of classes.
        seed: gives the start of the eigensolver.

    Returns:
        Shape (n, n_classes), rows sum to 1.

    Raises:
        InputError: as `smooth_functions` and `smooth_probs`.
    """
    labels = labelled.noisy_labels.cpu().numpy()
    compared = features(torch.cat([labelled.images, others])).cpu().numpy()
    with one_thread():
        smooth = smooth_functions(compared, seed=seed)
        to_noisy = np.eye(n_classes) if matrix is None else matrix
        probs = smooth_probs(smooth, np.arange(len(labels)), labels, to_noisy)[: len(labels)]
    return probs if matrix is None else clean_posterior(probs, labels, matrix)


def _graph(points: Floats) -> Any:
    """Symmetric weights of the edges as a sparse array, (n, n)."""
    n = len(points)
    distances, neighbours = _nearest(points)
    # An image with ten copies would reach none but these, and none of them anything else.
    reach = np.maximum(distances[:, -1], LEAST_REACH * np.median(distances[:, -1]) or 1.0)
    weights = np.exp(-(distances**2) / (reach[:, None] * reach[neighbours]))
    rows = np.repeat(np.arange(n), NEIGHBOURS)
    directed = scipy.sparse.csr_array((weights.ravel(), (rows, neighbours.ravel())), shape=(n, n))
    return directed.maximum(directed.T)


def _most_probable(functions: Floats, matrix: Matrix, labels: NDArray[np.int64], start: Floats) -> tuple[Floats, float]:
    """Weights (n_functions, n_classes) with standard normal prior, from `start` on, and their model's evidence."""
    to_label = matrix[:, labels].T  # P(label | clean), (n, n_classes)
    impossible = np.flatnonzero(~to_label.any(axis=1))
    if len(impossible):
        raise InputError(
            f"The transition matrix rules out label {labels[impossible[0]]}, which occurs; pass one with a positive "
            "entry in that column."
        )

    def cost(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(start.shape)
        probs = scipy.special.softmax(functions @ weights, axis=1)
        joint = probs * to_label
        likelihood = joint.sum(axis=1, keepdims=True)
        gradient = functions.T @ (probs - joint / likelihood) + weights
        return float(-np.log(likelihood).sum() + (flat**2).sum() / 2), gradient.ravel()

    done = scipy.optimize.minimize(cost, start.ravel(), jac=True, method="L-BFGS-B")
    weights = done.x.reshape(start.shape)
    probs = scipy.special.softmax(functions @ weights, axis=1)
    noisy = probs @ matrix
    # How each noisy label's log probability moves with each score, times the root of that probability.
    # A label that can't occur moves nothing.
    moves = probs[:, :, None] * (matrix - noisy[:, None, :]) / np.sqrt(np.where(noisy > 0, noisy, 1))[:, None, :]
    n_functions, n_classes = start.shape
    information = np.empty((n_classes, n_functions, n_classes, n_functions))
    for a in range(n_classes):
        for b in range(a + 1):
            block = functions.T @ ((moves[:, a] * moves[:, b]).sum(axis=1)[:, None] * functions)
            information[a, :, b], information[b, :, a] = block, block  # the block itself is symmetric
    curvature = np.eye(weights.size) + information.reshape(weights.size, weights.size)
    return weights, float(-done.fun - np.linalg.slogdet(curvature)[1] / 2)


def _principal_components(pixels: Floats) -> Floats:
    centred = pixels - pixels.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, ::-1][:, :COMPONENTS]


def _nearest(points: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The distances of each point to its nearest others, ascending, and which these are: (n, `NEIGHBOURS`) each."""
    every = torch.from_numpy(np.ascontiguousarray(points)).float()
    found = []
    for first, part in enumerate(every.split(1000)):
        distances = torch.cdist(part, every)
        distances[torch.arange(len(part)), 1000 * first + torch.arange(len(part))] = torch.inf
        found.append(distances.topk(NEIGHBOURS, largest=False))
    return (
        torch.cat([near.values for near in found]).double().numpy(),
        torch.cat([near.indices for near in found]).numpy(),
    )
