"""What the votes of many people for each image tell: their mean T, and whether all images of a class share it.

The votes themselves are not the book's to hand on, so what is told of them is kept in ``votes.json``, beside this
module; ``benchmarks/votes.py`` writes it from the votes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.errors import InputError
from labelnoise.noise import Labels, mean_transition_matrix
from labelnoise.statistics import class_quantiles, overdispersion
from labelnoise.transitions import Matrix

KEPT = Path(__file__).with_name("votes.json")


@dataclass(frozen=True)
class Told:
    """What the votes for a data set tell.

    Attributes:
        transition_matrix: the mean shares of the labels in each class, shape (n_classes, n_classes), rows sum to 1.
        spread: column to one value per class, as `spread` gives it.
        quantiles: of each label's share of an image's votes, of people's and of as many drawn from T, each of shape
            (n_classes, n_classes, 5); as `statistics.class_quantiles` gives them.
    """

    transition_matrix: Matrix
    spread: Mapping[str, list[Any]]
    quantiles: dict[str, NDArray[np.float64]]


def spread(votes: ArrayLike, clean_labels: Labels, class_names: Sequence[str]) -> dict[str, list[Any]]:
    """How the votes for the clean class vary over its images: the columns of a table with one row per class.

    Args:
        votes: how many people chose each class for each image, shape (n_samples, n_classes), integers.
        clean_labels: shape (n_samples,), in [0, n_classes).
        class_names: one per class.

    Returns:
        The ``class``; the number of ``images``; ``majority``, the share of them with more votes for their class than
        for any other; ``share``, of the votes for it; its ``deviation`` over the images and ``by_chance``, that of
        binomial votes; and ``ratio`` and ``p_value`` of `statistics.overdispersion`.

    Raises:
        InputError: a class with fewer than two images, or with votes for it alone, or for others alone.
    """
    columns = ("class", "images", "majority", "share", "deviation", "by_chance", "ratio", "p_value")
    found: dict[str, list[Any]] = {column: [] for column in columns}
    for i, name in enumerate(class_names):
        of_class = np.asarray(votes)[clean_labels == i]
        right, total = of_class[:, i], of_class.sum(axis=1)
        tested = overdispersion(np.stack([right, total - right], axis=1))
        share = right.sum() / total.sum()
        by_chance = np.sqrt(share * (1 - share) * (1 / total).mean())
        majority = (right > np.delete(of_class, i, axis=1).max(axis=1)).mean()
        values = (majority, share, (right / total).std(ddof=1), by_chance, *tested)
        for column, value in zip(columns, (name, len(of_class), *map(float, values)), strict=True):
            found[column].append(value)
    return found


def tell(
    votes: NDArray[np.int64], clean_labels: Labels, class_names: Sequence[str], generator: np.random.Generator
) -> Told:
    """Summarise people's votes, and beside them as many votes for each image that are drawn from T alone.

    Args:
        votes: shape (n_samples, n_classes), integers; one or more for each image.
        clean_labels: shape (n_samples,), in [0, n_classes).
        class_names: one per class.
        generator: draws the votes that follow T.

    Returns:
        T, the spread of people's votes, and the quantiles of people's votes and of the drawn ones.

    Raises:
        InputError: as `spread`, or labels outside the classes.
    """
    total = votes.sum(axis=1)
    matrix = mean_transition_matrix(votes / total[:, None], clean_labels)
    by_chance = generator.multinomial(total, matrix[clean_labels])
    shown = {"votes of people": votes, "as many drawn from T": by_chance}
    shares = {name: class_quantiles(each / total[:, None], clean_labels) for name, each in shown.items()}
    return Told(matrix, spread(votes, clean_labels, class_names), shares)


@functools.cache
def told(dataset: str) -> Told:
    """The summary that is kept of the votes for a data set.

    Args:
        dataset: its name, such as "fashion-mnist-h".

    Returns:
        As `tell` gave it, with the quantiles rounded to four digits.

    Raises:
        InputError: a data set that has none.
    """
    kept = json.loads(KEPT.read_text())
    if dataset not in kept:
        raise InputError(f"There are no votes of people for {dataset}; use one of: {', '.join(kept)}.")
    found = kept[dataset]
    shares = {name: np.array(values) for name, values in found["quantiles"].items()}
    return Told(np.array(found["transition_matrix"]), found["spread"], shares)
