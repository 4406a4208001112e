"""Noisy labels from CSV, JSON Lines, NPY and Parquet files."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelnoise.errors import InputError
from labelnoise.noise import Labels
from labelnoise.own._tables import INDEX, Table, encoded, is_number, open_table, reading

LABEL_NAMES = (
    "noisy_label", "noisy_labels", "label", "labels", "given_label", "fine_label", "target", "class", "y", "category",
)  # fmt: skip
INDEX_NAMES = ("", "index", "id", "idx", "row", "unnamed:_0")


@dataclass(frozen=True)
class LabelColumn:
    """Labels as a file has them.

    Attributes:
        codes: shape (n_samples,), places in `texts`.
        texts: the different labels; whole numbers without leading zeros or a fraction.
        source: the file.
        said: what is to be told of how it was read.
    """

    codes: NDArray[np.int64]
    texts: tuple[str, ...]
    source: str
    said: tuple[str, ...] = ()

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
        return np.array([places[text] for text in self.texts], dtype=np.int64)[self.codes]


def squashed(name: str) -> str:
    """A name of a column as it is compared with those known."""
    return name.strip().lower().replace(" ", "_")


def is_index(name: str) -> bool:
    """Whether a column of this name numbers the rows."""
    return name.startswith(INDEX) or squashed(name) in INDEX_NAMES


def _counts_rows(column: Any) -> bool:
    values, codes = encoded(column)
    rows = np.array([str(value) for value in values], dtype=object)[codes].tolist()
    return any(rows == [str(k) for k in range(first, first + len(rows))] for first in (0, 1))


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a sentence, of many the first."""
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def label_place(table: Table, wanted: str | None = None, taken: Collection[int] = ()) -> tuple[int, int]:
    """Which column of a table has the labels, and how many rows of a CSV file to skip for its header.

    It is the one that the user names; else the one of a known name; else the only one that does not number the rows.

    Args:
        table: the table.
        wanted: its name, if the user gives one.
        taken: columns of which it is none.

    Raises:
        InputError: no such column, or several.
    """
    fields, header = table.fields or ("",), int(table.delimiter != "")
    if wanted is not None:
        if wanted not in fields:
            raise InputError(f"{table.path} has no column {wanted!r}; it has {listed(fields)}.")
        return fields.index(wanted), header
    names = {squashed(name): k for k, name in reversed(list(enumerate(fields))) if k not in taken}
    known = next((names[name] for name in LABEL_NAMES if name in names), None)
    if known is not None:
        return known, header
    free = [k for k, name in enumerate(fields) if k not in taken and not is_index(name)] or [0]
    headless = len(fields) == 1 or (len(free) > 1 and any(map(is_number, fields)))
    skip = 0 if headless else header
    if len(free) == 2:
        free = [k for k in free if not _counts_rows(table.texts(k, skip))]
    if len(free) != 1:
        raise InputError(
            f"{table.path} has the columns {listed(fields)}; name the one that is meant with --label-column, or call "
            f"it {LABEL_NAMES[0]}."
        )
    return free[0], skip


def check_no_column(path: Path, wanted: str | None) -> None:
    """Refuse the name of a column where there are none.

    Raises:
        InputError: there is a name.
    """
    if wanted is not None:
        raise InputError(f"{path} has no columns with names, so --label-column {wanted!r} is in none; leave it out.")


def read_labels(path: Path, wanted: str | None = None, taken: Collection[int] = ()) -> LabelColumn:
    """The labels of a file, whole numbers or names.

    Args:
        path: the file.
        wanted, taken: as `label_place` takes them.

    Raises:
        InputError: not such a file, or a missing label; rows are counted from 0, without a header.
    """
    if path.suffix.lower() == ".npy":
        check_no_column(path, wanted)
        found = array_labels(npy(path), str(path))
    else:
        with reading(path):
            found = _column_labels(open_table(path), wanted, taken)
    if not len(found.codes):
        raise InputError(f"{path} has no labels, a header at most; write one label per row.")
    return found


def _column_labels(table: Table, wanted: str | None, taken: Collection[int]) -> LabelColumn:
    place, skip = label_place(table, wanted, taken)
    column, said = table.texts(place, skip), table.said
    if len(table.fields) > 1:
        name = table.fields[place] if skip or not table.delimiter else f"number {place + 1}"
        said += (f"The labels are column {name} of {table.path}.",)
    elif table.delimiter and not skip and not is_number(table.fields[0]):
        # A word that does not come again is the name of an only column.
        column = column.slice(int(table.fields[0] not in {str(value).strip() for value in column.slice(1).unique()}))
    return _column(*encoded(column), str(table.path), said)


def _column(values: Sequence[Any], codes: NDArray[np.int64], source: str, said: tuple[str, ...]) -> LabelColumn:
    """Labels by their different values and the place of each row's among them.

    Raises:
        InputError: a missing label.
    """
    texts = ["" if value is None or value != value else str(value).strip() for value in values]
    texts = [str(int(float(text))) if re.fullmatch(r"-?\d{1,15}(\.0*)?", text) else text for text in texts]
    missing = np.flatnonzero(np.array([not text for text in texts])[codes])
    if len(missing):
        raise InputError(f"Row {missing[0]} of {source} has no label; fill it in, or drop the row everywhere.")
    distinct = sorted({texts[code] for code in np.unique(codes)}, key=lambda text: (text.isdigit() and len(text), text))
    places = {text: place for place, text in enumerate(distinct)}
    return LabelColumn(np.array([places.get(text, -1) for text in texts])[codes], tuple(distinct), source, said)


def array_labels(labels: NDArray[Any], source: str, said: tuple[str, ...] = ()) -> LabelColumn:
    """The labels in an array.

    Args:
        labels: shape (n_samples,) or (n_samples, 1), numbers or texts; or (n_samples, n_classes), each row one 1 and
            zeros.
        source: what messages call it.
        said: what is to be told of it.

    Raises:
        InputError: an array of another shape or type, or a missing label.
    """
    array = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    in_columns = array.ndim == 2 and array.shape[1] > 0 and array.dtype.kind in "biuf"
    if in_columns and (np.sort(array, axis=1) == np.eye(array.shape[1])[-1]).all():
        array = array.argmax(axis=1)
    if array.ndim == 1 and array.dtype.kind == "O":  # as pandas has texts
        places = {value: place for place, value in enumerate(dict.fromkeys(array.tolist()))}
        codes = np.array([places[value] for value in array.tolist()], dtype=np.int64)
        return _column(list(places), codes, source, said)
    if array.ndim != 1 or array.dtype.kind not in "biufUS":
        raise InputError(f"{source} must hold one label per sample, not {labels.dtype} of shape {labels.shape}.")
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{source} has names that are bytes, and not all are UTF-8; save them as text.") from None
    values, codes = np.unique(array, return_inverse=True)
    try:
        names = values.tolist()
    except (SystemError, ValueError):  # NumPy reads code points that there are not
        raise InputError(f"{source} has texts that are not Unicode; save it again.") from None
    return _column(names, codes.astype(np.int64), source, said)


def npy(path: Path) -> NDArray[Any]:
    """The array of an .npy file, left on the disk until it is read.

    Raises:
        InputError: not such a file.
    """
    with reading(path):
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                raise InputError(f"{path} holds several arrays; save the one that is meant with numpy.save.")
        return np.lib.format.open_memmap(path, mode="r")
