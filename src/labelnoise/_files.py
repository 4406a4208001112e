"""Files that appear whole or not at all, and what is looked at before one is opened."""

from __future__ import annotations

import math
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelnoise._checks import check_size, shown
from labelnoise.errors import InputError

# What a file may unpack to: more than this many bytes only if it is not so many times what is stored. Images and
# probabilities come to a few times; what comes to more is one value over and over.
MOST_UNPACKED, MOST_TIMES = 2**30, 100


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, and its folder where there is none, so that nobody ever sees a part of it.

    Several processes may write the same file at once; the last one stands. On an error the file is as it was.

    Raises:
        OSError: it can't be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{uuid.uuid4().hex}.partial")  # in the same folder, as moves between disks copy
    try:
        partial.write_bytes(content)
        os.replace(partial, target)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, str(target)) from None  # a full disk has no name
        raise


def check_path(path: Any) -> Path:
    """A path, whatever is there.

    Raises:
        InputError: what can't be one.
    """
    if isinstance(path, str | os.PathLike) and str(path) and "\0" not in str(path):
        with suppress(UnicodeEncodeError):  # of code points that there are not
            os.fsencode(str(path))
            return Path(path)
    raise InputError(f"A path must be text or a pathlib.Path, not {shown(path)}.")


def _found(path: Path) -> os.stat_result | None:
    """What is at a path, None if there is nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"The path {shown(str(path))} leads nowhere: {error.strerror}.") from None


def check_file(path: Any) -> Path:
    """A path, if there is a regular file with something in it: a device or a pipe might be read without end.

    Raises:
        InputError: no path, or no such file.
    """
    checked = check_path(path)
    if (found := _found(checked)) is None:
        raise InputError(f"There is no file {path}.")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is a folder, a device or a pipe; name a file that holds the data.")
    if not found.st_size:
        raise InputError(f"{path} is empty (0 bytes); save it again.")
    return checked


def check_target(path: Any) -> Path:
    """A path that a file can be written to, as far as can be told before: it replaces a regular file, or nothing.

    Raises:
        InputError: no path, or one to something else, or through a file.
    """
    checked = check_path(path)
    if (found := _found(checked)) and not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is a folder, a device or a pipe; name a file to write.")
    for parent in checked.parents:
        if (found := _found(parent)) and not stat.S_ISDIR(found.st_mode):
            raise InputError(f"The path {shown(str(path))} leads nowhere: {parent} is no folder.")
    return checked


def check_unpacked(what: str, size: int, stored: int) -> None:
    """Refuse what unpacks to far more than is stored, before any of it is unpacked: a few bytes can fill any memory.

    Args:
        what: how the message begins.
        size: the bytes that it unpacks to.
        stored: the bytes that it is unpacked from.

    Raises:
        InputError: more than `MOST_UNPACKED`, and more than `MOST_TIMES` as many as are stored.
    """
    if size > max(MOST_UNPACKED, MOST_TIMES * stored):
        raise InputError(
            f"{what} would unpack to {size:,} bytes, more than {MOST_TIMES} times the {stored:,} that are stored; "
            "if it is meant, save it as .npy, which is not packed."
        )


@contextmanager
def opened_npz(path: Any) -> Iterator[Any]:
    """The archive of an .npz file; nothing in it is unpickled. Arrays are taken from it by `read_member`.

    Raises:
        InputError: no such file, or whatever of its content can't be read.
    """
    with check_file(path).open("rb") as file:  # NumPy leaves a damaged one open
        try:
            with np.load(file, allow_pickle=False) as archive:
                yield archive
        except InputError:
            raise
        except Exception:  # of any kind, as the bytes of a damaged file can say anything
            raise InputError(f"{path} is not an .npz file.") from None


def read_member(archive: Any, key: str, path: object) -> NDArray[Any]:
    """An array of an open .npz file, once its header and the size of what is to be unpacked are known to agree.

    Raises:
        InputError: Python objects, which would have to be unpickled; a header that claims another size than there is;
            or more than there is memory for, or than `check_unpacked` lets pass.
    """
    entry = f"{key}.npy" if f"{key}.npy" in archive.zip.namelist() else key
    size, stored = archive.zip.getinfo(entry).file_size, archive.zip.getinfo(entry).compress_size
    check_unpacked(f"{key} in {path}", size, stored)
    check_size(f"{key} in {path}", size // 8)
    with archive.zip.open(entry) as file:
        first = np.lib.format.read_magic(file) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise InputError(f"{key} in {path} holds Python objects; save it as a plain numeric array.")
        claimed = file.tell() + math.prod(shape) * dtype.itemsize
        if claimed != size:
            raise InputError(f"{key} in {path} claims {claimed:,} bytes but has {size:,}; save it again.")
    found: NDArray[Any] = archive[key]
    return found
