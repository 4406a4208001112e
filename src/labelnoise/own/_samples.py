"""Predicted probabilities from files, and noisy labels of the same samples: which column is which label."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelnoise.errors import InputError
from labelnoise.estimators import SUM_TOLERANCE, Floats, check_inputs
from labelnoise.noise import Labels
from labelnoise.own._tables import INDEX, is_number, open_table, reading
from labelnoise.own._tabular import LabelColumn, is_index, label_place, listed, npy, read_labels

# Of the sum of a row from 1: where it is divided by its sum anyway, and where it is if its numbers were rounded.
FURTHER, FURTHEST = 0.05, 0.5


@dataclass(frozen=True)
class Samples:
    """Predicted probabilities, noisy labels of the same samples in the same order, and the names of the classes.

    Attributes:
        pred_probs: shape (n_samples, n_classes), as `check_inputs` gives them.
        noisy_labels: shape (n_samples,), integers in [0, n_classes).
        class_names: one name per class; each class has a noisy label.
        decisions: what was decided about the files, each in a sentence.
    """

    pred_probs: Floats
    noisy_labels: Labels
    class_names: tuple[str, ...]
    decisions: tuple[str, ...] = ()


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


def read_samples(labels: Path, probs: Path | None = None, wanted: str | None = None) -> Samples:
    """Read labels and probabilities from two files, or from one that has both.

    Args:
        labels: the file of the labels.
        probs: that of the probabilities; None, or the same, if the labels stand in a column beside them.
        wanted: the name of the column of labels, if the user gives one.

    Raises:
        InputError: as `matched`; files that can't be used.
    """
    if probs is not None and (not labels.exists() or not probs.exists() or not os.path.samefile(labels, probs)):
        return matched(read_labels(labels, wanted), read_probs(probs))
    if labels.suffix.lower() == ".npy":
        raise InputError(f"{labels} has no names of columns to tell labels from probabilities; add --probs FILE.")
    with reading(labels):
        place, _ = label_place(open_table(labels), wanted)
    return matched(read_labels(labels, wanted), read_probs(labels, place))


def read_probs(path: Path, labels: int | None = None) -> Columns:
    """Predicted probabilities, and what their columns are called.

    Args:
        path: the file.
        labels: the column of it that has the labels, if it is a file of both; other columns that can't be
            probabilities, such as texts, are then left out.

    Raises:
        InputError: not such a file, or a value that is no number.
    """
    if path.suffix.lower() == ".npy":
        return Columns(npy(path), None, str(path))
    with reading(path):
        table = open_table(path)
        # Whole numbers in a first row, each another, are names too: classes are often called 0, 1, 2.
        counted = all(map(str.isdigit, table.fields)) and len(set(table.fields)) == len(table.fields)
        named = not table.delimiter or counted or not all(map(is_number, table.fields))
        arrays = table.typed(int(named))
    both = labels is not None
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


def matched(column: LabelColumn, columns: Columns) -> Samples:
    """Match labels with the columns of probabilities.

    Labels are looked up among the names of the columns. Whole numbers count the columns where these have no names or
    names that are words, from 1 if the largest label is the number of columns, else from 0; and where the columns have
    no names, the names in the labels stand for them in sorted order, as scikit-learn sorts them, if there are as many.
    Columns that no label bears are left out, and rows that don't quite sum to 1 are divided by their sum.

    Raises:
        InputError: labels and probabilities that don't fit each other; values that are no probabilities.
    """
    values, probs, labels = columns.values, columns.source, column.source
    if values.ndim != 2 or values.shape[1] < 2:
        raise InputError(f"{probs} must have a row for each sample and a column for each class, not {values.shape}.")
    if len(column.codes) != len(values):
        raise InputError(
            f"{labels} has {len(column.codes)} labels but {probs} has {len(values)} rows, headers not counted; "
            "both must be of the same samples in the same order."
        )
    noisy_labels, names, order = _placed(column, columns)
    values, sums = _summing_to_one(values, probs)
    present = np.bincount(noisy_labels, minlength=len(names)) > 0
    left_out: tuple[str, ...] = ()
    if not present.all():
        if present.sum() < 2:
            raise InputError(f"All labels in {labels} are {names[noisy_labels[0]]!r}; two classes or more are needed.")
        values, said = _without(values, present, [names[k] for k in np.flatnonzero(~present)], probs)
        noisy_labels, left_out = (np.cumsum(present) - 1)[noisy_labels], (said,)
        names = tuple(names[k] for k in np.flatnonzero(present))
    checked = check_inputs(values, noisy_labels, name=probs)
    return Samples(*checked, names, (*column.said, *columns.said, order, *sums, *left_out))


def _placed(column: LabelColumn, columns: Columns) -> tuple[Labels, tuple[str, ...], str]:
    """Labels as places of columns, what the columns are called, and how the two were matched."""
    names, n_classes, probs = columns.names, columns.values.shape[1], columns.source
    if names is not None and not set(column.texts) <= set(names):
        # Such as prob_cat, prob_dog.
        prefix = os.path.commonprefix(names)  # noqa: RUF071 - these are no paths
        short = tuple(name[len(prefix) :] for name in names)
        names = short if set(column.texts) <= set(short) else names
    where = f", which are the columns of {probs}"
    if column.numbered and not any(map(is_number, names or ())):
        first = int("0" not in column.texts and str(n_classes) in column.texts)
        numbers = tuple(map(str, range(first, n_classes + first)))
        said = f"Labels are whole numbers that count the columns of {probs} from {first}"
        said += f": {listed(names)}." if names else "; these have no names."
        return column.placed(numbers, where), names or numbers, said
    if names is not None:
        said = f"Labels are matched by name with the columns of {probs}: {listed(names)}."
        return column.placed(names, where), names, said
    if len(column.texts) != n_classes:
        raise InputError(
            f"{column.source} has {len(column.texts)} different names but {probs} has {n_classes} columns; save the "
            "probabilities as CSV or Parquet with the classes as names of the columns."
        )
    said = (
        f"The columns of {probs} have no names. They are taken to be in the sorted order of the labels, as "
        f"scikit-learn has them: {listed(column.texts, 20)}. If the order is another, name the columns in a CSV or "
        "Parquet file."
    )
    return column.placed(column.texts, where), column.texts, said


def _summing_to_one(values: NDArray[Any], source: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Rows divided by their sum where rounding or percentages explain it, with what was done; else as they are."""
    if values.dtype.kind != "f" or not values.min() >= 0:
        return values, ()
    with np.errstate(over="ignore"):  # of long doubles, which are then infinite
        sums = values.sum(axis=1).astype(np.float64)
    scale = 100 if np.abs(np.median(sums) - 100) < 100 * FURTHEST else 1
    off = np.abs(sums / scale - 1)
    if not off.max() <= FURTHEST or (off.max() <= SUM_TOLERANCE and scale == 1):
        return values, ()  # what is wrong with them `check_inputs` says
    digits = _decimals(values)
    if off.max() > (FURTHEST if digits else FURTHER):
        return values, ()
    said = f"The rows of {source} are percentages and were divided by 100. " if scale > 1 else ""
    if off.max() > SUM_TOLERANCE:
        because = f", as those of numbers with {digits} decimals do" if digits else ""
        said += f"The sums of the rows of {source} differ from 1 by up to {off.max():.2g}{because}; "
        said += "each row was divided by its sum."
    return values / sums[:, None].astype(values.dtype), (said.strip(),)


def _decimals(values: NDArray[Any], most: int = 6) -> int | None:
    """How many decimals numbers were rounded to, if to few."""
    some = values[:1000].astype(np.float64)
    for digits in range(1, most + 1):
        shifted = some * 10**digits
        if np.abs(shifted - shifted.round()).max() < 10 ** (digits - 6):  # float32 has seven
            return digits
    return None


def _without(
    values: NDArray[Any], present: NDArray[np.bool_], names: list[str], source: str
) -> tuple[NDArray[Any], str]:
    """Probabilities given that a label is one of those that occur, and what is to be told of it."""
    rest = values[:, present]
    sums = rest.sum(axis=1, keepdims=True)
    rest = np.divide(rest, sums, out=np.full_like(rest, 1 / rest.shape[1]), where=sums > 0)
    return rest, (
        f"Classes that no label bears are left out: {listed(names)}. The rows of {source} gave them "
        f"{100 * (1 - sums.mean()):.2g} % on average, and were divided by the sum of the rest."
    )
