"""CIFAR-10 and the human labels of CIFAR-10N: found, checked and read."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labelnoise.data import sources
from labelnoise.data._registry import HUMAN_LABELS
from labelnoise.errors import InputError
from labelnoise.noise import Labels, check_labels

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

HUMAN = "CIFAR-10_human.pt"
HUMAN_URL = f"https://github.com/UCSC-REAL/cifar-10-100n/raw/main/data/{HUMAN}"


def read(*, train: bool) -> CIFAR10:
    """One split as torchvision has it, which checks the md5 of every file before it unpickles one.

    Looks for the unpacked folder or the archive in the usual places; torchvision unpacks an archive
    where it is, and downloads one into the cache if there is neither.

    Raises:
        InputError: no source at all, or a file with another content that can't be fetched again.
    """
    from torchvision.datasets import CIFAR10  # here, as it takes seconds and few trials need it

    names = (CIFAR10.base_folder, CIFAR10.filename)
    roots = [place for place in sources.folders() if any((place / name).exists() for name in names)]
    root = roots[0] if roots else sources.cache_folder()
    try:
        with contextlib.redirect_stdout(None):  # some versions of torchvision print
            return CIFAR10(root, train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{root} has no whole CIFAR-10, and it can't be fetched ({' '.join(str(error).split())}); put the archive "
            f"from {CIFAR10.url} into a folder and set LABELNOISE_DATA to it."
        ) from None


def _unpickled(path: Path) -> object:
    """The content of a file of `torch.save`; only arrays of integers, tensors and plain containers are made from it."""
    reconstruct = np.empty(0).__reduce__()[0]  # by which NumPy pickles an array
    allowed: list[Any] = [
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in np.typecodes["AllInteger"]},
        # NumPy 2 has moved it, and the authors' file is older.
        *((reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, weights_only=True)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}).") from None
    except Exception:  # of any kind, as the bytes of a damaged file can say anything
        raise InputError(
            f"{path} is damaged or holds more than arrays, so nothing in it was run; fetch it again from {HUMAN_URL}."
        ) from None


def human_labels(labels: str, clean_labels: Labels) -> Labels:
    """One kind of `HUMAN_LABELS` for the training images; the file must have their clean labels, shape (n,), too.

    Raises:
        InputError: an unknown name, no file, or one that holds something else.
    """
    path = next((place / HUMAN for place in sources.folders() if (place / HUMAN).is_file()), None)
    if path is None:
        raise InputError(
            f"There is no {HUMAN} in $LABELNOISE_DATA or {sources.cache_folder()}; fetch {HUMAN_URL} and put it there."
        )
    return labels_in(path, labels, clean_labels)


def labels_in(path: Path, labels: str, clean_labels: Labels) -> Labels:
    """The labels of a file, as `human_labels` gives them."""
    tables, found = _unpickled(path), []
    for key in ("clean_label", HUMAN_LABELS[labels]):
        if not isinstance(tables, dict) or key not in tables:
            raise InputError(f"{path} has no {key}; fetch it again from {HUMAN_URL}.")
        found.append(check_labels(np.asarray(tables[key]), 10, f"{key} in {path}"))
        if len(found[-1]) != len(clean_labels):
            raise InputError(f"{key} in {path} has {len(found[-1])} labels, but there are {len(clean_labels)} images.")
    clean, noisy = found
    if len(rows := np.flatnonzero(clean != clean_labels)):
        raise InputError(
            f"clean_label in {path} is {clean[rows[0]]} in row {rows[0]}, where CIFAR-10 has {clean_labels[rows[0]]}; "
            "labels must be in the order of CIFAR-10's batches."
        )
    return noisy
