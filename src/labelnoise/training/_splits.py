"""Images and labels as a network takes them: held out, normalised, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelnoise.noise import Labels

if TYPE_CHECKING:
    from torch import Tensor

VALIDATION_SHARE = 0.2  # of the noisy images


@dataclass(frozen=True)
class Split:
    """Images and labels on one device.

    Attributes:
        images: shape (n, channels, height, width), float32, normalised.
        noisy_labels: shape (n,), int64; what a network may learn from.
        clean_labels: shape (n,), int64; read by measurements only.
    """

    images: Tensor
    noisy_labels: Tensor
    clean_labels: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Split:
        """Some of them."""
        return Split(self.images[rows], self.noisy_labels[rows], self.clean_labels[rows])

    def __add__(self, others: Split) -> Split:
        """These, then the others."""
        import torch

        mine, theirs = ((s.images, s.noisy_labels, s.clean_labels) for s in (self, others))
        return Split(*map(torch.cat, zip(mine, theirs, strict=True)))


@dataclass(frozen=True)
class Splits:
    """What a network learns from, what chooses its epoch, and what it is measured on."""

    train: Split
    validation: Split
    test: Split

    @property
    def noisy(self) -> Split:
        """Training and validation images together: all that an estimator may read."""
        return self.train + self.validation


def parted(order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows in random order, shape (n,), into those to train on and the `VALIDATION_SHARE` to hold out."""
    held_out = round(VALIDATION_SHARE * len(order))
    return order[held_out:], order[:held_out]


def scale_of(images: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the deviation of all pixels of images, uint8."""
    pixels = images.float()
    return pixels.mean(), pixels.std()


def normalised(
    images: Tensor, noisy: Labels, clean: Labels, scale: tuple[Tensor, Tensor], device: str = "cpu"
) -> Split:
    """Images, uint8, and their labels, shape (n,), as a network takes them: by a scale as `scale_of` gives it."""
    import torch

    mean, deviation = scale
    labels = (torch.from_numpy(noisy), torch.from_numpy(clean))
    return Split(*(t.to(device) for t in ((images.float() - mean) / deviation, *labels)))
