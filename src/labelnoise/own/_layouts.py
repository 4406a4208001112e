"""Images and labels in arrays: ``.npz`` in the layouts that circulate, and two ``.npy`` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelnoise._files import opened_npz, read_member
from labelnoise.errors import InputError
from labelnoise.own._tables import reading
from labelnoise.own._tabular import LabelColumn, array_labels, label_column, npy, read_labels

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

Images = NDArray[Any]
Labelled = tuple[Images, LabelColumn, str]  # images, their labels, and what messages call the images


def from_npz(path: Path) -> tuple[Labelled, Labelled | None, tuple[str, ...]]:
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
        arrays = {key: read_member(archive, key, path) for pair in pairs for key in pair}
    rest = sorted(keys - set(arrays))
    said = [f"{path} is read in {title}: noisy labels from {train[1]}."]
    said += [f"{tests[0]} and {tests[1]} are taken as clean, and only measured against."] if len(pairs) > 1 else []
    said += [f"Of {path} {', '.join(rest)} are left out."] if rest else []
    found = [_labelled(arrays, pair, path) for pair in pairs]
    return found[0], found[1] if len(found) > 1 else None, tuple(said)


def _labelled(arrays: dict[str, NDArray[Any]], pair: tuple[str, str], path: Path) -> Labelled:
    images, labels = (arrays[key] for key in pair)
    column = checked_labels(labels, f"{pair[1]} in {path}", pair[1])
    number = len(images) if images.ndim else 0
    if number != len(column.codes):
        raise InputError(f"{pair[0]} has {number} images but {pair[1]} has {len(column.codes)} labels.")
    return images, column, pair[0]


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
    column = label_column(*array_labels(labels, source), source, ())
    one_hot = labels.ndim == 2 and labels.shape[1] > 1
    said = (f"{source} has a column for each class, with a 1 for the label.",) if one_hot else ()
    return LabelColumn(column.codes, column.texts, source, said)


def from_npy(path: Path, labels: Path, wanted: str | None = None) -> tuple[Labelled, tuple[str, ...]]:
    """The images of an ``.npy`` file with labels from a file of their own.

    Raises:
        InputError: not such files, or two that don't fit each other.
    """
    with reading(path, (".npz", ".npy", ".parquet")):
        images = npy(path)
    if labels.suffix.lower() == ".npy":
        with reading(labels):
            column = checked_labels(npy(labels), str(labels), str(labels))
    else:
        column = read_labels(labels, wanted)
    if images.ndim == 0 or len(images) != len(column.codes):
        raise InputError(
            f"{path} has {len(images) if images.ndim else 0} images but {labels} has {len(column.codes)} labels."
        )
    return (images, column, str(path)), (f"The images are those of {path}, the labels those of {labels}.",)
