"""Recorded trials on disk: one line of JSON per record, appended, never rewritten.

A line is ``{"key": ..., "sha256": ..., ...}``: the key first, so that a file of many records is
indexed without parsing it, and the hash of all the rest, so that a damaged line is never used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from labelnoise import trials  # whose names come when they are used: a ledger opens without torch
from labelnoise._files import write_whole
from labelnoise._imports import SourceGone
from labelnoise._weights import described
from labelnoise.errors import InputError

if TYPE_CHECKING:
    from labelnoise.trials._trial import Record, Trial

_HEAD = re.compile(rb'\{"key": "([0-9a-f]{16})", "sha256": "([0-9a-f]{64})", ')


class DamagedLine(UserWarning):
    """A line of a ledger that can't be trusted, whose trial counts as not run; or weights that count as not kept."""


def encode(record: Record) -> bytes:
    """A record as one line, newline included."""
    values = record.to_json()
    key = values.pop("key")
    body = json.dumps(values, separators=(", ", ": "))[1:]
    head = f'{{"key": "{key}", "sha256": "{hashlib.sha256((key + body).encode()).hexdigest()}", '
    return (head + body + "\n").encode()


def decode(line: bytes) -> Record | None:
    """The record on a line, or None if the line is damaged; line ends of Windows are no damage."""
    head = _HEAD.match(line)
    if head is None:
        return None
    key, digest, body = head[1].decode(), head[2].decode(), line[head.end() :].rstrip(b"\r\n")
    if hashlib.sha256(key.encode() + body).hexdigest() != digest:
        return None
    return trials.Record.from_json(json.loads(b"{" + body))


class Ledger:
    """The records in a file, and below them those of another ledger, which is only read.

    Beside a file ``NAME.jsonl`` stands a folder ``NAME.fits``, which may be deleted while nothing is trained. It holds
    the weights that come with records, as ``KEY.safetensors``, so that fits which other trials start from or a new
    estimator reads need not be trained again; and the lock by which writers take turns.

    Args:
        path: a ``.jsonl`` file; made with its folder at the first append.
        base: where to look for trials that the file does not have.

    Raises:
        InputError: the path is no file; or, from what writes, it can't be written, and then the file is as it was.

    Warns:
        DamagedLine: a line, or a file of weights, can't be trusted.
    """

    def __init__(self, path: str | os.PathLike[str], base: Ledger | None = None) -> None:
        self.path = Path(path)
        self.base = base
        self._fits = self.path.with_suffix(".fits")
        self._lines: dict[str, list[tuple[int, bytes]]] = {}  # key to its line numbers and lines
        self._read = 0  # bytes of the file that are indexed
        self._count = 0  # lines of the file that are indexed
        self.refresh()

    def refresh(self) -> None:
        """Index what was appended since, by this process or another."""
        if not self.path.exists():
            return
        if not self.path.is_file():  # a pipe or a device might be read without end
            raise InputError(f"{self.path} is a folder, a device or a pipe; name a file for the records.")
        with self.path.open("rb") as file:
            file.seek(self._read)
            lines = file.readlines()
        for line in lines:
            if not line.endswith(b"\n"):
                break  # the last line is being written, or was cut off by a kill
            self._read += len(line)
            self._count += 1
            head = _HEAD.match(line)
            if head:
                self._lines.setdefault(head[1].decode(), []).append((self._count, line))
            elif line.strip():
                self._warn(self._count)

    def _warn(self, number: int, what: str = "is damaged") -> None:
        warnings.warn(
            f"{self.path} line {number} {what}: it is skipped, and its trial will be trained again when asked for.",
            DamagedLine,
            stacklevel=2,
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Wait for other writers, and raise `InputError` for what can't be written."""
        try:
            self._fits.mkdir(parents=True, exist_ok=True)
            with FileLock(self._fits / "lock"):
                yield
        except OSError as error:
            raise InputError(
                f"{error.filename or self.path} can't be written: {error.strerror}; what was on record before stays, "
                "so put this right and run the same command again."
            ) from None

    def check_writable(self) -> None:
        """Raise `InputError` if nothing can be appended, before the work for it is done; a full disk shows later."""
        with self._writing():
            if self.path.exists():
                self.path.open("ab").close()

    def append(self, record: Record) -> None:
        """Write a record to the end of the file and to disk, safe from other writers and from a killed process."""
        with self._writing():
            self._append(record)

    def keep(self, record: Record) -> None:
        """Append a record, or keep its weights alone where one like it is there, perhaps of another writer."""
        with self._writing():
            self.refresh()
            if record.complete and self.find(record.trial, record.transition_matrices.keys()):
                self._keep_weights(record)
            else:
                self._append(record)

    def _append(self, record: Record) -> None:
        line = encode(record)
        self._keep_weights(record)
        with self.path.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            try:
                while line:  # a disk that is nearly full takes a part
                    line = line[file.write(line) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
        self.refresh()

    def _keep_weights(self, record: Record) -> None:
        if record.weights:
            write_whole(self._weights(record.trial), record.weights)

    def _weights(self, trial: Trial) -> Path:
        return self._fits / f"{trial.key}.safetensors"

    def find(self, trial: Trial, estimators: Collection[str] = ()) -> Record | None:
        """The last finished record of a trial, without weights, or None.

        Args:
            trial: whose record.
            estimators: those whose T the record of a cross-entropy trial must hold; other trials have none to read.
        """
        record = self._last(trial.key)
        if record is not None and record.trial == trial and (trial.method != "cross-entropy" or record.has(estimators)):
            return record
        return self.base.find(trial, estimators) if self.base else None

    def find_fit(self, trial: Trial) -> Record | None:
        """The last finished record of a trial with its weights, or None where these are not kept."""
        record, weights = self.find(trial), self._weights(trial)
        if record is not None and weights.is_file() and _whole(weights):
            return dataclasses.replace(record, weights=weights.read_bytes())
        return self.base.find_fit(trial) if self.base else None

    def _last(self, key: str) -> Record | None:
        lines = self._lines.get(key, [])
        while lines:
            number, line = lines[-1]
            try:
                record = decode(line)
            except SourceGone:  # of an own loss or estimator that it was made with
                return None
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # whole, but not known here
                self._warn(number, "was made by another version of labelnoise")
                lines.pop()
                continue
            if record is not None and record.complete:
                return record
            if record is None:
                self._warn(number)
            lines.pop()
        return None

    def __contains__(self, trial: Trial) -> bool:
        return self.find(trial) is not None

    def __iter__(self) -> Iterator[Record]:
        """Every finished record of the file itself, the last one of each trial."""
        for key in self._lines:
            record = self._last(key)
            if record is not None and record.trial.key == key:  # else it was made by another protocol
                yield record


def _whole(weights: Path) -> bool:
    try:
        described(weights)
    except InputError as error:
        warnings.warn(f"{error} Its fit is trained again where it is needed.", DamagedLine, stacklevel=3)
        return False
    return True
