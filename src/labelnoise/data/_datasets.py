"""The data sets, held as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelnoise._checks import check_choice, shown
from labelnoise.data import _cifar as cifar
from labelnoise.data import sources
from labelnoise.data._registry import CLASS_NAMES, HUMAN_LABELS
from labelnoise.errors import InputError
from labelnoise.noise import Labels

if TYPE_CHECKING:
    from torch import Tensor


class Images:
    """Some rows of an array of images, copied only when asked for: ``images[rows]`` is a tensor.

    Over a memory-mapped file, the processes of a machine share its pages.

    Args:
        pixels: shape (m, channels, height, width), uint8.
        rows: which of them, shape (n,); all by default.
    """

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64] | None = None) -> None:
        self.pixels = pixels
        self.rows = np.arange(len(pixels)) if rows is None else rows

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.pixels.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def array(self, rows: int | slice | NDArray[np.int64] = slice(None)) -> NDArray[np.uint8]:
        """A copy of these rows, for what needs no tensor."""
        return np.array(self.pixels[self.rows[rows]])

    def __getitem__(self, rows: int | slice | NDArray[np.int64]) -> Tensor:
        import torch  # here, as it takes seconds, and pages that count images or draw noise do without

        return torch.from_numpy(self.array(rows))


@dataclass(frozen=True)
class Dataset:
    """Clean images and labels.

    Attributes:
        train_images, test_images: shape (n, channels, height, width), uint8; ``images[rows]`` is a tensor.
        train_labels, test_labels: shape (n,), int64, in [0, n_classes).
        class_names: one per class.
        train_votes: how many people chose each class for each training image, shape (n, n_classes), int64, where
            they did.
        train_noisy_labels: shape (n,), int64, where the set has some of its own.
    """

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    class_names: tuple[str, ...]
    train_votes: NDArray[np.int64] | None = None
    train_noisy_labels: Labels | None = None

    @property
    def n_classes(self) -> int:
        return len(self.class_names)


def _mapped_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file (LeCun et al. 1998), memory-mapped: the header's last byte counts its dimensions."""
    with path.open("rb") as file:
        n_dimensions = file.read(4)[3]
        shape = np.frombuffer(file.read(4 * n_dimensions), ">i4")
    return np.memmap(path, mode="r", offset=4 + 4 * n_dimensions, shape=tuple(shape.tolist()))


def _of_classes(folder: Path, split: str, classes: Sequence[int]) -> tuple[Images, Labels]:
    new_label = np.full(len(CLASS_NAMES), -1)
    new_label[list(classes)] = np.arange(len(classes))
    relabelled = new_label[_mapped_idx(folder / f"{split}-labels-idx1-ubyte")]
    rows = np.flatnonzero(relabelled >= 0)
    return Images(_mapped_idx(folder / f"{split}-images-idx3-ubyte")[:, None], rows), relabelled[rows]


def fashion_mnist(classes: Iterable[int] | None = None) -> Dataset:
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747), or some of its classes.

    Args:
        classes: which of the ten class ids to keep, renumbered in the order given; all by default.
            The source paper has ``(0, 1, 3)``: 18,000 training and 3,000 test images.

    Returns:
        Images of shape (n, 1, 28, 28), uint8, memory-mapped.

    Raises:
        InputError: an unknown or repeated class, or the data can't be found.
    """
    chosen = _check_classes(classes)
    folder = sources.fashion_mnist() / "FashionMNIST" / "raw"
    names = tuple(CLASS_NAMES[i] for i in chosen)
    return Dataset(*_of_classes(folder, "train", chosen), *_of_classes(folder, "t10k", chosen), names)


def fashion_mnist_h(classes: Iterable[int] | None = None) -> Dataset:
    """Fashion-MNIST-H (Ishida et al. 2023, arXiv:2202.00395): the votes of about 67 people for each test image.

    The roles of the splits are exchanged, as the votes are for the 10,000 test images: these are
    the training images here, and the 60,000 others are the test images. "Clean" labels are those
    of Fashion-MNIST.

    Args:
        classes: as for `fashion_mnist`. Votes for other classes are left out, and with them an
            image that has no other.

    Returns:
        As `fashion_mnist`, with ``train_votes``.

    Raises:
        InputError: an unknown or repeated class, or the data can't be found.
    """
    chosen = _check_classes(classes)
    usual = fashion_mnist(chosen)
    counts = np.loadtxt(sources.fashion_mnist_h(), delimiter=",", dtype=np.int64)
    images, votes = usual.test_images, counts[usual.test_images.rows][:, chosen]
    voted = votes.any(axis=1)
    return Dataset(
        Images(images.pixels, images.rows[voted]), usual.test_labels[voted],
        usual.train_images, usual.train_labels, usual.class_names, votes[voted],
    )  # fmt: skip


def _is_id(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value in range(len(CLASS_NAMES))


def _check_classes(classes: Iterable[int] | None) -> tuple[int, ...]:
    every = range(len(CLASS_NAMES))
    chosen = every if classes is None else tuple(classes) if isinstance(classes, Iterable) else ()
    if len(chosen) < 2 or not all(_is_id(i) for i in chosen) or len(set(chosen)) < len(chosen):
        raise InputError(f"classes must be two or more different ids from 0 to 9, not {shown(classes)}.")
    return tuple(map(int, chosen))


def cifar10() -> Dataset:
    """CIFAR-10 (Krizhevsky 2009, Learning multiple layers of features from tiny images).

    Looked for in ``$LABELNOISE_DATA`` and this user's cache folder, unpacked or as the archive
    ``cifar-10-python.tar.gz``, else downloaded.

    Returns:
        50,000 training and 10,000 test images of shape (n, 3, 32, 32), uint8, in memory.

    Raises:
        InputError: the data can't be found, or a file has another content.
    """
    splits = [cifar.read(train=train) for train in (True, False)]
    images, test_images = (Images(split.data.transpose(0, 3, 1, 2)) for split in splits)
    labels, test_labels = (np.array(split.targets, dtype=np.int64) for split in splits)
    return Dataset(images, labels, test_images, test_labels, tuple(splits[0].classes))


def cifar10n(labels: str = "worse") -> Dataset:
    """CIFAR-10N (Wei et al. 2022, arXiv:2110.12088): the training images of CIFAR-10 as three people labelled each.

    Reads the authors' file ``CIFAR-10_human.pt`` from ``$LABELNOISE_DATA`` or this user's cache
    folder. It is not downloaded, and nothing in it is run.

    Args:
        labels: ``random1``, ``random2`` or ``random3``, of one person each; ``aggregate``, their
            majority; ``worse``, a wrong one of the three where there is one.

    Returns:
        As `cifar10`, with ``train_noisy_labels``.

    Raises:
        InputError: an unknown name, the data can't be found, or the file holds something else,
            such as clean labels that are not those of CIFAR-10.
    """
    check_choice(labels, "human labels", HUMAN_LABELS)
    clean = cifar10()
    return replace(clean, train_noisy_labels=cifar.human_labels(labels, clean.train_labels))
