"""Corrupting labels."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import Labels as Labels
from labelnoise._checks import as_numbers, check_flag, check_generator, check_images, check_size, shown
from labelnoise._checks import check_labels as check_labels
from labelnoise.errors import InputError
from labelnoise.transitions import Matrix, check_n_classes, check_rate, validate

Probs = NDArray[np.float64]

RATE_DEVIATION = 0.1  # of the flip rates of images around the noise rate, before truncation


def derive_seed(*parts: str | float | None) -> int:
    """A seed that depends on these values and nothing else.

    Raises:
        InputError: a value of another type, such as one of NumPy's, which is equal to Python's but has another name.

    >>> derive_seed("flips", 0) == derive_seed("flips", 0) != derive_seed("flips", 1)
    True
    """
    for part in parts:
        if type(part) not in (str, int, float, type(None)):
            raise InputError(f"A seed is derived from text and Python's numbers, not from {part!r}; convert it.")
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def _same_length(name: str, values: NDArray[Any], other: str, labels: Labels) -> None:
    if len(values) != len(labels):
        raise InputError(f"There are {len(values)} {name} but {len(labels)} {other}; pass one per sample.")


def _cumulative(probs: Probs) -> Probs:
    """The distribution function of each row; divided by its last value, as rounding could leave a gap below 1."""
    cumulative = np.cumsum(probs, axis=1)
    cumulative /= cumulative[:, -1:].copy()  # which shares no memory: NumPy would copy all
    return cumulative


def corrupt(clean_labels: ArrayLike, transition_matrix: ArrayLike, generator: np.random.Generator) -> Labels:
    """Draw a noisy label for each clean one, independently: ``noisy ~ T[clean]``.

    Args:
        clean_labels: shape (n_samples,), integers in [0, n_classes).
        transition_matrix: shape (n_classes, n_classes); rows are clean classes.
        generator: the only source of randomness; it gives one uniform number per sample.

    Returns:
        Noisy labels, shape (n_samples,), int64.

    Raises:
        InputError: a bad matrix, a label outside its classes, or another generator than NumPy's.

    >>> corrupt([0, 0, 0, 1, 1, 1], [[0.5, 0.5], [0, 1]], np.random.default_rng(0))
    array([1, 0, 0, 1, 1, 1])
    """
    matrix = validate(transition_matrix)
    clean = check_labels(clean_labels, len(matrix), "clean_labels")
    uniform = check_generator(generator).random(len(clean))
    noisy = np.empty_like(clean)
    # A class at a time: a row of T for each sample, as `draw` takes, could fill the memory.
    cumulative = _cumulative(matrix)
    for i in range(len(matrix)):
        rows = clean == i
        noisy[rows] = np.searchsorted(cumulative[i], uniform[rows], side="right")
    return noisy


def _check_probs(probs: ArrayLike) -> Probs:
    array = as_numbers(probs, "probs")
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(f"probs must have shape (n_samples, n_classes) with 2 classes or more, not {array.shape}.")
    # Written so that NaN counts as wrong.
    if len(wrong := np.flatnonzero(~((array >= 0).all(axis=1) & (np.abs(array.sum(axis=1) - 1) <= 1e-6)))):
        row = shown(array[wrong[0]].tolist())
        raise InputError(f"Row {wrong[0]} of probs is {row}; entries must be 0 or more and a row sum to 1.")
    return array


def draw(probs: ArrayLike, generator: np.random.Generator) -> Labels:
    """Draw a label from each row, independently, by the inverse of its distribution function.

    Args:
        probs: shape (n_samples, n_classes); rows sum to 1.
        generator: the only source of randomness; it gives one uniform number per row.

    Returns:
        Labels, shape (n_samples,), int64.

    Raises:
        InputError: a row that is not a probability distribution, the first of which is named; another generator.

    >>> draw([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], np.random.default_rng(0))
    array([0, 1, 0])
    """
    cumulative = _cumulative(_check_probs(probs))
    uniform = check_generator(generator).random(len(cumulative))
    return (cumulative <= uniform[:, None]).sum(axis=1)


def _flip_rates(n: int, rate: float, generator: np.random.Generator) -> Probs:
    """``normal(rate, RATE_DEVIATION)`` truncated to [0, 1], shape (n,), from one uniform number each."""
    low, high = scipy.special.ndtr(np.array([-rate, 1 - rate]) / RATE_DEVIATION)
    quantiles = scipy.special.ndtri(low + (high - low) * generator.random(n))
    return np.clip(rate + RATE_DEVIATION * quantiles, 0, 1)  # rounding can take the ends past the bounds


def instance_probs(
    images: ArrayLike, clean_labels: ArrayLike, n_classes: int, rate: float, generator: np.random.Generator,
    *, normalise: bool = True,
) -> Probs:  # fmt: skip
    """P(noisy | image, clean) of noise that depends on the image, to `draw` labels from.

    Xia et al. 2020 (arXiv:2006.07836, algorithm 2). An image x of class y is flipped with a probability q of its own,
    from ``normal(rate, 0.1)`` truncated to [0, 1]. Where to is by ``softmax(x @ W[y])`` over the other classes, with
    W[y] of shape (n_pixels, n_classes) standard normal. Truncation moves the mean of q off `rate`: at 0 it is 0.08.

    With `normalise`, pixels get the mean 0 and deviation 1 over all images together: a row depends on the other images
    by these two numbers. The code of Xia et al. and that of Yao et al. 2021 (arXiv:2109.02986), which the published
    figures are from, read pixels as bytes from 0 to 255. That is another noise, with more of the flips of a class to
    its likeliest wrong one: of Fashion-MNIST at the rate 0.5, 0.30 to 0.33 of a class, and 0.21 to 0.26 normalised.

    As in the paper, ``x @ W[y]`` is not divided by the root of the number of pixels. With 784 of them its entries are
    tens apart, with bytes thousands, so the flips of an image nearly always go to one class, and images that are alike
    share it: the mean T of a class is far from even, and differs from one draw of W to another.

    Args:
        images: shape (n_samples, ...), numbers of any type and of any scale up to 1e100; an array or a tensor.
        clean_labels: shape (n_samples,), integers in [0, n_classes).
        n_classes: the number of classes, from 2 up.
        rate: where flip rates centre, in [0, 1].
        generator: the only source of randomness: one uniform number per image in their order, then the weights of
            each class in turn, also of one that does not occur.
        normalise: whether the scale and shift of pixels are taken out; False for the published form, given bytes.

    Returns:
        Shape (n_samples, n_classes), rows sum to 1; ``1 - q`` stands in the column of the clean class.

    Raises:
        InputError: a rate outside [0, 1], images that are not finite, too large or all of one value, bad labels, two
            lengths, another generator than NumPy's, or more classes than there is memory for.

    >>> images, generator = np.arange(12).reshape(3, 4), np.random.default_rng(0)
    >>> instance_probs(images, [0, 1, 1], 2, 0.3, generator).round(2)
    array([[0.66, 0.34],
           [0.24, 0.76],
           [0.13, 0.87]])
    """
    n_classes, rate, generator = check_n_classes(n_classes), check_rate(rate), check_generator(generator)
    clean = check_labels(clean_labels, n_classes, "clean_labels")
    pixels = check_images(images)
    _same_length("images", pixels, "clean_labels", clean)
    n_rows = len(clean) + 4 * int(np.bincount(clean).max(initial=0))  # with those of products and softmax of a class
    check_size(f"P(noisy | image, clean) for n_classes = {n_classes:,}", max(n_rows, pixels.shape[1]), n_classes)
    # A class at a time: all images in double precision would need eight times the memory of their bytes.
    members = [np.flatnonzero(clean == i) for i in range(n_classes)]
    mean, deviation = 0.0, 1.0
    if check_flag(normalise, "normalise"):
        mean = pixels.mean(dtype=np.float64)
        centred = (pixels[rows] - mean for rows in members)
        deviation = np.sqrt(sum(np.square(part, out=part).sum() for part in centred) / pixels.size)
        if not deviation:  # of pixels that float64 can't tell apart
            raise InputError(f"Pixels of the images are too much alike, all near {mean:g}; multiply them by a number.")
    flip_rates, probs = _flip_rates(len(clean), rate, generator), np.empty((len(clean), n_classes))
    for i, rows in enumerate(members):
        weights = generator.standard_normal((pixels.shape[1], n_classes))
        scaled = pixels[rows] - mean
        scaled /= deviation
        products = scaled @ weights  # (n_of_class, n_classes)
        products[:, i] = -np.inf
        probs[rows] = flip_rates[rows, None] * scipy.special.softmax(products, axis=1)
        probs[rows, i] = 1 - flip_rates[rows]
    return probs


def mean_transition_matrix(probs: ArrayLike, clean_labels: ArrayLike) -> Matrix:
    """The mean row of each clean class: of noise that depends on the image, all that a single T can say.

    Args:
        probs: P(noisy | image, clean), shape (n_samples, n_classes); rows sum to 1.
        clean_labels: shape (n_samples,), integers in [0, n_classes).

    Returns:
        Shape (n_classes, n_classes), rows sum to 1; a class that does not occur has the row of the identity.

    Raises:
        InputError: a row that is not a probability distribution, labels outside the classes, or two lengths.

    >>> mean_transition_matrix([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]], [0, 0, 1])
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    rows = _check_probs(probs)
    clean = check_labels(clean_labels, rows.shape[1], "clean_labels")
    _same_length("rows of probs", rows, "clean_labels", clean)
    matrix = np.eye(rows.shape[1])
    for i in np.unique(clean):
        matrix[i] = rows[clean == i].mean(axis=0)
    return matrix


def count_transitions(clean_labels: ArrayLike, noisy_labels: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """How often clean class i became noisy class j: shape (n_classes, n_classes).

    Raises:
        InputError: labels outside the classes, or two lengths that differ.

    >>> count_transitions([0, 0, 0, 1], [0, 0, 1, 1], n_classes=2)
    array([[2, 1],
           [0, 1]])
    """
    n_classes = check_n_classes(n_classes)
    clean = check_labels(clean_labels, n_classes, "clean_labels")
    noisy = check_labels(noisy_labels, n_classes, "noisy_labels")
    _same_length("clean_labels", clean, "noisy_labels", noisy)
    return np.bincount(clean * n_classes + noisy, minlength=n_classes**2).reshape(n_classes, n_classes)


def oracle(clean_labels: ArrayLike, noisy_labels: ArrayLike, n_classes: int) -> Matrix:
    """T counted from clean and noisy labels together: the limit for estimators that see only noisy ones.

    Args:
        clean_labels, noisy_labels: shape (n_samples,), integers in [0, n_classes).
        n_classes: the number of classes.

    Returns:
        Shape (n_classes, n_classes), rows sum to 1.

    Raises:
        InputError: as `count_transitions`, or a clean class with no sample.

    >>> oracle([0, 0, 1, 1], [0, 1, 1, 1], n_classes=2)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    counts = count_transitions(clean_labels, noisy_labels, n_classes)
    totals = counts.sum(axis=1, keepdims=True)
    if len(empty := np.flatnonzero(totals == 0)):
        raise InputError(f"Clean class {empty[0]} has no sample, so row {empty[0]} of T can't be counted.")
    return counts / totals
