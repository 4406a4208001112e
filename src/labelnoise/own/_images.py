"""A user's images and noisy labels: an ``.npz``, a folder of images with a CSV file, or a Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import torch
from PIL import Image, UnidentifiedImageError

from labelnoise import data
from labelnoise.data import NoisySet, corruption, read_npz
from labelnoise.errors import InputError
from labelnoise.own._tabular import LABEL_NAMES, LabelColumn, read_column, read_labels, reading

IMAGE_NAMES = ("image", "image_file", "file_name", "filename", "file", "path")
SAMPLE = {"dataset": "fashion-mnist-3", "noise_name": "paper-0.5"}
SAMPLED, TESTED = 12_000, 1000  # images of the sample, to learn from and to test with
LEAST = 10  # images a class, on average


@dataclass(frozen=True)
class OwnSet:
    """Images with noisy labels, what the classes are called, and what each training image is called.

    Attributes:
        data: the images and labels.
        class_names: one a class; each has a noisy label.
        image_names: one a training image; where images are in one file, their rows.
    """

    data: NoisySet
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]


def read_images(path: Path) -> OwnSet:
    """Read a set in one of three forms.

    An ``.npz`` as `archives.read_npz` reads it; a folder that holds one CSV file with the columns image (file names,
    seen from the folder) and label; or a Parquet file as Hugging Face writes it, with the columns image (a struct with
    bytes, or the bytes) and label. Images are square and all of one size; if some have colour, grey ones get it too.

    Raises:
        InputError: not such a set; the message names the file and the row or key.
    """
    if path.is_dir():
        own = _from_folder(path)
    elif path.suffix.lower() == ".parquet":
        own = _from_parquet(path)
    else:
        with reading(path, (".npz", ".parquet")):
            data = read_npz(path)
        numbers = map(str, range(int(data.noisy_labels.max()) + 1))
        own = OwnSet(data, tuple(numbers), tuple(map(str, range(len(data.noisy_labels)))))
    n, _, height, width = own.data.train_images.shape
    if height != width:
        raise InputError(f"The images of {path} are {width} by {height} pixels; make them square first.")
    tests = own.data.test_images
    if tests is not None and tests.shape[1:] != own.data.train_images.shape[1:]:
        raise InputError(f"Xtr and Xts of {path} hold images of different sizes; make them alike.")
    absent = np.flatnonzero(np.bincount(own.data.noisy_labels, minlength=len(own.class_names)) == 0)
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
    whole, (noisy, _) = data.load(SAMPLE["dataset"]), corruption(**SAMPLE, seed=0)
    tests = whole.test_images[:TESTED], whole.test_labels[:TESTED]
    names = tuple(map(str, range(SAMPLED)))
    return OwnSet(NoisySet(whole.train_images[:SAMPLED], noisy[:SAMPLED], *tests), whole.class_names, names)


def _from_folder(folder: Path) -> OwnSet:
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    if len(tables) != 1:
        raise InputError(f"{folder} holds {len(tables)} CSV files; put one there, with the columns image and label.")
    labels = read_labels(tables[0])
    with reading(tables[0]):
        files = [str(name).strip() for name in read_column(tables[0], IMAGE_NAMES).to_pylist()]
    contents = []
    for row, name in enumerate(files):
        if not (folder / name).is_file():
            raise InputError(f"Row {row} of {tables[0]} names {name}, and {folder / name} is no file.")
        contents.append((folder / name).read_bytes())
    return _own(contents, labels, labels.texts, files)


def _from_parquet(path: Path) -> OwnSet:
    labels = read_labels(path)
    with reading(path):
        values = read_column(path, IMAGE_NAMES).to_pylist()
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        given = next((features[name].get("names") for name in LABEL_NAMES if name in features), None)
    contents: list[Any] = [value.get("bytes") if isinstance(value, dict) else value for value in values]
    for row, content in enumerate(contents):
        if not isinstance(content, bytes):
            raise InputError(f"Row {row} of {path} has no bytes in column image; save the images within the file.")
    own = _own(contents, labels, labels.texts, [str(row) for row in range(len(contents))])
    if not given or not labels.numbered:
        return own
    numbered = labels.placed([str(k) for k in range(len(given))])  # names stand for 0, 1, ...
    data = NoisySet(own.data.train_images, numbered)
    return OwnSet(data, tuple(given), own.image_names)


def _own(contents: Sequence[bytes], labels: LabelColumn, class_names: Sequence[str], names: Sequence[str]) -> OwnSet:
    known = [text for text in class_names if text.isdigit() or not labels.numbered]
    noisy_labels = labels.placed(known)  # of which a negative number is none
    images: list[Any] = []
    for row, content in enumerate(contents):
        try:
            with Image.open(io.BytesIO(content)) as image:
                images.append(np.array(image.convert("L" if image.mode in ("1", "L") else "RGB")))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise InputError(f"Row {row} of {labels.source} has an image that can't be read ({names[row]}).") from None
        if images[row].shape[:2] != images[0].shape[:2]:
            sizes = " and ".join("{1} by {0}".format(*each.shape) for each in (images[0], images[row]))
            raise InputError(f"Rows 0 and {row} of {labels.source} have images of {sizes} pixels; make them alike.")
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    stacked = torch.from_numpy(np.stack(images))
    channels_first = stacked[:, None] if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2).contiguous()
    return OwnSet(NoisySet(channels_first, noisy_labels), tuple(class_names), tuple(names))
