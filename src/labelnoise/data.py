"""The data sets, held as tensors, and the ``.npz`` form in which noisy sets circulate."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import FashionMNIST

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


@dataclass(frozen=True)
class Dataset:
    """Clean images and labels.

    Attributes:
        train_images, test_images: shape (n, channels, height, width), uint8.
        train_labels, test_labels: shape (n,), int64, in [0, n_classes).
        class_names: one a class.
    """

    train_images: Tensor
    train_labels: Labels
    test_images: Tensor
    test_labels: Labels
    class_names: tuple[str, ...]

    @property
    def n_classes(self) -> int:
        return len(self.class_names)


def _of_classes(images: Tensor, labels: Tensor, classes: Sequence[int]) -> tuple[Tensor, Labels]:
    new_label = torch.full((len(CLASS_NAMES),), -1)
    new_label[list(classes)] = torch.arange(len(classes))
    relabelled = new_label[labels]
    keep = relabelled >= 0
    return images[keep].unsqueeze(1).contiguous(), relabelled[keep].numpy()


def fashion_mnist(classes: Iterable[int] | None = None) -> Dataset:
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747), or some of its classes.

    Args:
        classes: which of the ten class ids to keep, renumbered in the order given; all by default.
            The source paper has ``(0, 1, 3)``: 18,000 training and 3,000 test images.

    Returns:
        Images of shape (n, 1, 28, 28), uint8.

    Raises:
        InputError: an unknown or repeated class, or the data can't be found.
    """
    chosen = tuple(range(len(CLASS_NAMES)) if classes is None else classes)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(len(CLASS_NAMES))):
        raise InputError(f"classes must be two or more different ids from 0 to 9, not {chosen}.")
    root = str(sources.fashion_mnist())
    train, test = FashionMNIST(root, train=True), FashionMNIST(root, train=False)
    return Dataset(
        *_of_classes(train.data, train.targets, chosen),
        *_of_classes(test.data, test.targets, chosen),
        tuple(CLASS_NAMES[i] for i in chosen),
    )


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
