"""Folders that are written whole or not at all."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from labelnoise.errors import InputError

MARK = "report.json"  # by which an earlier report is known
PARTIAL = ".partial"  # how the names of temporary folders end
ABANDONED_SECONDS = 3600  # after which nobody still writes to one; it takes seconds


def check_folder(path: Path, *read: Path) -> None:
    """Check that a report may be written to a folder, before the work for it is done.

    Args:
        path: the folder.
        read: files and folders of the user that are read, which must not lie in it.

    Raises:
        InputError: it is a file, or holds something other than an earlier report, or what is read; it may not be
            written to, or the folder that it is to stand in may not or is a file.
    """
    folder = _resolved(path)
    _recover(folder)
    standing = next(parent for parent in folder.parents if parent.exists())
    if not standing.is_dir():
        raise InputError(f"{path} can't be written, as {standing} is a file; name another folder.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{path} is a file; name a folder for the report.")
    others = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if MARK in others and (folder / MARK).is_file():
        with suppress(ValueError, KeyError, TypeError):  # a file of that name that is none of ours
            others -= set(json.loads((folder / MARK).read_bytes())["files"])
    if others:
        raise InputError(f"{path} holds other files than a report ({min(others)}); name a new or empty folder.")
    for each in read:
        if folder in (place := _resolved(each), *place.parents):
            raise InputError(f"{each} is read and would be replaced with the report in {path}; name another folder.")
    if folder.parent == standing:
        with _beside(path):
            pass
    # A folder that is there is moved away at the end, which takes leave to write to it as well.
    last = folder if folder.exists() else standing
    if not os.access(last, os.W_OK | os.X_OK):
        raise InputError(f"{path} can't be written: {last} may not be written to; nothing was changed there.")


def _resolved(path: Path) -> Path:
    resolved = Path(os.path.realpath(path))  # which leaves a link that leads to itself as it is
    try:
        resolved.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{path} is a link that leads to itself; name another.") from None
    return resolved


def _recover(folder: Path) -> None:
    """Put back a report that a process had taken away when it was killed, and remove what such ones left beside it."""
    for beside in folder.parent.glob(f".{glob.escape(folder.name)}-????????{PARTIAL}"):
        with suppress(OSError):  # of another writer, who is done with it or may write where we may not
            taken = (beside / "old").exists()  # asked first: from then on the folder is there with the new report only
            if taken and not folder.exists():
                (beside / "old").rename(folder)
            if taken or time.time() - beside.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(beside)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside a path, and raise `InputError` for what can't be written there."""
    folder = path.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-", suffix=PARTIAL) as beside:
            yield Path(beside)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}; nothing was changed there.") from None


def write_folder(path: Path, report: Mapping[str, object], files: Mapping[str, bytes]) -> None:
    """Write a report and its files in place of an earlier one; on failure all stays as it was.

    A process that is killed leaves the earlier report or the new one; between the two, the next `check_folder` puts the
    earlier one back.

    Args:
        path: a folder, as `check_folder` allows it.
        report: goes to `MARK` as JSON, with the names of all files.
        files: name to content.

    Raises:
        InputError: as `check_folder`; a full disk.
    """
    check_folder(path)
    folder = path.resolve()
    text = json.dumps({**report, "files": [MARK, *files]}, ensure_ascii=False, allow_nan=False)
    with _beside(path) as beside:
        new, old = beside / "new", beside / "old"
        new.mkdir()  # the temporary folder itself only its owner may read
        for name, content in {MARK: text.encode(), **files}.items():
            (new / name).write_bytes(content)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
