"""Noises, matrices and wrong matrices by their names, as chapters and trials ask for them."""

from __future__ import annotations

import contextlib
import functools
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from labelnoise import transitions
from labelnoise._checks import check_generator, shown
from labelnoise.errors import InputError
from labelnoise.transitions import Matrix, check_n_classes, check_rate, pair_flip, random, symmetric, validate

# Yang, Teng and Mangos 2022 (arXiv:2211.15279), section 3: the two matrices as printed there.
PAPER: dict[str, tuple[tuple[float, ...], ...]] = {
    "paper-0.5": ((0.5, 0.2, 0.3), (0.3, 0.5, 0.2), (0.2, 0.3, 0.5)),
    "paper-0.6": ((0.4, 0.3, 0.3), (0.3, 0.4, 0.3), (0.3, 0.3, 0.4)),
}

FORMS = "clean, paper-0.5, paper-0.6, symmetric-RATE, pair-flip-RATE, random-RATE-SEED, or a matrix [[0.9, 0.1], ...]"
INSTANCE = "instance"
INSTANCE_RAW = "instance-raw"  # of pixels as they are, as published generators have it
HUMAN = "human"  # a label that one person gave, of the votes that a data set has
WITH_RATE = ("paper", "symmetric", "pair-flip", "random", INSTANCE_RAW, INSTANCE)  # of two that begin alike, the longer


def in_parts(noise: str) -> tuple[str, str, str]:
    """Kind, rate and number of the draw in the name of a noise, as they are written there: the one place that knows.

    What it has no rate or number for is an empty text; a name without both is its own kind. Nothing is checked.

    >>> in_parts("pair-flip-0.25")
    ('pair-flip', '0.25', '')
    >>> in_parts("random-0.3-7")
    ('random', '0.3', '7')
    """
    kind = next((kind for kind in WITH_RATE if noise.startswith(f"{kind}-")), noise)
    rest = noise[len(kind) + 1 :]
    rate, _, draw = rest.rpartition("-") if kind == "random" else (rest, "", "")
    return kind, rate, draw


def named(noise: str, n_classes: int) -> Matrix:
    """The transition matrix with a name such as ``paper-0.5``, ``symmetric-0.2``, ``random-0.3-7``, or written out.

    `parse` reads all names of noise, these and those of noise that has no single T.

    Args:
        noise: one of the forms in `FORMS`; a rate lies in [0, 1] and is written as Python does, 0.5 or 1.0, the seed of
            ``random`` is an integer, and a matrix is written row by row as in JSON.
        n_classes: number of classes; the two of the paper have 3.

    Returns:
        Shape (n_classes, n_classes).

    Raises:
        InputError: an unknown name, a rate outside [0, 1], a wrong number of classes, a bad matrix.

    >>> named("symmetric-0.2", 3)
    array([[0.8, 0.1, 0.1],
           [0.1, 0.8, 0.1],
           [0.1, 0.1, 0.8]])
    """
    noise, n_classes = _text(noise, "noise"), check_n_classes(n_classes)
    if noise == "clean":
        return np.eye(n_classes)
    try:
        if noise in PAPER or noise.startswith("["):
            return validate(PAPER[noise] if noise in PAPER else json.loads(noise), n_classes)
        kind, rate, draw = in_parts(noise)
        if kind in ("symmetric", "pair-flip"):
            return (symmetric if kind == "symmetric" else pair_flip)(n_classes, _spelled(noise, rate))
        if kind == "random":
            return random(n_classes, _spelled(noise, rate), np.random.default_rng(int(draw)))
    except InputError:
        raise
    except (ValueError, RecursionError):  # the latter of brackets without end
        pass
    raise InputError(f"Unknown noise {shown(noise)}; use one of: {FORMS}.")


def _spelled(noise: str, rate: str) -> float:
    """The rate in a name, which has one form only, as trials with other names are other trials."""
    value, (kind, _, draw) = check_rate(float(rate)), in_parts(noise)
    if noise != (form := f"{kind}-{abs(value)!r}" + (f"-{int(draw)}" if kind == "random" else "")):
        raise InputError(f"Noise {shown(noise)} has another name; write {form}.")
    return value


def _text(name: str, what: str) -> str:
    if isinstance(name, str):
        return name
    raise InputError(f"The name of a {what} must be text, not {shown(name)}.")


DISTORTIONS = "transposed, towards-identity-SHARE, towards-uniform-SHARE, at-random-SHARE"


def in_two(name: str) -> tuple[str, str]:
    """What stands before and behind the first comma of a name made of several: the one way in which they are read.

    These are ``METHOD, SOURCE`` of its T, ``true, DISTORTION``, and ``ESTIMATOR, KIND`` of its probabilities.

    >>> in_two("forward, true, transposed"), in_two("mixup")
    (('forward', 'true, transposed'), ('mixup', ''))
    """
    first, _, rest = name.partition(", ")
    return first, rest


def distortion(transition: str | None) -> str | None:
    """How the true T is distorted before it is given, by the name of a source of T; None for any other source.

    >>> distortion("true, transposed")
    'transposed'
    """
    source, name = in_two(transition or "")
    return name if source == "true" and name else None


def distorted(name: str, transition_matrix: ArrayLike, generator: np.random.Generator) -> Matrix:
    """A T that is wrong in a known way.

    ``transposed`` has its rows and columns exchanged, and rows divided by their sums. The others
    are mixtures of T with a share of something else: the identity, as if labels were cleaner;
    the uniform matrix, as if they were noisier; a matrix whose rows are drawn from a flat Dirichlet.

    Args:
        name: one of the forms in `DISTORTIONS`; the share lies in [0, 1].
        transition_matrix: shape (n_classes, n_classes).
        generator: draws the random matrix.

    Returns:
        Shape (n_classes, n_classes).

    Raises:
        InputError: an unknown name, a share outside [0, 1], no transition matrix, or another generator than NumPy's.

    >>> distorted("towards-uniform-0.5", np.eye(2), np.random.default_rng(0))
    array([[0.75, 0.25],
           [0.25, 0.75]])
    """
    matrix, generator, name = validate(transition_matrix), check_generator(generator), _text(name, "distortion")
    n = len(matrix)
    if name == "transposed":
        turned = matrix.T + np.finfo(np.float64).tiny  # a class that no label bears keeps a row
        return turned / turned.sum(axis=1, keepdims=True)
    kind, _, share = name.rpartition("-")
    others: dict[str, Matrix] = {
        "towards-identity": np.eye(n),
        "towards-uniform": np.full((n, n), 1 / n),
        "at-random": generator.dirichlet(np.ones(n), size=n),
    }
    with contextlib.suppress(ValueError):
        if kind in others and 0 <= (part := float(share)) <= 1 and share == repr(abs(part)):  # in one form, as rates
            return (1 - part) * matrix + part * others[kind]
    raise InputError(f"Unknown distortion {shown(name)}; use one of: {DISTORTIONS}, with a share such as 0.5 or 1.0.")


def instance_rate(name: str) -> float | None:
    """The rate in a name such as ``instance-0.3`` or ``instance-raw-0.3``; None for any other name.

    The first is noise as `labelnoise.noise.instance_probs` has it, the second the same without normalising pixels.

    Raises:
        InputError: there is no number in [0, 1] behind ``instance-`` or ``instance-raw-``.
    """
    kind, rate, _ = in_parts(name)
    if kind not in (INSTANCE, INSTANCE_RAW):
        return None
    try:
        check_rate(float(rate))
    except ValueError:
        raise InputError(f"Noise {shown(name)} needs a rate in [0, 1], as {kind}-0.3 has.") from None
    return _spelled(name, rate)


def is_raw(name: str) -> bool:
    """Whether a noise that depends on the image reads its pixels as they are, not normalised."""
    return in_parts(name)[0] == INSTANCE_RAW


@dataclass(frozen=True)
class NamedNoise:
    """What the name of a noise stands for.

    Attributes:
        kind: "class" where a flip depends on the clean class alone, "instance" where it depends on the image, by
            `instance_probs`, "instance-raw" where it does so by pixels that are not normalised, and "human" where
            people gave the labels.
        rate: P(noisy != clean) with all classes being as frequent; None where only the labels tell it.
        matrix: T, shape (n_classes, n_classes), of the kind "class"; None of the others, which have no single T.
    """

    kind: str
    rate: float | None
    matrix: Matrix | None


def parse(name: str, n_classes: int) -> NamedNoise:
    """Read the name of a noise: ``human``, ``instance-RATE``, ``instance-raw-RATE``, or one that `named` reads.

    Raises:
        InputError: an unknown name, a rate outside [0, 1], a T of another number of classes.

    >>> parse("instance-0.3", 10)
    NamedNoise(kind='instance', rate=0.3, matrix=None)
    >>> parse("pair-flip-0.25", 3).kind
    'class'
    """
    if by_image(_text(name, "noise")):
        return NamedNoise(in_parts(name)[0], instance_rate(name), None)
    matrix = named(name, n_classes)
    return NamedNoise("class", transitions.noise_rate(matrix), matrix)


def by_image(name: str) -> bool:
    """Whether a noise depends on the image, and not on the class alone."""
    return name == HUMAN or instance_rate(name) is not None


def nominal_rate(name: str, n_classes: int) -> float:
    """The `parse`-d rate of a noise.

    Raises:
        InputError: as `parse`, or a noise whose rate its name does not tell.
    """
    return _nominal_rate(_text(name, "noise"), check_n_classes(n_classes))


@functools.cache
def _nominal_rate(name: str, n_classes: int) -> float:
    if (rate := parse(name, n_classes).rate) is None:
        known = f"{FORMS}, instance-RATE or instance-raw-RATE"
        raise InputError(f"Noise {shown(name)} has no rate of its own; use one of: {known}.")
    return rate
