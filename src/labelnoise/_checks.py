"""What is passed in, checked at the door: each check gives the value back, or says in a sentence what it must be."""

from __future__ import annotations

import contextlib
import math
import numbers
import os
import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.errors import InputError

Labels = NDArray[np.int64]

LONGEST = 100  # characters of a value in a message
LARGEST_PIXEL = 1e100  # so that no sum of squares is infinite


def one_line(text: str) -> str:
    """A text on one line, without the addresses of objects, which differ each time."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", " ".join(text.split()))


def shown(value: Any) -> str:
    """A value in a message: on one line, short, and the same each time."""
    try:
        if hasattr(value, "detach"):  # a tensor, told without importing torch
            return f"a tensor of {value.dtype} and {value.layout}, of shape {tuple(value.shape)} on {value.device}"
        text = one_line(repr(value))
    except Exception:  # whatever their type raises, as a nested tensor of its shape
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def check_number(value: Any, rule: str, within: Callable[[float], bool]) -> float:
    """A finite number in its range, as float.

    Args:
        value: whatever was passed in.
        rule: how the message begins, such as "level must lie in (0, 1)".
        within: tells whether a finite number lies in the range.

    Raises:
        InputError: the rule, and the value that breaks it.
    """
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        with contextlib.suppress(OverflowError):  # of a whole number that no float is as large as
            if math.isfinite(value) and within(float(value)):
                return float(value)
    raise InputError(f"{rule}, not {shown(value)}.")


def check_level(level: Any) -> float:
    """The coverage that an interval is to have, in (0, 1)."""
    # Nearer to 1 half of what is left out rounds to nothing, and the interval has no end.
    return check_number(level, "level must lie in (0, 1), up to 1 - 1e-15", lambda value: 0 < value <= 1 - 1e-15)


def check_whole(value: Any, name: str, least: int) -> int:
    """A whole number from `least` up, as int."""
    whole = not isinstance(value, bool) and isinstance(value, numbers.Integral)
    if whole and least <= value < 2**63:
        return int(value)
    known = "below 2**63" if whole and value > least else f"from {least} up"
    raise InputError(f"{name} must be a whole number {known}, not {shown(value)}.")


def check_flag(value: Any, name: str) -> bool:
    """True or False."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise InputError(f"{name} must be True or False, not {shown(value)}.")


def check_choice(value: Any, what: str, known: Collection[str], more: str = "") -> str:
    """One of the known names; `more` is what the message says that may be given besides."""
    if isinstance(value, str) and value in known:
        return value
    raise InputError(f"Unknown {what} {shown(value)}; use one of: {', '.join(known)}{more}.")


def check_generator(value: Any) -> np.random.Generator:
    """A generator of random numbers of NumPy's; a legacy one draws others."""
    if isinstance(value, np.random.Generator):
        return value
    raise InputError(f"generator must be one of numpy.random.default_rng, such as of seed 0, not {shown(value)}.")


def check_size(what: str, *shape: int, copies: int = 1) -> None:
    """Refuse arrays of numbers of eight bytes that this machine has no memory for, before any is taken.

    Args:
        what: how the message begins.
        shape: of an array.
        copies: how many of them the work on it takes at once, itself among them.
    """
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows
        memory = 2**34
    if (needed := 8 * copies * math.prod(shape)) > memory:
        raise InputError(f"{what} would take {needed / 2**30:,.1f} GiB; {memory / 2**30:,.1f} GiB are there.")


def is_bfloat16(values: Any) -> bool:
    """Whether this is a tensor of the type that NumPy lacks."""
    return str(getattr(values, "dtype", None)) == "torch.bfloat16"


def _has_masked(values: Any, depth: int = 64) -> bool:
    """Whether values are masked in an array or in lists of any, to the depth of axes that NumPy has."""
    if not isinstance(values, list | tuple):
        return bool(np.ma.is_masked(values))
    # By their types first: to look at each of a million numbers takes longer than all else.
    any_may = any(issubclass(kind, (list, tuple, np.ma.MaskedArray)) for kind in set(map(type, values)))
    return any_may and depth > 0 and any(_has_masked(each, depth - 1) for each in values)


def check_unmasked(values: Any, name: str) -> None:
    """Refuse masked values, which most code takes as if nothing were masked."""
    if _has_masked(values):
        raise InputError(f"{name} has masked values; fill them in, or drop their rows everywhere.")


def as_array(values: Any, name: str, form: str = "an array") -> NDArray[Any]:
    """An array or a tensor, on any device and with or without gradient, as a NumPy array; copied only if need be."""
    check_unmasked(values, name)
    try:
        tensor = values.detach().cpu() if hasattr(values, "detach") else values
        array = np.asarray(tensor.float() if is_bfloat16(tensor) else tensor)
    except MemoryError:
        raise
    except Exception:  # of ragged lists, of tensors that NumPy can't have, and whatever an __array__ of theirs raises
        array = np.empty(())
    if not array.ndim:
        raise InputError(f"{name} must be {form}, not {shown(values)}.")
    return array


def as_numbers(values: Any, name: str, form: str = "an array of numbers") -> NDArray[np.float64]:
    """A new array of numbers in float64; text is none."""
    array = as_array(values, name, form)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must be {form}, not {shown(values)}.")
    with np.errstate(over="ignore"):  # of long doubles, which are then infinite
        return np.array(array, dtype=np.float64)


def check_labels(labels: ArrayLike, n_classes: int, name: str = "labels") -> Labels:
    """Check integer labels and return them as int64, shape (n_samples,); the same array if it is that already.

    Raises:
        InputError: not one-dimensional, not integers, or a label outside [0, n_classes); the first such row is named.
    """
    array, n_classes = as_array(labels, name), check_whole(n_classes, "n_classes", 1)
    if array.ndim != 1:
        raise InputError(f"{name} must have shape (n_samples,), not {array.shape}.")
    if array.dtype.kind not in "iu":  # np.integer has durations too
        raise InputError(f"{name} must be integers, not {array.dtype}; convert class names to 0, 1, ... first.")
    if len(outside := np.flatnonzero((array < 0) | (array >= n_classes))):
        row = int(outside[0])
        raise InputError(
            f"{name} has {int(array[row])} in row {row}; with {n_classes} classes a label must lie in [0, {n_classes})."
        )
    return array.astype(np.int64, copy=False)


def check_images(images: ArrayLike) -> NDArray[Any]:
    """Images as rows of pixels, shape (n_samples, n_pixels), in their own type.

    Raises:
        InputError: no pixels, or such as are no real numbers, not finite, beyond `LARGEST_PIXEL` or all alike.
    """
    array = as_array(images, "images")
    if array.ndim < 2 or not array.size:
        raise InputError(f"images must have shape (n_samples, ...) with a pixel or more, not {array.shape}.")
    if array.dtype.kind not in "biuf":
        raise InputError(f"images must be real numbers, not {array.dtype}.")
    rows = array.reshape(len(array), -1)
    if len(bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))):
        raise InputError(f"images has a value that is not finite in row {bad[0]}.")
    low, high = rows.min(), rows.max()
    if low == high:
        raise InputError(f"All pixels of the images are {low}; noise can't depend on images that are all alike.")
    if max(-float(low), float(high)) > LARGEST_PIXEL:
        raise InputError(f"images go from {low:g} to {high:g}; divide them, so that none is beyond {LARGEST_PIXEL:g}.")
    return rows
