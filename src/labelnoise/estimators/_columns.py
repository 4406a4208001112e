"""The largest probabilities of each class, found in one pass over the rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import NDArray

from labelnoise.estimators._inputs import Floats, row_blocks


def largest(probs: Floats, rank: int) -> Iterator[tuple[Floats, NDArray[np.integer[Any]]]]:
    """The largest values of each column, down to the given rank and perhaps further.

    Sorting columns would cost more than all the rest, as the values of a column lie far apart. So only values that may
    have the rank sought are taken out: those above a bound, which about 2,000 samples set five deviations to the safe
    side.

    Args:
        probs: shape (n_samples, n_classes), as `check_inputs` gives them.
        rank: from 1 to n_samples.

    Yields:
        For each class, values in no order and the rows that they stand in. Every other value of
        the column is smaller than all of these.
    """
    n_samples, n_classes = probs.shape
    some = probs[:: max(4, n_samples // 2048)].T.copy()  # contiguous columns, to be sorted
    number, share = some.shape[1], rank / n_samples
    above = int(number * share + 5 * (number * share * (1 - share)) ** 0.5 + 2)
    bounds = np.zeros(n_classes, dtype=probs.dtype)
    if above < number:
        some.partition(number - above, axis=1)
        bounds = some[:, number - above].copy()
    del some
    near = _at_least(probs, bounds)
    if np.diff(near.indptr).min() < rank:
        near = _at_least(probs, np.zeros_like(bounds))
    for first, last in itertools.pairwise(near.indptr):
        yield near.data[first:last], near.indices[first:last]


def _at_least(probs: Floats, bounds: Floats) -> Any:
    """The entries that are not below the bound of their column, as a sparse matrix in the order of its columns."""
    n_samples, n_classes = probs.shape
    short = np.dtype(np.int32 if probs.size < 2**31 else np.int64)
    values, columns, seen = [], [], 0
    ends = np.zeros(n_samples + 1, dtype=short)  # how many entries there are up to the end of each row
    for block in row_blocks(probs):
        rows = probs[block]
        places = np.flatnonzero(rows >= bounds)
        values.append(rows.ravel()[places])
        columns.append((places % n_classes).astype(short))
        row_ends = np.arange(1, len(rows) + 1) * n_classes
        ends[block.start + 1 :][: len(rows)] = seen + np.searchsorted(places, row_ends)
        seen += len(places)
    # Each list goes as soon as it is joined: three copies at once would outgrow the input.
    data = np.concatenate(values)
    del values
    indices = np.concatenate(columns)
    del columns
    return scipy.sparse.csr_array((data, indices, ends), shape=probs.shape).tocsc()
