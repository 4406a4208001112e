"""Images that are files or the cells of a table: folders of classes, a folder with a table, and Parquet."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np

from labelnoise._files import check_file
from labelnoise.errors import InputError
from labelnoise.own import _parquet
from labelnoise.own._layouts import Found, Labelled
from labelnoise.own._pixels import decoded
from labelnoise.own._tables import Table, open_table, reading
from labelnoise.own._tabular import LabelColumn, check_no_column, label_place, listed, npy, read_labels, squashed

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


def two_arrays(folder: Path, wanted: str | None = None) -> tuple[Path, Path] | None:
    """The two .npy files of images and of labels that a folder holds in place of a table, if it does.

    Args:
        folder: the folder.
        wanted: the name of the column of labels, if the user gives one.

    Raises:
        InputError: files that can't be read, or a name of a column, as these have none.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".npy")
    if len(found) != 2 or _table(_inner(folder)[0]):
        return None
    check_no_column(folder, wanted)
    # Labels have one axis, or two; which file it is the headers tell.
    images, labels = sorted(found, key=lambda path: npy(path).ndim, reverse=True)
    return images, labels


def from_folder(folder: Path, wanted: str | None = None) -> Found:
    """The images of a folder, its test images if it has some, and how it was read.

    It has one table of file names and labels, or one that is called metadata; or else a folder for each class, as
    torchvision's ImageFolder has them, perhaps within train/ and test/.

    Args:
        folder: the folder.
        wanted: the name of the column of labels, in a table that has several.

    Raises:
        InputError: not such a folder.
    """
    inner, _ = parts = _inner(folder)
    if table := _table(inner):
        said = f"{inner} is read as images that {table.name} lists."
        found = [_listed(part, each, wanted) for part in parts if part and (each := _table(part))]
    else:
        check_no_column(folder, wanted)
        if not _subfolders(inner):
            raise InputError(
                f"{folder} holds 0 CSV files and no folders of images; put a table with the columns image and label "
                "there, or a folder for each class."
            )
        said = f"{inner} is read as a folder for each class."
        found = [_classes(part) for part in parts if part]
    return found, (said,)


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


def _listed(folder: Path, path: Path, wanted: str | None) -> Labelled:
    with reading(path):
        table = open_table(path)
        place = _image_place(table)
        labels = read_labels(path, wanted, [place])
        files = tuple(str(name).strip() for name in table.texts(place, int(table.delimiter != "")).to_pylist())
    paths = [folder / name for name in files]
    for row, file in enumerate(paths):
        if not file.is_file():
            raise InputError(f"Row {row} of {path} names {files[row]}, and {file} is no file.")
    return Labelled(labels, partial(decoded, paths, files, str(path)), str(path), files)


def _image_place(table: Table) -> int:
    names = [squashed(field) for field in table.fields]
    place = next((names.index(name) for name in IMAGE_NAMES if name in names), None)
    if place is None:
        raise InputError(
            f"{table.path} has the columns {listed(table.fields)}; name the one that is meant {IMAGE_NAMES[0]}."
        )
    return place


def _classes(folder: Path) -> Labelled:
    from torchvision.datasets import ImageFolder

    classes = [path.name for path in _subfolders(folder)]

    class Visible(ImageFolder):  # type: ignore[misc]  # torchvision has no types
        def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
            return classes, {name: place for place, name in enumerate(classes)}

    files = [Path(file) for file, _ in Visible(str(folder), allow_empty=True).samples]
    if not files:
        raise InputError(f"{folder} holds no image in its folders; put those of each class into a folder of its own.")
    inside = [check_file(file).relative_to(folder) for file in files]
    values, codes = np.unique([file.parts[0] for file in inside], return_inverse=True)
    texts = tuple(values.tolist())
    empty = [name for name in classes if name not in texts]
    said = (f"Folders without an image are left out: {listed(empty)}.",) if empty else ()
    labels = LabelColumn(codes.astype(np.int64), texts, str(folder), said)
    names = tuple(map(str, inside))
    return Labelled(labels, partial(decoded, files, names, str(folder)), str(folder), names)


def from_parquet(path: Path, wanted: str | None = None) -> Found:
    """The images of a Parquet file, each a struct with bytes or the bytes, as Hugging Face writes them.

    Raises:
        InputError: not such a file.
    """
    with reading(path):
        table = open_table(path)
        place = _image_place(table)
        labels = read_labels(path, wanted, [place])
        field = table.fields[label_place(table, wanted, [place])[0]]
        import pyarrow.parquet

        contents = _parquet.contents(path, place)
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        class_names = features.get(field, {}).get("names") or []
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
    pixels = partial(decoded, contents, rows, str(path))
    return [Labelled(labels, pixels, str(path), rows, tuple(class_names))], ()
