"""What a trial begins with: its images, labels and initial weights, each from a seed of its own."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labelnoise import data, noise, transitions
from labelnoise.data import votes
from labelnoise.training import Split, build
from labelnoise.trials._trial import Trial

VALIDATION_SHARE = 0.2  # of the noisy images


def derive_seed(*parts: object) -> int:
    """A seed that depends on these values and nothing else."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@functools.cache
def _dataset(name: str) -> data.Dataset:
    return data.load(name)


@dataclass(frozen=True)
class Prepared:
    """The splits of a trial, and the T that its labels were corrupted with, (n_classes, n_classes)."""

    train: Split
    validation: Split
    test: Split
    transition_matrix: transitions.Matrix

    @property
    def noisy(self) -> Split:
        """Training and validation images together: all that an estimator may read."""
        both = zip(dataclasses.astuple(self.train), dataclasses.astuple(self.validation), strict=True)
        return Split(*(torch.cat(pair) for pair in both))


def corruption(dataset: str, noise_name: str, seed: int) -> tuple[noise.Labels, transitions.Matrix]:
    """The noisy labels of all training images that trials with this data set, noise and seed have, and their T.

    Returns:
        Labels of shape (n,), and T of shape (n_classes, n_classes); of noise that depends on the image, its mean over
        each class.
    """
    clean = _dataset(dataset)
    generator = np.random.default_rng(derive_seed("flips", dataset, noise_name, seed))
    rate = noise.instance_rate(noise_name)
    if rate is not None:
        probs = noise.instance_probs(clean.train_images[:], clean.train_labels, clean.n_classes, rate, generator)
    elif noise_name == noise.HUMAN and clean.train_votes is not None:
        probs = clean.train_votes / clean.train_votes.sum(axis=1, keepdims=True)
    else:
        matrix = transitions.named(noise_name, clean.n_classes)
        return noise.corrupt(clean.train_labels, matrix, generator), matrix
    return noise.draw(probs, generator), noise.mean_transition_matrix(probs, clean.train_labels)


@functools.lru_cache(maxsize=64)
def true_matrix(dataset: str, noise_name: str, seed: int) -> transitions.Matrix:
    """As `corruption`, T alone."""
    if noise_name == noise.HUMAN:
        return votes.told(dataset).transition_matrix
    if noise.instance_rate(noise_name) is not None:
        return corruption(dataset, noise_name, seed)[1]
    return transitions.named(noise_name, len(data.DATASETS[dataset]))


def distorted(name: str, matrix: transitions.Matrix, seed: int) -> transitions.Matrix:
    """The T that is given in place of the true one, wrong in a known way (see `transitions.distorted`)."""
    generator = np.random.default_rng(derive_seed("distortion", len(matrix), seed))
    return transitions.distorted(name, matrix, generator)


def prepare(trial: Trial, device: str = "cpu") -> Prepared:
    """Load, corrupt, split and normalise: images get the mean 0 and deviation 1 of the training ones."""
    dataset = _dataset(trial.dataset)
    order = np.random.default_rng(derive_seed("split", trial.dataset, trial.seed))
    chosen = order.permutation(len(dataset.train_labels))[: trial.images]
    noisy_labels, matrix = corruption(trial.dataset, trial.noise, trial.seed)

    train_rows, validation_rows = parted(chosen)
    scale = scale_of(dataset.train_images[train_rows])

    def rows(index: np.ndarray) -> Split:
        labels = noisy_labels[index], dataset.train_labels[index]
        return normalised(dataset.train_images[index], *labels, scale, device)

    test = normalised(dataset.test_images[:], dataset.test_labels, dataset.test_labels, scale, device)
    return Prepared(rows(train_rows), rows(validation_rows), test, matrix)


def parted(order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows in random order as those to train on and the `VALIDATION_SHARE` that is held out."""
    held_out = round(VALIDATION_SHARE * len(order))
    return order[held_out:], order[:held_out]


def n_validation(trial: Trial) -> int:
    """How many noisy labels a trial holds out."""
    return len(parted(np.arange(trial.images or n_images(trial.dataset)))[1])


def n_images(dataset: str) -> int:
    """How many training images a data set has; of one with people's votes, without reading them."""
    if dataset in data.WITH_VOTES:
        return int(votes.told(dataset).spread["images"].sum())
    return len(_dataset(dataset).train_labels)


def scale_of(images: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the deviation of all pixels of images, uint8."""
    pixels = images.float()
    return pixels.mean(), pixels.std()


def normalised(
    images: Tensor, noisy: noise.Labels, clean: noise.Labels, scale: tuple[Tensor, Tensor], device: str = "cpu"
) -> Split:
    """Images, uint8, and their labels as a network takes them: by a scale as `scale_of` gives it."""
    mean, deviation = scale
    labels = (torch.from_numpy(noisy), torch.from_numpy(clean))
    return Split(*(t.to(device) for t in ((images.float() - mean) / deviation, *labels)))


def initial_model(trial: Trial, device: str = "cpu", number: int | None = None) -> nn.Module:
    """The network of a trial before its first step; where it trains several, the one with a number."""
    channels, size = _dataset(trial.dataset).train_images.shape[1:3]
    numbers = () if number is None else (number,)
    seed = derive_seed("weights", trial.model, trial.n_classes, trial.seed, *numbers)
    return build(trial.model, trial.n_classes, channels, size, seed=seed).to(device)
