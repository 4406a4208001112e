"""The noisy labels that a data set has under a noise by name, and their T."""

from __future__ import annotations

import functools

import numpy as np

from labelnoise import names, noise, transitions
from labelnoise.data import votes
from labelnoise.data._registry import entry, loaded
from labelnoise.noise import derive_seed


def corruption(dataset: str, noise_name: str, seed: int) -> tuple[noise.Labels, transitions.Matrix]:
    """The noisy labels of all training images in trials with this data set, noise and seed, and their T.

    Args:
        dataset: a name in `DATASETS`.
        noise_name: as `names.named` reads it, instance-RATE, instance-raw-RATE, or human: drawn from people's votes
            for each image, or the labels of people that the set has, the same for every seed.
        seed: of the draw.

    Returns:
        Labels of shape (n,), and T of shape (n_classes, n_classes). Of noise that depends on the image, T is the mean
        over each class; of labels that the set has, it is their shares in each class.

    Raises:
        InputError: an unknown data set or noise, or the data can't be found.
    """
    clean = loaded(dataset)
    generator = np.random.default_rng(derive_seed("flips", dataset, noise_name, seed))
    rate = names.instance_rate(noise_name)
    if rate is not None:
        arguments = (clean.train_images.array(), clean.train_labels, clean.n_classes, rate, generator)
        probs = noise.instance_probs(*arguments, normalise=not names.is_raw(noise_name))
    elif noise_name == names.HUMAN and clean.train_votes is not None:
        probs = clean.train_votes / clean.train_votes.sum(axis=1, keepdims=True)
    elif noise_name == names.HUMAN and clean.train_noisy_labels is not None:
        labels = clean.train_noisy_labels
        return labels, noise.oracle(clean.train_labels, labels, clean.n_classes)
    else:
        matrix = names.named(noise_name, clean.n_classes)
        return noise.corrupt(clean.train_labels, matrix, generator), matrix
    return noise.draw(probs, generator), noise.mean_transition_matrix(probs, clean.train_labels)


@functools.lru_cache(maxsize=64)
def true_matrix(dataset: str, noise_name: str, seed: int) -> transitions.Matrix:
    """The T of `corruption`. For votes, and for noise that is the same for every image, the data are not read."""
    if noise_name == names.HUMAN and entry(dataset).people == "votes":
        return votes.told(dataset).transition_matrix
    if names.by_image(noise_name):
        return corruption(dataset, noise_name, seed)[1]
    return names.named(noise_name, entry(dataset).n_classes)


def n_images(dataset: str) -> int:
    """How many training images a data set has. For one with people's votes they are not read.

    Raises:
        InputError: an unknown data set, or its files can't be found.
    """
    if entry(dataset).people == "votes":
        return sum(votes.told(dataset).spread["images"])
    return len(loaded(dataset).train_labels)
