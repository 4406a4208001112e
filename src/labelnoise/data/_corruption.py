"""The noisy labels that a data set has under a noise by name, and their T."""

from __future__ import annotations

import functools

import numpy as np

from labelnoise import noise, transitions
from labelnoise.data import votes
from labelnoise.data._datasets import DATASETS, WITH_VOTES, Dataset, load
from labelnoise.noise import derive_seed


@functools.cache
def loaded(name: str) -> Dataset:
    """As `load`, once in a process."""
    return load(name)


def corruption(dataset: str, noise_name: str, seed: int) -> tuple[noise.Labels, transitions.Matrix]:
    """The noisy labels of all training images that trials with this data set, noise and seed have, and their T.

    Returns:
        Labels of shape (n,), and T of shape (n_classes, n_classes); of noise that depends on the image, its mean over
        each class.
    """
    clean = loaded(dataset)
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
    return transitions.named(noise_name, len(DATASETS[dataset]))


def n_images(dataset: str) -> int:
    """How many training images a data set has; of one with people's votes, without reading them."""
    if dataset in WITH_VOTES:
        return int(votes.told(dataset).spread["images"].sum())
    return len(loaded(dataset).train_labels)
