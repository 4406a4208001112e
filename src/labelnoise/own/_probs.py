"""Predicted probabilities from CSV, JSON Lines, NPY and Parquet files, and what their rows sum to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelnoise.errors import InputError
from labelnoise.own._tables import INDEX, Table, is_number, open_table, reading
from labelnoise.own._tabular import is_index, listed, npy


@dataclass(frozen=True)
class Columns:
    """Predicted probabilities as a file has them.

    Attributes:
        values: shape (n_samples, n_classes).
        names: what the columns are called, if anything.
        source: the file.
        said: what is to be told of how it was read.
    """

    values: NDArray[Any]
    names: tuple[str, ...] | None
    source: str
    said: tuple[str, ...] = ()


def read_probs(path: Path, labels: int | None = None) -> Columns:
    """Predicted probabilities, and what their columns are called.

    Args:
        path: the file.
        labels: the column of it that has the labels, if it is a file of both; other columns that can't be
            probabilities, such as texts, are then left out.

    Raises:
        InputError: not such a file, or a value that is no number.
    """
    with reading(path):
        if path.suffix.lower() == ".npy":
            return Columns(npy(path), None, str(path))
        table = open_table(path)
        # Whole numbers in a first row, each another, are names too: classes are often called 0, 1, 2.
        counted = all(map(str.isdigit, table.fields)) and len(set(table.fields)) == len(table.fields)
        named = not table.delimiter or counted or not all(map(is_number, table.fields))
        arrays = table.typed(int(named))
    return _columns(table, arrays, named, labels)


def _columns(table: Table, arrays: list[NDArray[Any]], named: bool, labels: int | None) -> Columns:
    """Those columns of a table that are probabilities, each a number in every row."""
    path, both = table.path, labels is not None
    rest = [k for k in range(len(arrays)) if k != labels and table.fields[k] and not table.fields[k].startswith(INDEX)]
    # A column of whole numbers beyond 0 and 1 counts or names something.
    others = [k for k in rest if named and not _may_be_probs(arrays[k]) and (both or is_index(table.fields[k]))]
    kept = [k for k in rest if k not in others]
    names = tuple(table.fields[k] for k in kept)
    if named and len(set(names)) < len(names):
        raise InputError(f"{path} has two columns called {max(names, key=names.count)!r}; rename one.")
    words = [k for k in kept if arrays[k].dtype.kind not in "fiu"]
    wrong = [(row, k) for k in words for row, value in enumerate(arrays[k]) if not is_number(value)]
    if wrong:
        row, k = min(wrong)
        value = f"{str(arrays[k][row])!r} in column {table.fields[k]}"
        raise InputError(f"Row {row} of {path} has {value}, not a number; write it like 0.25.")
    columns = [arrays[k].astype(np.float64) if k in words else arrays[k] for k in kept]
    values = np.column_stack(columns) if columns else np.empty((len(arrays[0]) if arrays else 0, 0))
    left = (f"No probabilities, and left out: column {listed([table.fields[k] for k in others])}.",) if others else ()
    return Columns(values, names if named else None, str(path), (*(() if both else table.said), *left))


def _may_be_probs(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "f" or (array.dtype.kind in "iu" and bool(np.isin(array, (0, 1)).all()))
