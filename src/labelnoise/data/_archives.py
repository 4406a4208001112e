"""The ``.npz`` form in which noisy sets circulate."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelnoise.errors import InputError
from labelnoise.noise import Labels, check_labels

if TYPE_CHECKING:
    from torch import Tensor


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


def _images(array: np.ndarray, key: str) -> np.ndarray:
    if array.dtype != np.uint8:
        raise InputError(f"{key} must hold uint8 pixels from 0 to 255, not {array.dtype}.")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise InputError(f"{key} must have shape (n, height, width) or (n, height, width, 1 or 3), not {array.shape}.")
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2))


def read_npz(path: str | os.PathLike[str], n_classes: int | None = None) -> NoisySet:
    """Read the ``.npz`` form in which noisy sets circulate; arguments and errors as `npz_arrays`."""
    images, labels, *tests = npz_arrays(path, n_classes)
    import torch  # here, so that a mistake in a file is told without it

    return NoisySet(torch.from_numpy(images), labels, *(torch.from_numpy(tests[0]), tests[1]) if tests else ())


def npz_arrays(path: str | os.PathLike[str], n_classes: int | None = None) -> tuple[np.ndarray, ...]:
    """The images and labels of such a file as NumPy arrays, in the order and shapes of a `NoisySet`: two, or four.

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
    return tuple(part for x, y in (("Xtr", "Str"), ("Xts", "Yts")) if x in images for part in (images[x], labels[y]))


def write_npz(path: str | os.PathLike[str], noisy_set: NoisySet) -> None:
    """Write a set in the form that `read_npz` reads; images are stored channels last.

    Raises:
        OSError: the file can't be written.
    """
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
