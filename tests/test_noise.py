import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelnoise import transitions
from labelnoise.errors import InputError
from labelnoise.noise import check_labels, corrupt, count_transitions, oracle

quick = settings(deadline=None, max_examples=50)


def hoeffding(n, error_probability=1e-9):
    """How far a mean of n values in [0, 1] strays from its expectation, but for this probability."""
    return math.sqrt(math.log(2 / error_probability) / (2 * n))


@pytest.mark.parametrize(("clean", "row"), [(0, (0.5, 0.2, 0.3)), (1, (0.3, 0.5, 0.2)), (2, (0.2, 0.3, 0.5))])
def test_rows_are_clean_classes(clean, row):
    n = 50_000
    noisy = corrupt(np.full(n, clean), transitions.named("paper-0.5", 3), np.random.default_rng(1))
    shares = np.bincount(noisy, minlength=3) / n
    assert hoeffding(n) < 0.1 / 2  # the transpose is off by 0.1 in two entries
    np.testing.assert_allclose(shares, row, atol=hoeffding(n))


@pytest.mark.parametrize("name", ["symmetric-0.4", "pair-flip-0.3", "random-0.5-3", "paper-0.6"])
def test_the_oracle_finds_the_matrix_that_labels_were_corrupted_with(name):
    matrix = transitions.named(name, 3)
    clean = np.random.default_rng(2).integers(3, size=60_000)
    found = oracle(clean, corrupt(clean, matrix, np.random.default_rng(3)), 3)
    for i in range(3):
        np.testing.assert_allclose(found[i], matrix[i], atol=hoeffding((clean == i).sum()))


@quick
@given(st.lists(st.integers(0, 4), max_size=30), st.integers(0, 2**32))
def test_without_noise_labels_stay_as_they_are(labels, seed):
    clean = np.array(labels, dtype=np.int64)
    np.testing.assert_array_equal(corrupt(clean, np.eye(5), np.random.default_rng(seed)), clean)


@quick
@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=30), st.integers(0, 2**32))
def test_a_permutation_matrix_permutes_the_classes(permutation, labels, seed):
    clean = np.array(labels, dtype=np.int64)
    noisy = corrupt(clean, np.eye(5)[permutation], np.random.default_rng(seed))
    np.testing.assert_array_equal(noisy, np.array(permutation)[clean])


@quick
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 2**32), st.data())
def test_a_flip_depends_on_the_generator_and_the_sample_alone(labels, seed, data):
    matrix = transitions.symmetric(4, 0.5)
    noisy = corrupt(labels, matrix, np.random.default_rng(seed))
    np.testing.assert_array_equal(noisy, corrupt(labels, matrix, np.random.default_rng(seed)))
    k = data.draw(st.integers(0, len(labels) - 1))
    others = [label if i == k else 0 for i, label in enumerate(labels)]
    assert corrupt(others, matrix, np.random.default_rng(seed))[k] == noisy[k]


def test_other_generators_give_other_flips():
    clean, matrix = np.zeros(1000, dtype=int), transitions.symmetric(2, 0.5)
    first, second = (corrupt(clean, matrix, np.random.default_rng(seed)) for seed in (0, 1))
    assert (first != second).any()


def test_corrupt_leaves_its_input_alone():
    clean = np.zeros(100, dtype=np.int64)
    noisy = corrupt(clean, [[0.0, 1.0], [1.0, 0.0]], np.random.default_rng(0))
    assert not clean.any()
    assert noisy.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3, 5], r"clean_labels has 3 in row 2; with 3 classes a label must lie in \[0, 3\)"),
        ([0, -1], r"clean_labels has -1 in row 1"),
        ([0.0, 1.0], r"clean_labels must be integers, not float64"),
        (["a", "b"], r"clean_labels must be integers, not <U1; convert class names"),
        ([True, False], r"clean_labels must be integers, not bool"),
        ([[0, 1]], r"clean_labels must have shape \(n_samples,\), not \(1, 2\)"),
        (1, r"clean_labels must have shape \(n_samples,\), not \(\)"),
    ],
)
def test_bad_labels_are_refused_with_their_row(labels, message):
    with pytest.raises(InputError, match=message):
        corrupt(labels, np.eye(3), np.random.default_rng(0))


def test_a_bad_matrix_is_refused():
    with pytest.raises(InputError, match=r"Row 0 of the transition matrix sums to 0\.9"):
        corrupt([0, 1], [[0.5, 0.4], [0, 1]], np.random.default_rng(0))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_labels_of_any_integer_type_become_int64(dtype):
    labels = check_labels(np.array([0, 2, 1], dtype=dtype), 3)
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 2, 1]


def test_transitions_of_a_case_counted_by_hand():
    clean, noisy = [0, 0, 0, 1, 2, 2], [0, 1, 1, 1, 2, 0]
    assert count_transitions(clean, noisy, 3).tolist() == [[1, 2, 0], [0, 1, 0], [1, 0, 1]]
    np.testing.assert_allclose(oracle(clean, noisy, 3), [[1 / 3, 2 / 3, 0], [0, 1, 0], [0.5, 0, 0.5]])


@quick
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_every_sample_is_counted_once(pairs):
    clean, noisy = np.array(pairs).T
    counts = count_transitions(clean, noisy, 4)
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(clean, minlength=4))
    np.testing.assert_array_equal(counts.sum(axis=0), np.bincount(noisy, minlength=4))


def test_the_oracle_needs_as_many_labels_and_every_class():
    with pytest.raises(InputError, match="There are 3 clean_labels but 2 noisy_labels"):
        oracle([0, 1, 1], [0, 1], 2)
    with pytest.raises(InputError, match="Clean class 1 has no sample, so row 1 of T can't be counted"):
        oracle([0, 2], [0, 1], 3)
    with pytest.raises(InputError, match="noisy_labels has 7 in row 1"):
        oracle([0, 1], [0, 7], 2)
