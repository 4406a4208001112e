"""Tables in files: CSV with any usual delimiter, JSON Lines and Parquet, each column read when it is asked for.

PyArrow is imported when a file is read, as who passes arrays needs none.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelnoise._checks import one_line
from labelnoise._files import check_file
from labelnoise.errors import InputError
from labelnoise.own import _parquet

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
INDEX = "__index_level_"  # begins the names of the columns that pandas writes row numbers into
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
LOOKED_AT = 50  # lines by which the delimiter is told


@contextmanager
def reading(path: Path, suffixes: Sequence[str] = (".csv", ".npy", ".parquet")) -> Iterator[None]:
    """Say whatever is wrong with a file in one sentence that names it.

    Raises:
        InputError: another ending, no such file, an empty one, or one whose content can't be read.
        OSError: the file can't be opened, through no fault of its content.
    """

    if path.suffix.lower() not in (*suffixes, *TABLES):
        raise InputError(f"{path} must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}; save it as one of these.")
    try:
        check_file(path)
        yield
    except InputError:
        raise
    except Exception as error:  # of any kind, as the bytes of a damaged file can say anything
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = one_line((str(error).splitlines() or ["it ends too early"])[0]).rstrip(".")
        raise InputError(f"{path} is no {path.suffix[1:].upper()} file that can be read: {reason}.") from None


def is_number(value: Any) -> bool:
    """Whether a value or a text can be read as a number."""
    if isinstance(value, np.ndarray):  # a list in a cell
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Table:
    """A file with columns; to be used within `reading`.

    Attributes:
        path: the file.
        fields: its first row, or the names that its columns have.
        delimiter: between the fields of a CSV file; "" in other files.
        whole: all of a JSON file as Arrow has it, as such a table is small and its images are in files beside it.
    """

    path: Path
    fields: tuple[str, ...]
    delimiter: str = ""
    whole: Any = None

    @property
    def said(self) -> tuple[str, ...]:
        """What is to be told of how it was read."""
        usual = self.delimiter in ("", ",")
        return () if usual else (f"{self.path} is read as columns between {DELIMITERS[self.delimiter]}.",)

    def texts(self, place: int, skip: int) -> Any:
        """A column as it is written, from row `skip` of a CSV file on; as Arrow has it."""
        if self.path.suffix.lower() == ".parquet":
            return _parquet.column(self.path, place)
        if self.whole is not None:
            return self.whole.column(self.fields[place])
        return self._csv(skip, str(place)).column(0)

    def typed(self, skip: int) -> list[NDArray[Any]]:
        """All columns, those of numbers in their own precision, NaN in their gaps; any other as Python objects."""
        if self.path.suffix.lower() == ".parquet":
            columns = _parquet.plain_columns(self.path)
        else:
            columns = (self._csv(skip) if self.whole is None else self.whole).columns
        return [_array(column) for column in columns]

    def _csv(self, skip: int, text: str | None = None) -> Any:
        import pyarrow.csv

        options = pyarrow.csv.ConvertOptions(decimal_point=self._decimal_point)
        if text is not None:
            options.column_types, options.include_columns = {text: pyarrow.string()}, [text]
        names, several = [str(k) for k in range(len(self.fields))], len(self.fields) > 1
        return pyarrow.csv.read_csv(
            self.path,
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=skip),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self.delimiter, ignore_empty_lines=several),
            convert_options=options,
        )

    @cached_property
    def _decimal_point(self) -> str:
        """A comma where commas stand within numbers, as spreadsheets write them in much of Europe."""
        lines = _rows(self.path, self.delimiter) if self.delimiter != "," else []
        return "," if any(re.fullmatch(r"\s*-?\d*,\d+\s*", field) for line in lines for field in line) else "."


def open_table(path: Path) -> Table:
    """The table in a file; of a CSV file the delimiter is the one that gives all its first lines as many fields."""
    import pyarrow.json

    if path.suffix.lower() == ".parquet":
        return Table(path, _parquet.names(path))
    if path.suffix.lower() == ".jsonl":
        whole = pyarrow.json.read_json(path)
        return Table(path, tuple(whole.column_names), whole=whole)
    for delimiter in DELIMITERS:
        # A comma comes last, as it may stand within numbers between the others.
        numbers = {len(row) for row in _rows(path, delimiter) if row}
        if len(numbers) == 1 and numbers != {1}:
            break
    else:
        delimiter = ","
    first = next(iter(_rows(path, delimiter)), [])
    if not first:
        raise InputError(f"The first line of {path} is empty; delete it, or write the names of the columns there.")
    return Table(path, tuple(field.strip() for field in first), delimiter)


def _rows(path: Path, delimiter: str) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:  # the mark that spreadsheets write is no part of a name
        return list(itertools.islice(csv.reader(file, delimiter=delimiter), LOOKED_AT))


# PyArrow's own ways from a column to an array, such as `to_numpy`, import pandas; DLPack doesn't, but takes no gaps.
def encoded(column: Any) -> tuple[list[Any], NDArray[np.int64]]:
    """The values that a column has or could have, and the place of each row's value among them."""
    import pyarrow

    whole = column.combine_chunks()
    found = whole if pyarrow.types.is_dictionary(whole.type) else whole.dictionary_encode()
    values, codes = [*found.dictionary.to_pylist(), None], found.indices  # the last value for the gaps
    if codes.null_count:  # only then, as PyArrow's functions take much memory to load
        codes = codes.cast(pyarrow.int64()).fill_null(len(values) - 1)
    return values, np.from_dlpack(codes).astype(np.int64)


def _array(column: Any) -> NDArray[Any]:
    import pyarrow

    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        gaps = column.null_count
        return np.array(column.to_pylist(), dtype=float) if gaps else np.from_dlpack(column.combine_chunks())
    if pyarrow.types.is_dictionary(column.type):
        values, codes = encoded(column)
        return np.array([values[code] for code in codes], dtype=object)
    return np.array(column.to_pylist(), dtype=object)
