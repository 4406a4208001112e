"""Noisy labels and predicted probabilities from CSV, NPY and Parquet files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from labelnoise.errors import InputError
from labelnoise.noise import Labels

LABEL_NAMES = ("noisy_label", "noisy_labels", "label", "labels")
SUFFIXES = (".csv", ".npy", ".parquet")
INDEX = "__index_level_"  # begins the names of the columns that pandas writes row numbers into


@dataclass(frozen=True)
class LabelColumn:
    """Labels as a file has them.

    Attributes:
        codes: shape (n_samples,), places in `texts`.
        texts: the different labels; whole numbers without leading zeros or a fraction.
        source: the file.
    """

    codes: NDArray[np.int64]
    texts: tuple[str, ...]
    source: str

    @property
    def numbered(self) -> bool:
        """Whether every label is a number."""
        return all(map(is_number, self.texts))

    def placed(self, class_names: Sequence[str], names_in: str = "") -> Labels:
        """Each label's place among the names, shape (n_samples,).

        Raises:
            InputError: a label that is none of them; the message names its row.
        """
        places = {name: place for place, name in enumerate(class_names)}
        for code, text in enumerate(self.texts):
            if text not in places:
                known = ", ".join(class_names[:8]) + (", ..." if len(class_names) > 8 else "")
                row = int(np.argmax(self.codes == code))
                raise InputError(f"Row {row} of {self.source} is {text!r}, none of the classes{names_in}: {known}.")
        return np.array([places[text] for text in self.texts])[self.codes]


@contextmanager
def reading(path: Path, suffixes: Sequence[str] = SUFFIXES) -> Iterator[None]:
    """Say whatever is wrong with a file in one sentence that names it.

    Raises:
        InputError: another ending, no such file, an empty one, or one whose content can't be read.
        OSError: the file can't be opened, through no fault of its content.
    """
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{path} must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}; save it as one of these.")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty (0 bytes); save it again.")
        yield
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except InputError:
        raise
    except (ValueError, EOFError, csv.Error, pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = (str(error).splitlines() or ["it ends too early"])[0].rstrip(".")
        raise InputError(f"{path} is no {path.suffix[1:].upper()} file that can be read: {reason}.") from None


def _npy(path: Path) -> NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays; save the one that is meant with numpy.save.")
    return array


def _first_row(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:  # the mark that spreadsheets write is no part of a name
        return [field.strip() for field in next(csv.reader(file), [])]


def _csv(path: Path, n_columns: int, skip: int, text: int | None = None) -> Any:
    """The rows of a CSV file with its columns named by their place, or column `text` alone as it is written."""
    options = pyarrow.csv.ConvertOptions()
    if text is not None:
        options.column_types, options.include_columns = {str(text): pyarrow.string()}, [str(text)]
    return pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(column_names=[str(k) for k in range(n_columns)], skip_rows=skip),
        parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=n_columns > 1),
        convert_options=options,
    )


def read_column(path: Path, wanted: Sequence[str] = LABEL_NAMES) -> Any:
    """The column of a CSV or Parquet file that has one of the wanted names, or its only one, as Arrow has it.

    Raises:
        InputError: there are several, and none with such a name.
    """
    parquet = path.suffix.lower() == ".parquet"
    names = pyarrow.parquet.read_schema(path).names if parquet else _first_row(path)
    fields = [name for name in names if not name.startswith(INDEX)] if parquet else names or [""]
    lower = [field.lower().replace(" ", "_") for field in fields]
    place = next((lower.index(name) for name in wanted if name in lower), 0 if len(fields) == 1 else None)
    if place is None:
        raise InputError(f"{path} has the columns {', '.join(fields)}; name the one that is meant {wanted[0]}.")
    if parquet:
        return pyarrow.parquet.read_table(path, columns=[fields[place]]).column(0)
    column = _csv(path, len(fields), int(len(fields) > 1), place).column(0)
    # A word that does not come again is the name of an only column.
    named = len(fields) == 1 and not is_number(fields[0])
    return column.slice(int(named and fields[0] not in {str(value).strip() for value in column.slice(1).unique()}))


def read_labels(path: Path) -> LabelColumn:
    """The labels of a file, whole numbers or names: its only column, or the one named noisy_label or label.

    Raises:
        InputError: not such a file, or a missing label; rows are counted from 0, without a header.
    """
    with reading(path):
        values, codes = _npy_labels(path) if path.suffix.lower() == ".npy" else _encoded(read_column(path))
    if not len(codes):
        raise InputError(f"{path} has no labels, a header at most; write one label per row.")
    texts = ["" if value is None or value != value else str(value).strip() for value in values]
    texts = [str(int(float(text))) if re.fullmatch(r"-?\d{1,15}(\.0*)?", text) else text for text in texts]
    missing = np.flatnonzero(np.array([not text for text in texts])[codes])
    if len(missing):
        raise InputError(f"Row {missing[0]} of {path} has no label; fill it in, or drop the row everywhere.")
    distinct = sorted({texts[code] for code in np.unique(codes)}, key=lambda text: (text.isdigit() and len(text), text))
    places = {text: place for place, text in enumerate(distinct)}
    return LabelColumn(np.array([places.get(text, -1) for text in texts])[codes], tuple(distinct), str(path))


def _npy_labels(path: Path) -> tuple[list[Any], NDArray[np.int64]]:
    array = _npy(path)
    if array.shape[:1] != (array.size,) or array.dtype.kind not in "biufUS":
        raise InputError(f"{path} must hold one label per sample, not {array.dtype} of shape {array.shape}.")
    values, codes = np.unique(array.astype(str) if array.dtype.kind == "S" else array, return_inverse=True)
    return list(values.tolist()), codes.astype(np.int64)


# PyArrow's own ways from a column to an array, such as `to_numpy`, import pandas; DLPack doesn't, but takes no gaps.
def _encoded(column: Any) -> tuple[list[Any], NDArray[np.int64]]:
    whole = column.combine_chunks()
    whole = whole.dictionary_decode() if pyarrow.types.is_dictionary(whole.type) else whole
    encoded = whole.dictionary_encode(null_encoding="encode")
    return encoded.dictionary.to_pylist(), np.from_dlpack(encoded.indices).astype(np.int64)


def _array(column: Any) -> NDArray[Any]:
    """A column of numbers in their own precision, with NaN in its gaps, or any other column as Python objects."""
    if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
        return np.array(column.to_pylist(), dtype=object)
    return np.array(column.to_pylist(), dtype=float) if column.null_count else np.from_dlpack(column.combine_chunks())


def read_probs(path: Path) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Predicted probabilities, shape (n_samples, n_classes), and what their columns are called, if anything.

    Raises:
        InputError: not such a file, or a value that is no number.
    """
    with reading(path):
        if path.suffix.lower() == ".npy":
            return _npy(path), None
        if path.suffix.lower() == ".parquet":
            table = pyarrow.parquet.read_table(path)
            fields, named = list(table.column_names), True
        else:
            fields = _first_row(path)
            # Whole numbers in a first row, each another, are names too: classes are often called 0, 1, 2.
            counted = all(map(str.isdigit, fields)) and len(set(fields)) == len(fields)
            named = counted or not all(map(is_number, fields))
            table = _csv(path, len(fields), int(named))
        kept = [k for k, field in enumerate(fields) if field and not field.startswith(INDEX)]
        names = tuple(fields[k] for k in kept)
        if named and len(set(names)) < len(names):
            raise InputError(f"{path} has two columns called {max(names, key=names.count)!r}; rename one.")
        columns = [_array(table.column(k)) for k in kept]
    words = [k for k, column in enumerate(columns) if column.dtype.kind not in "fiu"]
    wrong = [(row, k) for k in words for row, value in enumerate(columns[k]) if not is_number(value)]
    if wrong:
        row, k = min(wrong)
        value = f"{str(columns[k][row])!r} in column {names[k]}"
        raise InputError(f"Row {row} of {path} has {value}, not a number; write it like 0.25.")
    columns = [column.astype(np.float64) if k in words else column for k, column in enumerate(columns)]
    return np.column_stack(columns) if columns else np.empty((len(table), 0)), names if named else None


def is_number(value: Any) -> bool:
    """Whether a value or a text can be read as a number."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
