"""The data sets, held as tensors, and the ``.npz`` form in which noisy sets circulate."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelnoise import sources
from labelnoise.errors import InputError
from labelnoise.noise import Labels, check_labels

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
PAPER_CLASSES = (0, 1, 3)
DATASETS: dict[str, tuple[int, ...]] = {
    "fashion-mnist-3": PAPER_CLASSES,  # the source paper's
    "fashion-mnist": tuple(range(10)),
}


class Images:
    """Some rows of an array of images, copied only when asked for: ``images[rows]`` is a tensor.

    Over a memory-mapped file, the processes of a machine share its pages.

    Args:
        pixels: shape (m, channels, height, width), uint8.
        rows: which of them, shape (n,); all by default.
    """

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64] | None = None) -> None:
        self._pixels = pixels
        self._rows = np.arange(len(pixels)) if rows is None else rows

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._rows), *self._pixels.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: int | slice | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.array(self._pixels[self._rows[rows]]))


@dataclass(frozen=True)
class Dataset:
    """Clean images and labels.

    Attributes:
        train_images, test_images: shape (n, channels, height, width), uint8.
        train_labels, test_labels: shape (n,), int64, in [0, n_classes).
        class_names: one a class.
    """

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    class_names: tuple[str, ...]

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
    chosen = tuple(range(len(CLASS_NAMES)) if classes is None else classes)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(len(CLASS_NAMES))):
        raise InputError(f"classes must be two or more different ids from 0 to 9, not {chosen}.")
    folder = sources.fashion_mnist() / "FashionMNIST" / "raw"
    names = tuple(CLASS_NAMES[i] for i in chosen)
    return Dataset(*_of_classes(folder, "train", chosen), *_of_classes(folder, "t10k", chosen), names)


def load(name: str) -> Dataset:
    """A data set by its name in `DATASETS`.

    Raises:
        InputError: there is none of that name, or its files can't be found.
    """
    if name not in DATASETS:
        raise InputError(f"Unknown data set {name!r}; use one of: {', '.join(DATASETS)}.")
    return fashion_mnist(DATASETS[name])


@dataclass(frozen=True)
class NoisySet:
    """Images with noisy labels, and clean test images where there are some.

    Attributes:
        train_images, test_images: shape (n, channels, height, width), uint8.
        noisy_labels, test_labels: shape (n,), int64.
    """

    train_images: Tensor
    noisy_labels: Labels
    test_images: Tensor | None = None
    test_labels: Labels | None = None


def _images(array: np.ndarray, key: str) -> Tensor:
    if array.dtype != np.uint8:
        raise InputError(f"{key} must hold uint8 pixels from 0 to 255, not {array.dtype}.")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise InputError(f"{key} must have shape (n, height, width) or (n, height, width, 1 or 3), not {array.shape}.")
    return torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))


def read_npz(path: str | os.PathLike[str], n_classes: int | None = None) -> NoisySet:
    """Read the ``.npz`` form in which noisy sets circulate.

    Args:
        path: a file with ``Xtr`` (n, height, width[, channels]) uint8 and ``Str`` (n,) integers, the
            noisy labels, and both or neither of ``Xts`` and ``Yts``, clean test images and labels.
            Nothing in it is unpickled.
        n_classes: the number of classes; by default the largest noisy label plus one.

    Raises:
        InputError: not such a file; the message names the key and what is wrong with it.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            for key in ("Xtr", "Str", "Xts", "Yts"):
                if key in archive.files:
                    try:
                        arrays[key] = archive[key]
                    except ValueError:
                        raise InputError(
                            f"{key} in {path} holds Python objects; save it as a plain numeric array."
                        ) from None
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except InputError:
        raise
    except (OSError, EOFError, ValueError, AttributeError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path} is not an .npz file.") from None
    for key in ("Xtr", "Str"):
        if key not in arrays:
            raise InputError(f"{path} has no array {key}; it needs Xtr (images) and Str (noisy labels).")
    if ("Xts" in arrays) != ("Yts" in arrays):
        raise InputError(f"{path} has only one of Xts and Yts; pass both, or neither.")
    if not np.issubdtype(arrays["Str"].dtype, np.integer) or not arrays["Str"].size:
        kind = f"{arrays['Str'].dtype} of shape {arrays['Str'].shape}"
        raise InputError(f"Str in {path} must hold integers, one an image, not {kind}.")
    classes = n_classes or int(arrays["Str"].max()) + 1
    images, labels = {}, {}
    for x, y in (("Xtr", "Str"), ("Xts", "Yts")):
        if x in arrays:
            images[x] = _images(arrays[x], x)
            labels[y] = check_labels(arrays[y], classes, y)
            if len(images[x]) != len(labels[y]):
                raise InputError(f"{x} has {len(images[x])} images but {y} has {len(labels[y])} labels.")
    return NoisySet(images["Xtr"], labels["Str"], images.get("Xts"), labels.get("Yts"))


def write_npz(path: str | os.PathLike[str], noisy_set: NoisySet) -> None:
    """Write a set in the form that `read_npz` reads; images are stored channels last."""
    arrays: dict[str, Any] = {}
    for x, images, y, labels in (
        ("Xtr", noisy_set.train_images, "Str", noisy_set.noisy_labels),
        ("Xts", noisy_set.test_images, "Yts", noisy_set.test_labels),
    ):
        if images is not None and labels is not None:
            channels_last = images.permute(0, 2, 3, 1).numpy()
            arrays[x] = channels_last[..., 0] if channels_last.shape[3] == 1 else channels_last
            arrays[y] = labels
    with open(path, "wb") as file:  # given a path, numpy would add a suffix
        np.savez_compressed(file, **arrays)
