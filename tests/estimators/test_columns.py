"""The largest values of each column: all that were asked for, and few others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise.estimators import _inputs
from labelnoise.estimators._columns import largest
from labelnoise.estimators._inputs import check_inputs

quick = few(25)


def taken(probs, rank):
    """The values and the rows of each class, from probabilities of which the labels don't matter."""
    return list(largest(check_inputs(probs, np.arange(len(probs)) % probs.shape[1])[0], rank))


@quick
@given(st.integers(2, 5), st.integers(5, 400), st.floats(0, 1), st.integers(1, 4), st.integers(0, 2**32))
def test_down_to_the_rank_and_through_its_ties_every_value_is_given_with_its_row(n_classes, n, share, decimals, seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=n).round(decimals)
    probs[:, 0] += 1 - probs.sum(axis=1)
    probs = probs.clip(0) / probs.clip(0).sum(axis=1, keepdims=True)
    rank = max(1, int(share * n))
    found = taken(probs, rank)
    assert len(found) == n_classes
    for column, (values, rows) in zip(probs.T, found, strict=True):
        np.testing.assert_array_equal(values, column[rows])
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(column >= values.min()))
        assert values.min() <= np.sort(column)[-rank]


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9])
def test_few_values_are_taken_beside_those_asked_for(share):
    # Of n values the bound is the k-th largest of m that are looked at, k being the m * share that are expected there,
    # five of their deviations and two. So about n / m * k are taken, with the deviation of a rank of a sample, to
    # first order; five of those, for three columns and five shares: one in 110,000 fails.
    n, m = 20_480, 2048
    k = m * share + 5 * (m * share * (1 - share)) ** 0.5 + 2
    deviation = n / m * (k * (1 - k / m)) ** 0.5
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=n)
    for values, _ in taken(probs, int(share * n)):
        assert share * n <= len(values) < n / m * k + 5 * deviation


@pytest.mark.parametrize("misled", [0, 1, 2])
def test_a_bound_that_is_too_high_for_one_class_alone_is_noticed(misled):
    # Every fourth row is looked at, and only there has this class its larger half of probabilities.
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=4096)
    order = np.argsort(-probs[:, misled])
    order[::4], order[np.arange(4096) % 4 > 0] = order[:1024].copy(), order[1024:].copy()
    probs = probs[order]
    for column, (values, _) in zip(probs.T, taken(probs, 2000), strict=True):
        assert values.min() <= np.sort(column)[-2000]


def test_blocks_of_rows_give_what_all_rows_together_give(monkeypatch):
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=500)
    whole = taken(probs, 20)
    monkeypatch.setattr(_inputs, "BLOCK_BYTES", 7 * 3 * 8)
    for (values, rows), (expected, places) in zip(taken(probs, 20), whole, strict=True):
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(rows, places)


def test_places_are_kept_in_half_the_memory_where_they_are_few_enough_for_it():
    for _, rows in taken(np.random.default_rng(0).dirichlet(np.ones(3), size=100), 5):
        assert rows.dtype == np.int32
