"""What the recipe with a graph knows of a user's images before it trains, within minutes for tens of thousands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch.nn.functional as F
from torch import nn

from labelnoise._threads import one_thread
from labelnoise.estimators import Floats, clean_posterior
from labelnoise.noise import derive_seed
from labelnoise.own._workers import Images
from labelnoise.training import Smooth, oriented_gradients, smooth_functions, smooth_probs
from labelnoise.transitions import Matrix

MOST_LABELS = 10_000  # from which the probabilities are read; more change them little
LARGEST_SIDE = 32  # pixels, along each axis, in which outlines are compared


def graph_of(images: Images, _: Callable[[nn.Module], None], seed: int) -> Smooth:
    """The smoothest functions on the graph of all images by their outlines (see `smooth_functions`)."""
    pixels = images.noisy.images
    if pixels.shape[2] > LARGEST_SIDE:
        pixels = F.adaptive_avg_pool2d(pixels, LARGEST_SIDE)
    with one_thread():
        return smooth_functions(oriented_gradients(pixels).cpu().numpy(), seed=seed)


def soft_labels(
    images: Images, _: Callable[[nn.Module], None], smooth: Smooth, matrix: Matrix | None, n_classes: int, seed: int
) -> Floats:
    """P(clean | x, noisy) of all images, shape (n, n_classes); without T, P(noisy | x) as `by_graph` has it.

    P(clean | x) is read from the labels that are learned from, or from `MOST_LABELS` of them; that of another image
    has no label in it but its own.
    """
    labels = images.noisy.noisy_labels.cpu().numpy()
    generator = np.random.default_rng(derive_seed("own graph", seed))
    rows = np.sort(generator.permutation(images.n_learned)[:MOST_LABELS])
    with one_thread():
        probs = smooth_probs(smooth, rows, labels[rows], np.eye(n_classes) if matrix is None else matrix)
    return probs if matrix is None else clean_posterior(probs, labels, matrix)
