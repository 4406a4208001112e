"""A user's images and noisy labels, in any of the forms in which such sets circulate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from labelnoise._checks import as_array, check_size, check_whole
from labelnoise.data import NoisySet, corruption, load
from labelnoise.errors import InputError
from labelnoise.noise import Labels
from labelnoise.own import _folders, _layouts
from labelnoise.own._pixels import Pixels
from labelnoise.own._tabular import LabelColumn, check_no_column, listed

SAMPLE = {"dataset": "fashion-mnist-3", "noise_name": "paper-0.5"}
SAMPLED, TESTED = 12_000, 1000  # images of the sample, to learn from and to test with
FEWEST = 10  # images per class, on average
LARGE = 64  # pixels, beyond which a smaller size is worth a word
COPIES = 0.01  # of the images; photographs have a few by chance, as empty or saturated ones are alike
DATA_FORMS = """DATA is a set of images with a label for each, in one of these forms:
  photos/      a folder with a folder of images for each class, perhaps within train/ and test/
  photos/      a folder of images with one table (CSV, JSON Lines) of file names and labels, such as metadata.csv
  set.npz      Xtr and Str, train_images and train_labels (MedMNIST), x_train and y_train (Keras), ...
  set.parquet  a column of images, as Hugging Face writes it, and one of labels
  images.npy labels.npy
Test images that come with a set are taken as clean. Pixels go from 0 to 255 or from 0 to 1, channels first or last.
With --image-size all images are brought to one size and made square."""


@dataclass(frozen=True)
class OwnSet:
    """Images with noisy labels, what the classes are called, and what each training image is called.

    Attributes:
        images, test_images: shape (n, channels, height, width); None without test images.
        noisy_labels, test_labels: shape (n,), integers in [0, n_classes).
        class_names: one name per class; each class has a noisy label.
        image_names: one name per training image; where images are in one file, their rows.
        decisions: what was decided about the files, each in a sentence.
    """

    images: Pixels
    noisy_labels: Labels
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    test_images: Pixels | None = None
    test_labels: Labels | None = None
    decisions: tuple[str, ...] = ()

    @cached_property
    def data(self) -> NoisySet:
        """The images and labels as training takes them, on the same memory."""
        import torch

        tests = None if self.test_images is None else torch.from_numpy(self.test_images)
        return NoisySet(torch.from_numpy(self.images), self.noisy_labels, tests, self.test_labels)


def read_images(
    path: Path, labels: Path | None = None, *, label_column: str | None = None, image_size: int | None = None
) -> OwnSet:
    """Read a set in one of the forms that `DATA_FORMS` lists.

    Images become square and all of one size; if some have colour, grey ones get it too. Classes are those that occur
    in the labels, in the order of their names, or of their numbers.

    Args:
        path: the file or folder.
        labels: the file of the labels, of images in an ``.npy``.
        label_column: the name of the column of labels, in a table that has several.
        image_size: in pixels; the shorter side is brought to it and the middle of the longer one is kept.

    Raises:
        InputError: not such a set; the message names the file and the row or key.
    """
    check_image_size(image_size, "--image-size")
    if path.suffix.lower() == ".npy" and labels is None:
        raise InputError(f"{path} has images alone; name the file of their labels after it.")
    if labels is not None and path.suffix.lower() != ".npy":
        raise InputError(f"Labels in a file of their own go with images in an .npy file, not with {path}.")
    if path.is_dir() and (pair := _folders.two_arrays(path, label_column)):
        path, labels = pair
    if path.is_dir():
        found = _folders.from_folder(path, label_column)
    elif path.suffix.lower() == ".parquet":
        found = _folders.from_parquet(path, label_column)
    elif labels is not None:
        found = _layouts.from_npy(path, labels, label_column)
    else:
        check_no_column(path, label_column)
        found = _layouts.from_npz(path)
    return _checked(path, *found, image_size)


def check_image_size(size: int | None, name: str) -> None:
    """Refuse a size that images can't be brought to.

    Raises:
        InputError: not a whole number of pixels from 1 up, or one so large that no image of it fits into memory.
    """
    if size is not None:
        check_size(f"An image with {name} = {size}", check_whole(size, name, 1), size)


def from_arrays(
    images: ArrayLike,
    labels: ArrayLike,
    test_images: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    *,
    image_size: int | None = None,
) -> OwnSet:
    """A set of images and labels in memory.

    Args:
        images, test_images: shape (n, height, width[, 1 or 3]) or (n, 1 or 3, height, width), numbers from 0 to 255 or
            from 0 to 1.
        labels, test_labels: shape (n,), integers or names.
        image_size: as `read_images` takes it.

    Raises:
        InputError: not such a set.
    """
    if (test_images is None) != (test_labels is None):
        raise InputError("There is only one of test_images and test_labels; pass both, or neither.")

    check_image_size(image_size, "image_size")

    def labelled(pixels: ArrayLike, names: ArrayLike, what: str) -> _layouts.Labelled:
        array, source = as_array(pixels, f"{what}images"), f"{what}labels"
        column = _layouts.checked_labels(as_array(names, source), source, source)
        return _layouts.arrays(array, column, f"{what}images", source)

    found = [labelled(images, labels, "")]
    if test_images is not None and test_labels is not None:
        found.append(labelled(test_images, test_labels, "test_"))
    return _checked(Path("images"), found, (), image_size)


def _checked(path: Path, found: list[_layouts.Labelled], said: tuple[str, ...], size: int | None) -> OwnSet:
    """A set of which everything is checked that needs no training."""
    pixels: list[Pixels] = []
    for part in found:
        read, changed = part.pixels(size)
        pixels.append(read)
        said += (*part.labels.said, *changed)
    if len(found) == 2 and found[1].names:  # of arrays their reader says so
        said += (f"The images of {found[1].source} and their labels are taken as clean, and only measured against.",)
    train, images = found[0], pixels[0]
    noisy_labels, class_names, texts, order = _numbered(train.labels, train.names_of_numbers)
    n, n_classes = len(images), len(class_names)
    if n_classes < 2 or n < FEWEST * n_classes:
        raise InputError(
            f"{path} has {n} images of {n_classes} classes; training takes two classes or more and at least {FEWEST} "
            "images for each."
        )
    if images.shape[3] > LARGE:
        said += (f"The images are {images.shape[3]} pixels wide; --image-size {LARGE} would make training faster.",)
    names = train.names or tuple(map(str, range(n)))
    own = OwnSet(images, noisy_labels, class_names, names, decisions=(*said, *order))
    if len(found) == 1:
        return own
    tests = pixels[1]
    if tests.shape[2:] != images.shape[2:]:
        raise InputError(
            f"The training and the test images of {path} are images of different sizes; make them alike, or pass "
            "--image-size."
        )
    if tests.shape[1] != images.shape[1]:
        images, tests = (np.repeat(each, 3 // each.shape[1], axis=1) for each in (images, tests))
    return replace(own, images=images, test_images=tests, test_labels=found[1].labels.placed(texts))


def _numbered(
    column: LabelColumn, names_of_numbers: tuple[str, ...]
) -> tuple[Labels, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Labels as numbers from 0, the names of the classes, these as they stand in the file, and what is to be told.

    Args:
        column: the labels.
        names_of_numbers: what 0, 1, ... stand for, if there are names; classes that no label bears are left out.
    """
    # Where labels are numbers, a negative one or a fraction is no class.
    texts = tuple(text for text in column.texts if text.isdigit() or not column.numbered)
    labels = column.placed(texts)
    if column.numbered and names_of_numbers:
        column.placed([str(k) for k in range(len(names_of_numbers))])  # which refuses a number without a name
        absent = [name for k, name in enumerate(names_of_numbers) if str(k) not in texts]
        left_out = (f"Classes that no label bears are left out: {listed(absent)}.",) if absent else ()
        names = tuple(names_of_numbers[int(text)] for text in texts)
        return labels, names, texts, (f"The classes in their order are {listed(names, 20)}.", *left_out)
    if not column.numbered:
        said = f"The classes in their order are {listed(texts, 20)}."
    elif texts == tuple(map(str, range(len(texts)))):
        said = f"The labels are 0 to {len(texts) - 1}."
    else:
        said = "The labels are not 0, 1, ... without a gap; the classes are those that occur, in this order: "
        said += f"{listed(texts, 20)}."
    return labels, texts, texts, (said,)


def sample() -> OwnSet:
    """A small set to try things on: images of the source paper with its noise, and clean test images."""
    whole, (noisy, _) = load(SAMPLE["dataset"]), corruption(**SAMPLE, seed=0)
    images, tests = whole.train_images[:SAMPLED].numpy(), whole.test_images[:TESTED].numpy()
    names = tuple(map(str, range(SAMPLED)))
    return OwnSet(images, noisy[:SAMPLED], whole.class_names, names, tests, whole.test_labels[:TESTED])


def copies(own: OwnSet) -> Iterator[str]:
    """Images that are there twice, by their bytes: test images that were trained on, and copies with other labels."""
    first: dict[bytes, int] = {}
    again, other = 0, 0
    for row, mark in enumerate(_marks(own.images)):
        if (before := first.setdefault(mark, row)) != row:
            again, other = again + 1, other + int(own.noisy_labels[before] != own.noisy_labels[row])
    if again > COPIES * len(own.images):
        yield (
            f"{again:,} of {len(own.images):,} images are copies of an earlier one, {other:,} of them with another "
            "label. A copy on which a network was trained gives away the label of one that it should judge, so fewer "
            "labels look wrong than are. Keep one of each."
        )
    if own.test_images is not None:
        known = sum(mark in first for mark in _marks(own.test_images))
        if known > COPIES * len(own.test_images):
            yield (
                f"{known:,} of {len(own.test_images):,} test images are among the training images. The accuracy on "
                "them is not that on new images. Take them out of one of the two."
            )


def _marks(images: Pixels) -> Iterator[bytes]:
    return (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)
