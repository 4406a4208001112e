"""The ``.npz`` form in which noisy sets circulate."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelnoise._checks import as_array, check_whole, shown
from labelnoise._files import check_target, opened_npz, read_member, write_whole
from labelnoise.errors import InputError
from labelnoise.noise import Labels, check_labels

if TYPE_CHECKING:
    from torch import Tensor

PAIRS = (("Xtr", "Str"), ("Xts", "Yts"))  # images and their labels


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


def read_npz(path: str | os.PathLike[str], n_classes: int | None = None) -> NoisySet:
    """Read the ``.npz`` form in which noisy sets circulate.

    Args:
        path: a file with ``Xtr`` (n, height, width[, channels]) uint8 and ``Str`` (n,) integers, the
            noisy labels, and both or neither of ``Xts`` and ``Yts``, clean test images and labels.
            Nothing in it is unpickled.
        n_classes: the number of classes; by default the largest noisy label plus one.

    Raises:
        InputError: not such a file; the message names the key and what is wrong with it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/mine.npz", Xtr=np.zeros((3, 28, 28), dtype=np.uint8), Str=np.array([0, 1, 1]))
    ...     found = read_npz(f"{folder}/mine.npz")
    >>> tuple(found.train_images.shape), found.noisy_labels.tolist()
    ((3, 1, 28, 28), [0, 1, 1])
    """
    known = None if n_classes is None else check_whole(n_classes, "n_classes", 2)
    with opened_npz(path) as archive:
        keys = [key for pair in PAIRS for key in pair if key in archive.files]
        arrays = {key: read_member(archive, key, path) for key in keys}
    found = _checked(arrays, path, known)
    import torch  # here, so that a mistake in a file is told without it

    parts: list[Any] = []
    for x, y in PAIRS:
        if x in found:
            parts += [torch.from_numpy(np.ascontiguousarray(found[x].transpose(0, 3, 1, 2))), found[y]]
    return NoisySet(*parts)


def write_npz(path: str | os.PathLike[str], noisy_set: NoisySet) -> None:
    """Write a set in the form that `read_npz` reads; images are stored channels last.

    Raises:
        InputError: `read_npz` would refuse the file, or the path is that of no file; nothing is written.
        OSError: the file can't be written, such as to a full disk.

    >>> import tempfile, torch
    >>> images = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_npz(f"{folder}/mine.npz", NoisySet(images, np.array([0, 1, 1])))
    ...     read_npz(f"{folder}/mine.npz").noisy_labels.tolist()
    [0, 1, 1]
    """
    path = check_target(path)
    if not isinstance(noisy_set, NoisySet):
        raise InputError(f"noisy_set must be a NoisySet, not {shown(noisy_set)}.")
    fields = (noisy_set.train_images, noisy_set.noisy_labels, noisy_set.test_images, noisy_set.test_labels)
    keys = [key for pair in PAIRS for key in pair]
    arrays: dict[str, Any] = {k: as_array(v, k) for k, v in zip(keys, fields, strict=True) if v is not None}
    for x, _ in PAIRS:
        if x in arrays and arrays[x].ndim == 4:
            arrays[x] = arrays[x].transpose(0, 2, 3, 1)
    numbered = [arrays[y] for _, y in PAIRS if y in arrays and arrays[y].dtype.kind in "iu"]
    highest = [int(each.max()) for each in numbered if each.size]
    arrays = dict(_checked(arrays, path, min(max([0, *highest]) + 1, 2**63 - 1)))
    for x, _ in PAIRS:
        if x in arrays and arrays[x].shape[3] == 1:
            arrays[x] = arrays[x][..., 0]
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_whole(path, file.getvalue())


def _checked(arrays: Mapping[str, np.ndarray], path: object, n_classes: int | None) -> dict[str, np.ndarray]:
    """The arrays of a file, images with four axes and labels int64, or an error that says what is wrong."""
    for key in PAIRS[0]:
        if key not in arrays:
            raise InputError(f"{path} has no array {key}; it needs Xtr (images) and Str (noisy labels).")
    if ("Xts" in arrays) != ("Yts" in arrays):
        raise InputError(f"{path} has only one of Xts and Yts; pass both, or neither.")
    noisy = arrays["Str"]
    if noisy.dtype.kind not in "iu" or not noisy.size:
        raise InputError(f"Str in {path} must hold integers, one per image, not {noisy.dtype} of shape {noisy.shape}.")
    classes, checked = min(max(int(noisy.max()) + 1, 1), 2**63 - 1) if n_classes is None else n_classes, {}
    for x, y in PAIRS:
        if x in arrays:
            checked[x], checked[y] = _with_channels(arrays[x], x), check_labels(arrays[y], classes, y)
            if len(checked[x]) != len(checked[y]):
                raise InputError(f"{x} has {len(checked[x])} images but {y} has {len(checked[y])} labels.")
    return checked


def _with_channels(images: np.ndarray, key: str) -> np.ndarray:
    """Pixels as (n, height, width, channels)."""
    if images.dtype != np.uint8:
        raise InputError(f"{key} must hold uint8 pixels from 0 to 255, not {images.dtype}.")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise InputError(f"{key} must have shape (n, height, width) or (n, height, width, 1 or 3), not {images.shape}.")
    return images
