"""What a trial begins with: its images, labels and initial weights, each from a seed of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelnoise import names, training, transitions
from labelnoise.data import corruption, loaded, n_images
from labelnoise.noise import derive_seed
from labelnoise.training import Split, Splits, normalised, parted, scale_of
from labelnoise.trials._trial import Trial

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Prepared(Splits):
    """The splits of a trial, and the T that its labels were corrupted with, shape (n_classes, n_classes)."""

    transition_matrix: transitions.Matrix


def wrong_matrix(name: str, matrix: transitions.Matrix, seed: int) -> transitions.Matrix:
    """The T that is given in place of the true one, wrong in a known way (see `names.distorted`)."""
    generator = np.random.default_rng(derive_seed("distortion", len(matrix), seed))
    return names.distorted(name, matrix, generator)


def prepare(trial: Trial, device: str = "cpu") -> Prepared:
    """Load, corrupt, split and normalise: images get the mean 0 and deviation 1 of the training ones.

    Raises:
        InputError: the data can't be found.
    """
    dataset = loaded(trial.dataset)
    order = np.random.default_rng(derive_seed("split", trial.dataset, trial.seed))
    chosen = order.permutation(len(dataset.train_labels))[: trial.images]
    noisy_labels, matrix = corruption(trial.dataset, trial.noise, trial.seed)

    train_rows, validation_rows = parted(chosen)
    scale = scale_of(dataset.train_images[train_rows])

    def rows(index: NDArray[np.int64]) -> Split:
        labels = noisy_labels[index], dataset.train_labels[index]
        return normalised(dataset.train_images[index], *labels, scale, device)

    test = normalised(dataset.test_images[:], dataset.test_labels, dataset.test_labels, scale, device)
    return Prepared(rows(train_rows), rows(validation_rows), test, matrix)


def n_validation(trial: Trial) -> int:
    """How many noisy labels a trial holds out."""
    return len(parted(np.arange(trial.images or n_images(trial.dataset)))[1])


def initial_model(trial: Trial, device: str = "cpu", number: int | None = None) -> nn.Module:
    """The network of a trial before its first step, by its number where the trial trains several."""
    channels, size = loaded(trial.dataset).train_images.shape[1:3]
    numbers = () if number is None else (number,)
    seed = derive_seed("weights", trial.model, trial.n_classes, trial.seed, *numbers)
    return training.build(trial.model, trial.n_classes, channels, size, seed=seed).to(device)
