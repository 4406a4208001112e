import math
import os
import re
import tracemalloc

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import data, names, transitions
from labelnoise.errors import InputError
from labelnoise.names import by_image, nominal_rate, parse
from labelnoise.noise import (
    _cumulative,
    check_labels,
    corrupt,
    count_transitions,
    derive_seed,
    draw,
    instance_probs,
    mean_transition_matrix,
    oracle,
)

quick = few(50)


def hoeffding(n, error_probability=1e-9):
    """How far a mean of n values in [0, 1] strays from its expectation, but for this probability."""
    return math.sqrt(math.log(2 / error_probability) / (2 * n))


@pytest.mark.parametrize(("clean", "row"), [(0, (0.5, 0.2, 0.3)), (1, (0.3, 0.5, 0.2)), (2, (0.2, 0.3, 0.5))])
def test_rows_are_clean_classes(clean, row):
    n = 50_000
    noisy = corrupt(np.full(n, clean), names.named("paper-0.5", 3), np.random.default_rng(1))
    shares = np.bincount(noisy, minlength=3) / n
    assert hoeffding(n) < 0.1 / 2  # the transpose is off by 0.1 in two entries
    np.testing.assert_allclose(shares, row, atol=hoeffding(n))


@pytest.mark.parametrize("name", ["symmetric-0.4", "pair-flip-0.3", "random-0.5-3", "paper-0.6"])
def test_the_oracle_finds_the_matrix_that_labels_were_corrupted_with(name):
    matrix = names.named(name, 3)
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
        (1, r"clean_labels must be an array, not 1"),
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
    with pytest.raises(InputError, match="Clean class 1 has no sample"):
        oracle([0, 3], [0, 1], 4)  # the first of two
    with pytest.raises(InputError, match="noisy_labels has 7 in row 1"):
        oracle([0, 1], [0, 7], 2)


def test_rows_that_sum_to_a_little_less_than_1_leave_no_gap_for_a_class_that_is_none():
    # A matrix may be off by 1e-6, and a uniform number that falls in between would be a label of 2.
    matrix = np.array([[0.5, 0.5 - 9e-7], [0.25, 0.75]])
    np.testing.assert_array_equal(_cumulative(transitions.validate(matrix))[:, -1], 1)


def picture_set(n, n_classes, seed, shape=(2, 3)):
    """Random images, (n, *shape), and labels, (n,)."""
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n, *shape)), generator.integers(n_classes, size=n)


def given_a_flip(probs, clean):
    """P(noisy | image, clean, noisy is not clean), and the flip rates: shapes (n, n_classes) and (n,)."""
    kept = probs[np.arange(len(clean)), clean]
    flips = probs.copy()
    flips[np.arange(len(clean)), clean] = 0
    return flips / (1 - kept)[:, None], 1 - kept


@quick
@given(st.integers(2, 5), st.integers(1, 30), st.floats(0, 1), st.integers(0, 2**32))
def test_each_image_has_a_distribution_of_noisy_labels(n_classes, n, rate, seed):
    images, clean = picture_set(n, n_classes, seed)
    probs = instance_probs(images, clean, n_classes, rate, np.random.default_rng(seed))
    assert probs.shape == (n, n_classes)
    assert probs.min() >= 0
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("rate", [0, 0.05, 0.2, 0.95, 1])
def test_flip_rates_are_those_of_a_truncated_normal_distribution(rate):
    n = 20_000
    images, clean = picture_set(n, 2, 0)
    probs = instance_probs(images, clean, 2, rate, np.random.default_rng(1))
    rates = 1 - probs[np.arange(n), clean]
    expected = scipy.stats.truncnorm(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1)
    assert 0 <= rates.min() <= rates.max() <= 1
    # Bernstein's inequality: the rates lie within 1 of their mean.
    log = math.log(2 / 1e-9)
    assert abs(rates.mean() - expected.mean()) < math.sqrt(2 * expected.var() * log / n) + 2 * log / (3 * n)
    # That of Dvoretzky, Kiefer and Wolfowitz bounds the whole distribution as Hoeffding's does a mean.
    assert scipy.stats.kstest(rates, expected.cdf).statistic < hoeffding(n)


def test_flips_go_where_algorithm_2_sends_them():
    images, clean = picture_set(40, 4, 0)
    x = (images.reshape(40, 6) - images.mean()) / images.std()
    generator = np.random.default_rng(1)
    generator.random(40)  # for the flip rates
    weights = generator.standard_normal((4, 6, 4))
    for image, label, row in zip(
        x, clean, instance_probs(images, clean, 4, 0.3, np.random.default_rng(1)), strict=True
    ):
        products = np.array([-np.inf if j == label else image @ weights[label][:, j] for j in range(4)])
        expected = (1 - row[label]) * scipy.special.softmax(products)
        expected[label] = row[label]
        np.testing.assert_allclose(row, expected, rtol=1e-9)


def test_pixels_as_they_are_send_flips_by_their_products_with_the_same_weights():
    images, clean = picture_set(40, 4, 0)
    images = np.abs(images)  # with a mean that is not 0, which normalising would take out
    generator = np.random.default_rng(1)
    generator.random(40)  # for the flip rates
    weights = generator.standard_normal((4, 6, 4))
    normalised = instance_probs(images, clean, 4, 0.3, np.random.default_rng(1))
    raw = instance_probs(images, clean, 4, 0.3, np.random.default_rng(1), normalise=False)
    for image, label, row in zip(images.reshape(40, 6), clean, raw, strict=True):
        products = np.array([-np.inf if j == label else image @ weights[label][:, j] for j in range(4)])
        expected = (1 - row[label]) * scipy.special.softmax(products)
        expected[label] = row[label]
        np.testing.assert_allclose(row, expected, rtol=1e-9)
    # Each image is flipped as often as with normalised pixels, but to other classes.
    rows = np.arange(40)
    np.testing.assert_array_equal(raw[rows, clean], normalised[rows, clean])
    assert (raw != normalised).any(axis=1).all()


def test_the_scale_of_pixels_as_they_are_matters():
    images = np.random.default_rng(0).integers(256, size=(50, 28, 28), dtype=np.uint8)
    clean = np.random.default_rng(1).integers(3, size=50)
    as_bytes, small = (
        instance_probs(each, clean, 3, 0.3, np.random.default_rng(2), normalise=False)
        for each in (images, images / 25500)
    )
    np.testing.assert_allclose(as_bytes.sum(axis=1), 1, atol=1e-12)
    # With bytes each image sends all its flips to one class; with pixels so small it sends some to either. A billionth
    # goes elsewhere if two products, whose difference is normal with a deviation of 5,800, are within 21 of each other:
    # with a probability of 0.003. By Markov's inequality three of 50 images are in one of 20 draws at most.
    assert (given_a_flip(as_bytes, clean)[0].max(axis=1) > 1 - 1e-9).mean() > 0.95
    assert (given_a_flip(small, clean)[0].max(axis=1) < 0.9).all()


def test_pixels_as_they_are_send_more_of_a_class_to_its_likeliest_wrong_one():
    # In three draws of the weights it was 0.21 to 0.25 with normalised pixels, and 0.30 to 0.32 with bytes.
    clean = data.load("fashion-mnist")
    rows = slice(0, 20_000)

    def largest(name, seed):
        given = (clean.train_images[rows], clean.train_labels[rows], 10, 0.5, np.random.default_rng(seed))
        probs = instance_probs(*given, normalise=not names.is_raw(name))
        matrix = mean_transition_matrix(probs, clean.train_labels[rows])
        # Flip rates have a deviation of 0.1; six of those of the mean over ten classes: one in 10^8 fails.
        deviation = 0.1 / 10 * (1 / np.bincount(clean.train_labels[rows])).sum() ** 0.5
        assert 1 - np.diag(matrix).mean() == pytest.approx(0.5, abs=6 * deviation)
        np.fill_diagonal(matrix, 0)
        return matrix.max(axis=1).mean()

    for seed in range(2):
        assert largest("instance-0.5", seed) < 0.27 < 0.28 < largest("instance-raw-0.5", seed)


def test_where_flips_go_depends_on_the_image_and_on_the_class():
    # A product with normal weights has a symmetric distribution, so each image sends more of its flips to class 1
    # than to class 2 with probability 1/2: that all of 100 agree has probability 2 ** -99.
    images = np.random.default_rng(0).standard_normal((100, 20))
    first = np.append(images, images, axis=0)
    clean = np.repeat([0, 3], 100)
    flips, _ = given_a_flip(instance_probs(first, clean, 4, 0.3, np.random.default_rng(1)), clean)
    prefers_1 = flips[:, 1] > flips[:, 2]
    assert prefers_1[:100].any()
    assert not prefers_1[:100].all()
    assert (prefers_1[:100] != prefers_1[100:]).any()


def test_images_that_are_the_same_send_their_flips_to_the_same_classes():
    images, clean = picture_set(10, 3, 0)
    twice, labels = np.tile(images, (2, 1, 1)), np.tile(clean, 2)
    flips, rates = given_a_flip(instance_probs(twice, labels, 3, 0.3, np.random.default_rng(1)), labels)
    np.testing.assert_allclose(flips[:10], flips[10:], rtol=1e-9)
    assert (rates[:10] != rates[10:]).all()


@quick
@given(st.permutations(range(12)), st.integers(0, 2**32))
def test_in_another_order_flips_follow_their_image_and_flip_rates_their_place(order, seed):
    images, clean = picture_set(12, 3, seed)
    flips, rates = given_a_flip(instance_probs(images, clean, 3, 0.3, np.random.default_rng(seed)), clean)
    moved = instance_probs(images[order], clean[order], 3, 0.3, np.random.default_rng(seed))
    moved_flips, moved_rates = given_a_flip(moved, clean[order])
    np.testing.assert_allclose(moved_flips, flips[order], atol=1e-9)
    np.testing.assert_array_equal(moved_rates, rates)


@quick
@given(st.integers(0, 2**32), st.floats(0.01, 100), st.floats(-100, 100))
def test_the_scale_of_pixels_does_not_matter(seed, scale, shift):
    images, clean = picture_set(12, 3, seed)
    probs = instance_probs(images, clean, 3, 0.3, np.random.default_rng(seed))
    scaled = instance_probs(scale * images + shift, clean, 3, 0.3, np.random.default_rng(seed))
    np.testing.assert_allclose(scaled, probs, atol=1e-8)


@pytest.mark.parametrize("form", [np.float32, np.int64, np.float16, torch.from_numpy, lambda images: images[:, None]])
def test_images_of_any_numbers_and_shape_are_taken(form):
    images = np.random.default_rng(0).integers(256, size=(50, 28, 28), dtype=np.uint8)
    clean = np.random.default_rng(1).integers(3, size=50)
    probs = instance_probs(images, clean, 3, 0.3, np.random.default_rng(2))
    np.testing.assert_allclose(instance_probs(form(images), clean, 3, 0.3, np.random.default_rng(2)), probs, atol=1e-9)


def test_the_generator_alone_decides_the_noise_of_images():
    images, clean = picture_set(50, 3, 0)
    before = images.copy()
    first, again, other = (instance_probs(images, clean, 3, 0.3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 1.1}, r"A noise rate must lie in \[0, 1\], not 1\.1"),
        ({"rate": math.nan}, r"A noise rate must lie in \[0, 1\], not nan"),
        ({"n_classes": 1}, r"n_classes must be a whole number from 2 up, not 1"),
        ({"n_classes": 3.0}, r"n_classes must be a whole number from 2 up, not 3\.0"),
        ({"clean_labels": [0, 3]}, r"clean_labels has 3 in row 1; with 3 classes"),
        ({"clean_labels": [0, 1, 2]}, r"There are 2 images but 3 clean_labels"),
        ({"images": [[0.0, 1.0], [math.nan, 1.0]]}, r"images has a value that is not finite in row 1"),
        ({"images": [[0.0, math.inf], [0.0, 1.0]]}, r"images has a value that is not finite in row 0"),
        ({"images": [[7, 7], [7, 7]]}, r"All pixels of the images are 7; noise can't depend on images"),
        ({"images": [1.0, 2.0]}, r"images must have shape \(n_samples, \.\.\.\) with a pixel or more, not \(2,\)"),
        ({"images": np.empty((0, 4)), "clean_labels": np.empty(0, int)}, r"with a pixel or more, not \(0, 4\)"),
        ({"images": [["a"], ["b"]]}, r"images must be real numbers, not <U1"),
    ],
)
def test_what_noise_of_images_can_not_be_made_from_is_refused(change, message):
    arguments = {"images": [[0.0, 1.0], [2.0, 3.0]], "clean_labels": [0, 1], "n_classes": 3, "rate": 0.2}
    with pytest.raises(InputError, match=message):
        instance_probs(**{**arguments, **change}, generator=np.random.default_rng(0))


def test_labels_are_drawn_as_often_as_their_probabilities_say():
    n, rows = 30_000, np.array([[0.5, 0.2, 0.3], [0, 0.9, 0.1], [0.25, 0, 0.75]])
    labels = draw(np.tile(rows, (n, 1)), np.random.default_rng(0)).reshape(n, 3)
    for i, row in enumerate(rows):
        counts = np.bincount(labels[:, i], minlength=3)
        assert not counts[row == 0].any()
        # Of three rows one fails in 300 million draws.
        assert scipy.stats.chisquare(counts[row > 0], n * row[row > 0]).pvalue > 1e-9


@quick
@given(st.integers(2, 6), st.integers(0, 30), st.integers(0, 2**32))
def test_a_label_is_drawn_by_the_inverse_of_its_distribution_function(n_classes, n, seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=n)
    labels = draw(probs, np.random.default_rng(seed))
    assert labels.dtype == np.int64
    uniform = np.random.default_rng(seed).random(n)
    expected = [np.searchsorted(row.cumsum(), u, side="right") for row, u in zip(probs, uniform, strict=True)]
    np.testing.assert_array_equal(labels, expected)


@quick
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 2**32))
def test_drawing_from_the_rows_of_a_matrix_is_corrupting_by_it(labels, seed):
    clean, matrix = np.array(labels, dtype=np.int64), transitions.random(4, 0.6, np.random.default_rng(seed))
    drawn = draw(matrix[clean], np.random.default_rng(seed))
    np.testing.assert_array_equal(drawn, corrupt(clean, matrix, np.random.default_rng(seed)))


def test_the_oracle_finds_the_mean_of_the_rows_of_each_class():
    images, clean = picture_set(60_000, 3, 0)
    probs = instance_probs(images, clean, 3, 0.4, np.random.default_rng(1))
    matrix = mean_transition_matrix(probs, clean)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    found = oracle(clean, draw(probs, np.random.default_rng(2)), 3)
    for i in range(3):
        # Hoeffding's inequality needs no equal probabilities.
        np.testing.assert_allclose(found[i], matrix[i], atol=hoeffding((clean == i).sum()))


def test_mean_rows_of_a_case_by_hand():
    probs = [[0.8, 0.2, 0], [0.1, 0.3, 0.6], [0.4, 0, 0.6]]
    np.testing.assert_allclose(
        mean_transition_matrix(probs, [0, 2, 0]),
        [[0.6, 0.1, 0.3], [0, 1, 0], [0.1, 0.3, 0.6]],  # class 1 does not occur
    )


@quick
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 2**32))
def test_the_mean_of_noise_that_depends_on_the_class_alone_is_its_matrix(labels, seed):
    clean, matrix = np.array(labels, dtype=np.int64), transitions.random(4, 0.6, np.random.default_rng(seed))
    seen = np.unique(clean)
    np.testing.assert_allclose(mean_transition_matrix(matrix[clean], clean)[seen], matrix[seen], atol=1e-12)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        ([[0.5, 0.5], [0.5, 0.4]], r"Row 1 of probs is \[0\.5, 0\.4\]; entries must be 0 or more and a row sum to 1"),
        ([[1.5, -0.5]], r"Row 0 of probs is \[1\.5, -0\.5\]"),
        ([[math.nan, 1.0]], r"Row 0 of probs is \[nan, 1\.0\]"),
        ([0.5, 0.5], r"probs must have shape \(n_samples, n_classes\) with 2 classes or more, not \(2,\)"),
        ([[1.0]], r"with 2 classes or more, not \(1, 1\)"),
    ],
)
def test_rows_that_are_no_distributions_are_refused(probs, message):
    with pytest.raises(InputError, match=message):
        draw(probs, np.random.default_rng(0))
    with pytest.raises(InputError, match=message):
        mean_transition_matrix(probs, np.zeros(len(probs), dtype=int))


def test_mean_rows_need_a_label_each():
    with pytest.raises(InputError, match="There are 2 rows of probs but 3 clean_labels"):
        mean_transition_matrix(np.eye(2), [0, 1, 1])
    with pytest.raises(InputError, match="clean_labels has 2 in row 1; with 2 classes"):
        mean_transition_matrix(np.eye(2), [0, 2])


@pytest.mark.parametrize(
    ("name", "kind", "rate"),
    [
        ("clean", "class", 0.0),
        ("paper-0.5", "class", 0.5),
        ("pair-flip-0.45", "class", 0.45),
        ("random-0.3-7", "class", 0.3),
        ("[[0.9, 0.1, 0], [0, 0.8, 0.2], [0.3, 0, 0.7]]", "class", 0.2),
        ("instance-0.3", "instance", 0.3),
        ("instance-raw-0.3", "instance-raw", 0.3),
        ("human", "human", None),
    ],
)
def test_a_name_tells_what_flips_depend_on_their_rate_and_the_matrix_if_there_is_one(name, kind, rate):
    found = parse(name, 3)
    assert (found.kind, found.rate) == (kind, rate if rate is None else pytest.approx(rate))
    assert (found.matrix is not None) == (kind == "class")


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("clean", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("paper-0.5", [[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]]),
        ("symmetric-0.2", [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]),
        ("pair-flip-0.45", [[0.55, 0.45, 0], [0, 0.55, 0.45], [0.45, 0, 0.55]]),
        # NumPy's draw with seed 7, which records of this name depend on.
        ("random-0.3-7", [[0.7, 0.12249944, 0.17750056], [0.11653305, 0.7, 0.18346695], [0.01725819, 0.28274181, 0.7]]),
        ("[[0.9, 0.1, 0], [0, 0.8, 0.2], [0.3, 0, 0.7]]", [[0.9, 0.1, 0], [0, 0.8, 0.2], [0.3, 0, 0.7]]),
    ],
)
def test_a_name_has_the_matrix_that_it_says(name, matrix):
    np.testing.assert_allclose(parse(name, 3).matrix, matrix, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("instance", r"Noise 'instance' needs a rate in \[0, 1\], as instance-0.3 has."),
        ("instance-x", r"Noise 'instance-x' needs a rate in \[0, 1\], as instance-0.3 has."),
        ("instance-1.5", r"Noise 'instance-1.5' needs a rate"),
        ("instance-raw-x", r"Noise 'instance-raw-x' needs a rate in \[0, 1\], as instance-raw-0.3 has."),
        ("instance-raw-2", r"Noise 'instance-raw-2' needs a rate"),
        ("people", "Unknown noise 'people'; use one of: clean, paper-0.5"),
        ("symmetric-2", r"A noise rate must lie in \[0, 1\], not 2.0"),
    ],
)
def test_a_name_of_no_noise_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        parse(name, 3)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *(
            (f"symmetric-{rate}", "symmetric-0.2")
            for rate in ("0.20", ".2", "2e-1", " 0.2", "+0.2", "0.2\n", "\uff10.2")
        ),
        ("symmetric--0.0", "symmetric-0.0"),
        ("pair-flip-1", "pair-flip-1.0"),
        ("random-0.30-7", "random-0.3-7"),
        ("random-0.3-07", "random-0.3-7"),
        ("random-0.3-1_0", "random-0.3-10"),
        ("instance-0.30", "instance-0.3"),
        ("instance-raw-.3", "instance-raw-0.3"),
    ],
)
def test_a_noise_has_one_name_only(name, form):
    with pytest.raises(InputError, match=re.escape(f"has another name; write {form}.")):
        parse(name, 3)
    parse(form, 3)


def test_a_noise_by_people_has_no_rate_of_its_own():
    with pytest.raises(InputError, match="Noise 'human' has no rate of its own; use one of: clean"):
        nominal_rate("human", 3)


def test_the_rate_of_a_noise_by_its_name():
    assert nominal_rate("instance-0.3", 3) == nominal_rate("instance-raw-0.3", 3) == 0.3
    assert nominal_rate("paper-0.6", 3) == pytest.approx(0.6)
    assert nominal_rate("clean", 3) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("human", True),
        ("instance-0.2", True),
        ("instance-raw-0.2", True),
        ("symmetric-0.2", False),
        ("paper-0.6", False),
    ],
)
def test_noise_depends_on_the_image_where_people_or_a_formula_of_it_draw_the_labels(name, expected):
    assert by_image(name) is expected


def test_pixels_whose_differences_float64_can_not_square_are_refused_with_what_to_do():
    images, labels = 1e-200 * np.arange(1.0, 49.0).reshape(12, 2, 2), np.arange(12) % 3
    with pytest.raises(InputError, match=r"too much alike, all near 2\.45e-199; multiply them"):
        instance_probs(images, labels, 3, 0.2, np.random.default_rng(0))
    instance_probs(1e200 * images, labels, 3, 0.2, np.random.default_rng(0))


@pytest.mark.parametrize(("off", "taken"), [(9e-7, True), (-9e-7, True), (1.1e-6, False), (-1.1e-6, False)])
def test_a_row_of_probabilities_may_be_off_by_a_millionth(off, taken):
    probs = [[0.5, 0.5], [0.5, 0.5 + off]]
    if taken:
        draw(probs, np.random.default_rng(0))
        mean_transition_matrix(probs, [0, 1])
    else:
        with pytest.raises(InputError, match="Row 1 of probs is"):
            draw(probs, np.random.default_rng(0))


def test_seeds_are_spread_over_all_numbers_below_2_to_the_63():
    found = np.array([derive_seed("flips", number) for number in range(2000)], dtype=np.float64) / 2.0**63
    assert scipy.stats.kstest(found, "uniform").pvalue > 1e-4  # one in 10,000 fails
    assert derive_seed(1) != derive_seed(1.0) != derive_seed("1") != derive_seed(None)
    with pytest.raises(InputError, match=r"not from np\.int64\(1\); convert it"):
        derive_seed(np.int64(1))


@pytest.mark.parametrize(("shape", "bytes_"), [((1000, 2), 2300), ((2, 1000), 1000)])  # five times one array, and one
def test_noise_of_images_that_there_is_no_memory_for_is_refused_before_it_is_taken(shape, bytes_, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: bytes_)  # pages of as many bytes
    images, clean = np.arange(2000.0).reshape(shape), np.zeros(shape[0], dtype=int)
    assert instance_probs(images, clean, 100, 0.3, np.random.default_rng(0)).shape == (shape[0], 100)
    with pytest.raises(InputError, match=r"P\(noisy \| image, clean\) for n_classes = 200 would take"):
        instance_probs(images, clean, 200, 0.3, np.random.default_rng(0))


# What makes or reads a T of so many classes, and the T that was there before.
WORK = {
    "symmetric": (lambda n, matrix: transitions.symmetric(n, 0.2), 0),
    "pair flip": (lambda n, matrix: transitions.pair_flip(n, 0.2), 0),
    "random": (lambda n, matrix: transitions.random(n, 0.2, np.random.default_rng(0)), 0),
    "oracle": (lambda n, matrix: oracle(np.arange(n), np.arange(n), n), 0),
    "corrupt": (lambda n, matrix: corrupt([0], matrix, np.random.default_rng(0)), 1),
}


@pytest.mark.parametrize(("work", "before"), WORK.values(), ids=WORK)
def test_work_with_a_t_takes_the_memory_of_three_at_most_as_its_number_of_classes_is_checked_for(
    work, before, monkeypatch
):
    n = 500
    matrix = transitions.symmetric(n, 0.2)
    tracemalloc.start()
    try:
        work(n, matrix)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / matrix.nbytes + before < 3.1
    monkeypatch.setattr(os, "sysconf", lambda name: 2**10)  # pages of as many bytes: room for 131,072 numbers
    assert transitions.check_n_classes(209) == 209
    with pytest.raises(InputError, match="Work with a T for n_classes = 210 would take"):
        transitions.pair_flip(210, 0.2)
