"""CIFAR-10 and the human labels of CIFAR-10N: found, checked and read."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelnoise.data import sources
from labelnoise.data._registry import HUMAN_LABELS
from labelnoise.errors import InputError
from labelnoise.noise import Labels, check_labels

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

HUMAN_FILE = "CIFAR-10_human.pt"
HUMAN_URL = f"https://github.com/UCSC-REAL/cifar-10-100n/raw/main/data/{HUMAN_FILE}"


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


class _Kind:
    """Stands for a type of NumPy's: its code, and the order of its bytes."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """Stands for an array of integers: NumPy would trust the bytes, and damaged ones can end the process."""

    def __init__(self, *_: object) -> None:
        self.values = np.empty(0, dtype=np.int64)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        if kind.code[:1] not in ("i", "u"):
            raise pickle.UnpicklingError(f"values of type {kind.code}")
        values = np.frombuffer(content, np.dtype(kind.order + kind.code))
        self.values = values.reshape(shape, order="F" if by_columns else "C")


class _Plain(pickle._Unpickler):  # the other one, in C, takes as much memory as a number in the file says
    """Makes plain containers, and what stands for arrays."""

    KNOWN: Mapping[str, Callable[..., object]] = {
        "numpy.core.multiarray._reconstruct": _Array,  # NumPy 2 has moved it, and the authors' file is older
        "numpy._core.multiarray._reconstruct": _Array,
        "numpy.ndarray": _Array,
        "numpy.dtype": _Kind,
        "_codecs.encode": lambda text, _: text.encode("latin1"),  # as the oldest protocols write bytes
    }

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        return self.KNOWN[f"{module}.{name}"]


def _tables(path: Path) -> object:
    """The content of a file of `torch.save`, in its form of now, an archive, or the former one; nothing is run."""
    try:
        with path.open("rb") as whole:
            file = io.BytesIO(whole.read(sources.MOST_UNPACKED))
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}).") from None
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                (name,) = (each for each in archive.namelist() if each.endswith("/data.pkl"))
                with archive.open(name) as member:
                    return _Plain(io.BytesIO(member.read(sources.MOST_UNPACKED))).load()
        file.seek(0)
        for _ in range(3):  # a number, a version, and the machine that it was written on
            _Plain(file).load()
        return _Plain(file).load()
    except Exception:  # of any kind, as the bytes of a damaged file can say anything
        raise InputError(
            f"{path} is damaged or holds more than arrays, so nothing in it was run; fetch it again from {HUMAN_URL}."
        ) from None


def human_labels(labels: str, clean_labels: Labels) -> Labels:
    """One kind of `HUMAN_LABELS` for the training images; the file must have their clean labels, shape (n,), too.

    Raises:
        InputError: an unknown name, no file, or one that holds something else.
    """
    path = next((place / HUMAN_FILE for place in sources.folders() if (place / HUMAN_FILE).is_file()), None)
    if path is None:
        raise InputError(
            f"There is no {HUMAN_FILE} in $LABELNOISE_DATA or {sources.cache_folder()}; fetch {HUMAN_URL} and put it "
            "there."
        )
    return labels_in(path, labels, clean_labels)


def labels_in(path: Path, labels: str, clean_labels: Labels) -> Labels:
    """The labels of a file, as `human_labels` gives them."""
    tables, found = _tables(path), []
    for key in ("clean_label", HUMAN_LABELS[labels]):
        if not isinstance(tables, dict) or key not in tables:
            raise InputError(f"{path} has no {key}; fetch it again from {HUMAN_URL}.")
        values = tables[key].values if isinstance(tables[key], _Array) else np.asarray(tables[key])
        found.append(check_labels(values, 10, f"{key} in {path}"))
        if len(found[-1]) != len(clean_labels):
            raise InputError(f"{key} in {path} has {len(found[-1])} labels, but there are {len(clean_labels)} images.")
    clean, noisy = found
    if len(rows := np.flatnonzero(clean != clean_labels)):
        raise InputError(
            f"clean_label in {path} is {clean[rows[0]]} in row {rows[0]}, where CIFAR-10 has {clean_labels[rows[0]]}; "
            "labels must be in the order of CIFAR-10's batches."
        )
    return noisy
