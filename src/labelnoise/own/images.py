"""A user's images and noisy labels: an ``.npz``, a folder of images with a CSV file, or a Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from labelnoise.data import NoisySet, corruption, load, npz_arrays
from labelnoise.errors import InputError
from labelnoise.noise import Labels
from labelnoise.own._tabular import LABEL_NAMES, LabelColumn, read_column, read_labels, reading

Pixels = NDArray[np.uint8]

IMAGE_NAMES = ("image", "image_file", "file_name", "filename", "file", "path")
SAMPLE = {"dataset": "fashion-mnist-3", "noise_name": "paper-0.5"}
SAMPLED, TESTED = 12_000, 1000  # images of the sample, to learn from and to test with
LEAST = 10  # images per class, on average


@dataclass(frozen=True)
class OwnSet:
    """Images with noisy labels, what the classes are called, and what each training image is called.

    Attributes:
        images, test_images: shape (n, channels, height, width); None without test images.
        noisy_labels, test_labels: shape (n,), integers in [0, n_classes).
        class_names: one name per class; each class has a noisy label.
        image_names: one name per training image; where images are in one file, their rows.
    """

    images: Pixels
    noisy_labels: Labels
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    test_images: Pixels | None = None
    test_labels: Labels | None = None

    @cached_property
    def data(self) -> NoisySet:
        """The images and labels as training takes them, on the same memory."""
        import torch

        tests = None if self.test_images is None else torch.from_numpy(self.test_images)
        return NoisySet(torch.from_numpy(self.images), self.noisy_labels, tests, self.test_labels)


def read_images(path: Path) -> OwnSet:
    """Read a set in one of three forms.

    An ``.npz`` as `labelnoise.read_npz` reads it; a folder that holds one CSV file with the columns image (file names,
    seen from the folder) and label; or a Parquet file as Hugging Face writes it, with the columns image (a struct with
    bytes, or the bytes) and label. Images are square and all of one size; if some have colour, grey ones get it too.

    Raises:
        InputError: not such a set; the message names the file and the row or key.
    """
    form = _from_folder if path.is_dir() else _from_parquet if path.suffix.lower() == ".parquet" else _from_npz
    own = form(path)
    n, _, height, width = own.images.shape
    if height != width:
        raise InputError(f"The images of {path} are {width} by {height} pixels; make them square first.")
    if own.test_images is not None and own.test_images.shape[1:] != own.images.shape[1:]:
        raise InputError(f"Xtr and Xts of {path} hold images of different sizes; make them alike.")
    absent = np.flatnonzero(np.bincount(own.noisy_labels, minlength=len(own.class_names)) == 0)
    if len(absent):
        name = own.class_names[absent[0]]
        raise InputError(f"No label in {path} is {name}; number the classes 0, 1, ... without a gap.")
    if len(own.class_names) < 2 or n < LEAST * len(own.class_names):
        raise InputError(
            f"{path} has {n} images of {len(own.class_names)} classes; training takes two classes or more and at least "
            f"{LEAST} images for each."
        )
    return own


def sample() -> OwnSet:
    """A small set to try things on: images of the source paper with its noise, and clean test images."""
    whole, (noisy, _) = load(SAMPLE["dataset"]), corruption(**SAMPLE, seed=0)
    images, tests = whole.train_images[:SAMPLED].numpy(), whole.test_images[:TESTED].numpy()
    return OwnSet(images, noisy[:SAMPLED], whole.class_names, _rows(SAMPLED), tests, whole.test_labels[:TESTED])


def _rows(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))


def _from_npz(path: Path) -> OwnSet:
    with reading(path, (".npz", ".parquet")):
        images, labels, *tests = npz_arrays(path)
    return OwnSet(images, labels, _rows(int(labels.max()) + 1), _rows(len(labels)), *tests)


def _from_folder(folder: Path) -> OwnSet:
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    if len(tables) != 1:
        raise InputError(f"{folder} holds {len(tables)} CSV files; put one there, with the columns image and label.")
    labels = read_labels(tables[0])
    with reading(tables[0]):
        files = tuple(str(name).strip() for name in read_column(tables[0], IMAGE_NAMES).to_pylist())
    for row, name in enumerate(files):
        if not (folder / name).is_file():
            raise InputError(f"Row {row} of {tables[0]} names {name}, and {folder / name} is no file.")
    return _own(labels, ((folder / name).read_bytes() for name in files), files)


def _from_parquet(path: Path) -> OwnSet:
    labels = read_labels(path)
    with reading(path):
        values = read_column(path, IMAGE_NAMES).to_pylist()
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        class_names = next((features[name].get("names") for name in LABEL_NAMES if name in features), None)
    contents: list[Any] = [value.get("bytes") if isinstance(value, dict) else value for value in values]
    for row, content in enumerate(contents):
        if not isinstance(content, bytes):
            raise InputError(f"Row {row} of {path} has no bytes in column image; save the images within the file.")
    return _own(labels, contents, _rows(len(contents)), class_names or ())


def _own(
    labels: LabelColumn, contents: Iterable[bytes], names: tuple[str, ...], class_names: Sequence[str] = ()
) -> OwnSet:
    """A set of encoded images, with the `class_names` that numbered labels 0, 1, ... stand for."""
    numbered_names = tuple(class_names) if labels.numbered else ()
    # Where labels are numbers, a negative one or a fraction is no class.
    texts = tuple(text for text in labels.texts if text.isdigit() or not labels.numbered)
    noisy_labels = labels.placed(_rows(len(numbered_names)) or texts)
    return OwnSet(_decoded(contents, names, labels.source), noisy_labels, numbered_names or texts, names)


def _decoded(contents: Iterable[bytes], names: Sequence[str], source: str) -> Pixels:
    """Images of shape (n, channels, height, width), of three channels if one of them has colour."""
    images: list[Pixels] = []
    for row, content in enumerate(contents):
        try:
            with Image.open(io.BytesIO(content)) as image:
                images.append(np.array(image.convert("L" if image.mode in ("1", "L") else "RGB")))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise InputError(f"Row {row} of {source} has an image that can't be read ({names[row]}).") from None
        if images[row].shape[:2] != images[0].shape[:2]:
            sizes = " and ".join("{1} by {0}".format(*each.shape) for each in (images[0], images[row]))
            raise InputError(f"Rows 0 and {row} of {source} have images of {sizes} pixels; make them alike.")
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    stacked = np.stack(images)
    return stacked[:, None] if stacked.ndim == 3 else np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))
