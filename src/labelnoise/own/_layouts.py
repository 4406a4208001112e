"""Images and labels in arrays: ``.npz`` in the layouts that circulate, and two ``.npy`` files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelnoise._files import opened_npz, read_member
from labelnoise.errors import InputError
from labelnoise.own._pixels import Pixels, as_pixels
from labelnoise.own._tables import reading
from labelnoise.own._tabular import LabelColumn, array_labels, npy, read_labels

# Of each layout its title, the keys of images and labels, and those of test images and labels.
LAYOUTS = (
    ("the form with Xtr and Str", ("Xtr", "Str"), ("Xts", "Yts")),
    ("MedMNIST's form", ("train_images", "train_labels"), ("test_images", "test_labels")),
    ("Keras' form", ("x_train", "y_train"), ("x_test", "y_test")),
    ("the form with X_train and y_train", ("X_train", "y_train"), ("X_test", "y_test")),
    ("the form with images and labels", ("images", "labels"), ("test_images", "test_labels")),
    ("the form with X and y", ("X", "y"), ("X_test", "y_test")),
    ("the form with x and y", ("x", "y"), ("x_test", "y_test")),
    ("two arrays without names", ("arr_0", "arr_1"), ("arr_2", "arr_3")),
)


@dataclass(frozen=True)
class Labelled:
    """Images and their labels, in any form.

    Attributes:
        labels: of each image.
        pixels: gives the images, brought to a size if it is given one, and what had to be changed.
        source: what messages call the images.
        names: of each image, if they have some.
        names_of_numbers: the names that labels 0, 1, ... stand for, if they have some.
    """

    labels: LabelColumn
    pixels: Callable[[int | None], tuple[Pixels, tuple[str, ...]]]
    source: str
    names: tuple[str, ...] = ()
    names_of_numbers: tuple[str, ...] = ()


Found = tuple[list[Labelled], tuple[str, ...]]  # images to learn from, perhaps those to test with, and how it was read


def arrays(images: NDArray[Any], labels: LabelColumn, source: str, labels_source: str) -> Labelled:
    """Images in an array with their labels; the sources are what messages call them.

    Raises:
        InputError: there are more of one than of the other.
    """
    n_images = len(images) if images.ndim else 0
    if n_images != len(labels.codes):
        raise InputError(f"{source} has {n_images} images but {labels_source} has {len(labels.codes)} labels.")
    return Labelled(labels, lambda size: as_pixels(images, source, size), source)


def from_npz(path: Path) -> Found:
    """The images and labels of an ``.npz``, its test images and labels if it has some, and how it was read.

    Nothing in it is unpickled, and of arrays that are not needed nothing is read.

    Raises:
        InputError: not such a file; the message names the key and what is wrong with it.
    """
    with reading(path, (".npz", ".npy", ".parquet")), opened_npz(path) as archive:
        keys = set(archive.files)
        title, train, tests = next((each for each in LAYOUTS if set(each[1]) <= keys), (None, *LAYOUTS[0][1:]))
        if title is None:
            missing = [key for _, pair, _ in LAYOUTS for key in pair if keys & set(pair) and key not in keys]
            known = "; ".join(" and ".join(pair) for _, pair, _ in LAYOUTS[:3])
            raise InputError(
                f"{path} has no array {(missing or ['Xtr'])[0]}; it needs images and noisy labels as one of: "
                f"{known}. It has {', '.join(sorted(keys)) or 'none'}."
            )
        if len(set(tests) & keys) == 1:
            raise InputError(f"{path} has only one of {tests[0]} and {tests[1]}; pass both, or neither.")
        pairs = [train, *([tests] if set(tests) <= keys else [])]
        read = {key: read_member(archive, key, path) for pair in pairs for key in pair}
    rest = sorted(keys - set(read))
    said = [f"{path} is read in {title}: noisy labels from {train[1]}."]
    said += [f"{tests[0]} and {tests[1]} are taken as clean, and only measured against."] if len(pairs) > 1 else []
    said += [f"Of {path} {', '.join(rest)} are left out."] if rest else []
    return [arrays(read[x], checked_labels(read[y], f"{y} in {path}", y), x, y) for x, y in pairs], tuple(said)


def checked_labels(labels: NDArray[Any], source: str, name: str) -> LabelColumn:
    """Labels that are names or whole numbers from 0 up; a short name of them is for messages that tell a row.

    Raises:
        InputError: other labels; the message names the row.
    """
    fractions = labels[labels != np.rint(labels)] if labels.dtype.kind == "f" else labels[:0] if labels.ndim else []
    if labels.ndim == 0 or not len(labels) or len(fractions):
        raise InputError(
            f"{source} must hold integers or names, one per image, not {labels.dtype} of shape {labels.shape}"
            + (f" with {fractions[0]}." if len(fractions) else ".")
        )
    if labels.dtype.kind in "if" and labels.ndim == 1 and labels.min() < 0:
        row = int(np.argmax(labels < 0))
        raise InputError(f"{name} has {labels[row]} in row {row}; a label is a name or a whole number from 0 up.")
    one_hot = labels.ndim == 2 and labels.shape[1] > 1
    said = (f"{source} has a column for each class, with a 1 for the label.",) if one_hot else ()
    return array_labels(labels, source, said)


def from_npy(path: Path, labels: Path, wanted: str | None = None) -> Found:
    """The images of an ``.npy`` file with labels from a file of their own.

    Raises:
        InputError: not such files, or two that don't fit each other.
    """
    images = npy(path)
    if labels.suffix.lower() == ".npy":
        column = checked_labels(npy(labels), str(labels), str(labels))
    else:
        column = read_labels(labels, wanted)
    said = f"The images are those of {path}, the labels those of {labels}."
    return [arrays(images, column, str(path), str(labels))], (said,)
