"""Images that are files or the cells of a table: folders of classes, a folder with a table, and Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelnoise._files import check_file
from labelnoise.errors import InputError
from labelnoise.own import _parquet
from labelnoise.own._tables import Table, open_table, reading
from labelnoise.own._tabular import LABEL_NAMES, LabelColumn, check_no_column, listed, npy, read_labels, squashed

IMAGE_NAMES = (
    "image",
    "img",
    "image_file",
    "file_name",
    "filename",
    "image_path",
    "img_path",
    "file",
    "path",
    "images",
)
TRAIN, TESTS = ("train", "training"), ("test", "testing", "val", "valid", "validation")
TEXT_TABLES = (".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class Encoded:
    """Image files that are not yet read, and their labels.

    Attributes:
        labels: of each image.
        names: of each image.
        contents: gives the bytes of an image by its number.
        source: what messages call the images.
        names_of_numbers: the names that labels 0, 1, ... stand for, if they have some.
    """

    labels: LabelColumn
    names: tuple[str, ...]
    contents: Callable[[int], bytes]
    source: str
    names_of_numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arrays:
    """Two .npy files that a folder holds."""

    images: Path
    labels: Path


def from_folder(folder: Path, wanted: str | None = None) -> Arrays | tuple[Encoded, Encoded | None, tuple[str, ...]]:
    """The images of a folder, its test images if it has some, and how it was read.

    It has one table of file names and labels, or one that is called metadata; or else a folder for each class, as
    torchvision's ImageFolder has them, perhaps within train/ and test/; or else two .npy files.

    Args:
        folder: the folder.
        wanted: the name of the column of labels, in a table that has several.

    Raises:
        InputError: not such a folder.
    """
    inner, tests = _inner(folder)
    found = _table(inner)
    if found is not None:
        test_table = None if tests is None else _table(tests)
        return (
            _listed(inner, found, wanted),
            None if tests is None or test_table is None else _listed(tests, test_table, wanted),
            (f"{inner} is read as images that {found.name} lists.",),
        )
    check_no_column(folder, wanted)
    arrays = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".npy")
    if len(arrays) == 2:
        # Labels have one axis, or two; which file it is the headers tell.
        images, labels = sorted(arrays, key=_axes, reverse=True)
        return Arrays(images, labels)
    if not _subfolders(inner):
        raise InputError(
            f"{folder} holds 0 CSV files and no folders of images; put a table with the columns image and label there, "
            "or a folder for each class."
        )
    train = _classes(inner)
    said = f"{inner} is read as a folder for each class."
    return train, None if tests is None else _classes(tests), (said,)


def _axes(path: Path) -> int:
    with reading(path):
        return npy(path).ndim


def _subfolders(folder: Path) -> list[Path]:
    hidden = (".", "__")  # such as .ipynb_checkpoints and __MACOSX
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(hidden))


def _inner(folder: Path) -> tuple[Path, Path | None]:
    """The folder of the training images and that of test images, where these stand side by side within one."""
    by_name = {path.name.lower(): path for path in _subfolders(folder)}
    train = next((by_name[name] for name in TRAIN if name in by_name), None)
    if train is None or not set(by_name) <= {*TRAIN, *TESTS}:
        return folder, None
    return train, next((by_name[name] for name in TESTS if name in by_name), None)


def _table(folder: Path) -> Path | None:
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in TEXT_TABLES)
    if len(tables) > 1:
        metadata = [path for path in tables if path.stem.lower() == "metadata"]
        if len(metadata) != 1:
            raise InputError(
                f"{folder} holds {len(tables)} CSV files; put one there, with the columns image and label, or call it "
                "metadata.csv."
            )
        return metadata[0]
    return tables[0] if tables else None


def _listed(folder: Path, path: Path, wanted: str | None) -> Encoded:
    with reading(path):
        table = open_table(path)
        place = _image_place(table)
    labels = read_labels(path, wanted, [place])
    with reading(path):
        files = tuple(str(name).strip() for name in table.texts(place, int(table.delimiter != "")).to_pylist())
    for row, name in enumerate(files):
        if not (folder / name).is_file():
            raise InputError(f"Row {row} of {path} names {name}, and {folder / name} is no file.")
    return Encoded(labels, files, lambda row: (folder / files[row]).read_bytes(), str(path))


def _image_place(table: Table) -> int:
    names = [squashed(field) for field in table.fields]
    place = next((names.index(name) for name in IMAGE_NAMES if name in names), None)
    if place is None:
        raise InputError(
            f"{table.path} has the columns {listed(table.fields)}; name the one that is meant {IMAGE_NAMES[0]}."
        )
    return place


def _classes(folder: Path) -> Encoded:
    from torchvision.datasets import ImageFolder

    class Visible(ImageFolder):  # type: ignore[misc]  # torchvision has no types
        def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
            classes = [path.name for path in _subfolders(Path(directory))]
            return classes, {name: place for place, name in enumerate(classes)}

    found = Visible(str(folder), allow_empty=True)
    if not found.samples:
        raise InputError(f"{folder} holds no image in its folders; put those of each class into a folder of its own.")
    values, codes = np.unique([found.classes[place] for _, place in found.samples], return_inverse=True)
    texts = tuple(values.tolist())
    files = tuple(str(check_file(name).relative_to(folder)) for name, _ in found.samples)
    empty = [name for name in found.classes if name not in texts]
    said = (f"Folders without an image are left out: {listed(empty)}.",) if empty else ()
    labels = LabelColumn(codes.astype(np.int64), texts, str(folder), said)
    return Encoded(labels, files, lambda row: (folder / files[row]).read_bytes(), str(folder))


def from_parquet(path: Path, wanted: str | None = None) -> Encoded:
    """The images of a Parquet file, each a struct with bytes or the bytes, as Hugging Face writes them.

    Raises:
        InputError: not such a file.
    """
    with reading(path):
        table = open_table(path)
        place = _image_place(table)
    labels = read_labels(path, wanted, [place])
    with reading(path):
        import pyarrow.parquet

        contents = _parquet.contents(path, place)
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    names = [wanted] if wanted else [field for field in table.fields if squashed(field) in LABEL_NAMES]
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        class_names = next((features[name].get("names") for name in names if name in features), None) or []
        if not isinstance(class_names, list) or not all(isinstance(each, str) for each in class_names):
            raise TypeError
    except (ValueError, TypeError, AttributeError):
        raise InputError(f"The metadata of {path} are not as Hugging Face writes them; save it without.") from None
    if not contents:
        raise InputError(f"{path} has no images in column {table.fields[place]}; save them within the file.")
    for row, content in enumerate(contents):
        if not isinstance(content, bytes):
            raise InputError(
                f"Row {row} of {path} has no bytes in column {table.fields[place]}; save the images within the file."
            )
    rows = tuple(map(str, range(len(contents))))
    return Encoded(labels, rows, contents.__getitem__, str(path), tuple(class_names))
