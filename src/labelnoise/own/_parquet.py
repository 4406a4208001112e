"""Columns of Parquet files. A few bytes can stand for many rows there, so none is read in a way that fills the memory.

PyArrow is imported when a file is read. It is not asked for the numbers of values or the statistics of a column, as it
ends the process where these are damaged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelnoise import _files
from labelnoise._checks import check_size
from labelnoise.errors import InputError

AT_ONCE = 2**16  # rows at most, where they are read in pieces
BYTES = {"binary", "large_binary", "binary_view"}  # types by what Arrow calls them
TEXTS = {"string", "large_string", "string_view"} | BYTES


def names(path: Path) -> tuple[str, ...]:
    """The columns of a file, once it is known that each row's numbers, and each text once, are not too much.

    Raises:
        InputError: far more than is stored.
    """
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        metadata, found = file.metadata, tuple(file.schema_arrow.names)
        size = max(8 * metadata.num_rows * metadata.num_columns, sum(_group_sizes(file)))
    _files.check_unpacked(str(path), size, path.stat().st_size)
    check_size(f"A column of {path}", metadata.num_rows)
    return found


def column(path: Path, place: int) -> Any:
    """A column of numbers or of texts, these as a dictionary of the different ones, as Arrow has it.

    Raises:
        InputError: one of anything else, such as lists, of which one row can have any number of values.
    """
    with _texts_once(path) as file:
        field = file.schema_arrow.field(place)
        if not _is_plain(field.type):
            raise InputError(
                f"Column {field.name} of {path} holds {field.type}; it must hold one number or text in each row."
            )
        return _column(file, path, field.name)


def plain_columns(path: Path) -> list[Any]:
    """All columns as `column` gives them; one of anything else has the name of its type in each row."""
    import pyarrow

    with _texts_once(path) as file:
        each_row = pyarrow.repeat(0, file.metadata.num_rows)
        return [
            _column(file, path, field.name)
            if _is_plain(field.type)
            else pyarrow.chunked_array([pyarrow.DictionaryArray.from_arrays(each_row, [str(field.type)])])
            for field in file.schema_arrow
        ]


def contents(path: Path, place: int) -> list[Any]:
    """What a column has in each row: bytes, or those of a struct with such a field; None where it is anything else.

    Raises:
        InputError: far more than is stored.
    """
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        field, rows = file.schema_arrow.field(place), file.metadata.num_rows
    in_struct = pyarrow.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    kind = field.type.field("bytes").type if in_struct else field.type
    if str(kind) not in BYTES:
        return [None] * rows
    pieces = _in_pieces(path, field.name, ".bytes" if in_struct else "")
    values = _whole(field.name, [value for piece in pieces for value in piece.to_pylist()], rows)
    return [value and value["bytes"] for value in values] if in_struct else values


def _texts_once(path: Path) -> Any:
    """The file, opened, with its columns of texts as dictionaries."""
    import pyarrow.parquet

    texts = [field.name for field in pyarrow.parquet.read_schema(path) if str(field.type) in TEXTS]
    return pyarrow.parquet.ParquetFile(path, read_dictionary=texts)


def _is_plain(kind: Any) -> bool:
    """Whether rows take the same few bytes each, beside texts of which each is there once."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return str(kind.value_type) in TEXTS or _is_plain(kind.value_type)
    return types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind)


def _column(file: Any, path: Path, name: str) -> Any:
    import pyarrow

    try:
        found = _called(name, file.read([name]))
    except (OSError, pyarrow.ArrowNotImplementedError, pyarrow.ArrowCapacityError):
        # Of texts that are stored as what differs from the one before PyArrow makes no dictionary.
        found = pyarrow.chunked_array(_in_pieces(path, name))
    return _whole(name, found, file.metadata.num_rows)


def _whole(name: str, values: Any, rows: int) -> Any:
    """The values of a column, which in a damaged file may be more or fewer than its rows."""
    if len(values) != rows:
        raise ValueError(f"column {name} has {len(values):,} values and not {rows:,}")
    return values


def _called(name: str, table: Any) -> Any:
    """The column of a name, of several the first; PyArrow takes "a.b" for a part of "a"."""
    return table.column(table.schema.get_all_field_indices(name)[0])


def _in_pieces(path: Path, name: str, part: str = "") -> list[Any]:
    """A column of which no piece is far more than is stored either: no value is longer than all that is unpacked."""
    import pyarrow.parquet

    pieces: list[Any] = []
    size = 0
    with pyarrow.parquet.ParquetFile(path) as file:
        rows = min(AT_ONCE, max(1, _files.MOST_UNPACKED // (4 * max(1, *_group_sizes(file)))))
        for batch in file.iter_batches(rows, columns=[name + part]):
            pieces.append(_called(name, batch))
            size += batch.nbytes
            what = f"The first {rows * len(pieces):,} rows of column {name} of {path}"
            _files.check_unpacked(what, size, path.stat().st_size)
    return pieces


def _group_sizes(file: Any) -> list[int]:
    """How many bytes the pages of each group of rows have, once they are unpacked."""
    return [file.metadata.row_group(k).total_byte_size for k in range(file.metadata.num_row_groups)]
