"""What is the same where it should differ: columns of probabilities in all rows, and images that a set has twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from labelnoise.estimators import Floats
from labelnoise.own._tabular import listed

if TYPE_CHECKING:
    from labelnoise.own._pixels import Pixels
    from labelnoise.own.images import OwnSet

LEAST_SAMPLES = 50  # below which agreement with the labels says nothing
COPIES = 0.01  # of the images; photographs have a few by chance, as empty or saturated ones are alike


def flat(pred_probs: Floats, names: Sequence[str]) -> Iterator[str]:
    """Columns that have one value in all rows: no model that looked at the samples gives them."""
    same = np.flatnonzero(pred_probs.max(axis=0) == pred_probs.min(axis=0))
    if len(same) and len(pred_probs) >= LEAST_SAMPLES:
        yield (
            f"The probability of {listed([names[k] for k in same.tolist()], 5)} is the same in all "
            f"{len(pred_probs):,} rows: the model did not learn this class, or the column is none of probabilities. "
            "Look at how the probabilities were saved, and train on samples of every class."
        )


def copies(own: OwnSet) -> Iterator[str]:
    """Images that are there twice, by their bytes: test images that were trained on, and copies with other labels."""
    first: dict[bytes, int] = {}
    again, other = 0, 0
    for row, mark in enumerate(_marks(own.images)):
        if (before := first.setdefault(mark, row)) != row:
            again, other = again + 1, other + int(own.noisy_labels[before] != own.noisy_labels[row])
    if again > COPIES * len(own.images):
        yield (
            f"{again:,} of {len(own.images):,} images are copies of an earlier one, {other:,} of them with another "
            "label. A copy on which a network was trained gives away the label of one that it should judge, so fewer "
            "labels look wrong than are. Keep one of each."
        )
    if own.test_images is not None:
        known = sum(mark in first for mark in _marks(own.test_images))
        if known > COPIES * len(own.test_images):
            yield (
                f"{known:,} of {len(own.test_images):,} test images are among the training images. The accuracy on "
                "them is not that on new images. Take them out of one of the two."
            )


def _marks(images: Pixels) -> Iterator[bytes]:
    return (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)
