"""Which labels are wrong: probabilities that mean what they say, whatever the classes are called."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from labelnoise import noise
from labelnoise.estimators import _inputs, _wrong_labels, unmixed, wrong_labels
from labelnoise.transitions import pair_flip, random, symmetric

K = 4


def drawn(n, seed=0, matrix=None):
    """P(clean | x), clean and noisy labels drawn from it, and T."""
    generator = np.random.default_rng(seed)
    matrix = random(K, 0.3, generator) if matrix is None else matrix
    posteriors = generator.dirichlet(np.full(len(matrix), 0.2), size=n)
    clean = (posteriors.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1).clip(max=len(matrix) - 1)
    noisy = (matrix[clean].cumsum(axis=1) < generator.random((n, 1))).sum(axis=1).clip(max=len(matrix) - 1)
    return posteriors, clean, noisy, matrix


@given(st.integers(0, 10**6), st.integers(0, 5))
def test_every_step_gives_probabilities_that_explain_the_noisy_ones_no_worse(seed, steps):
    posteriors, _, _, matrix = drawn(20, seed)
    probs = posteriors @ matrix

    def divergence(clean):
        return -(probs * np.log(clean @ matrix)).sum(axis=1)

    before, after = (unmixed(probs, matrix, number) for number in (steps, steps + 1))
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert after.min() >= 0
    assert (divergence(after) <= divergence(before) + 1e-9).all()


def test_many_steps_find_the_clean_probabilities_and_the_identity_takes_nothing_out():
    posteriors, _, _, matrix = drawn(200)
    np.testing.assert_allclose(unmixed(posteriors @ matrix, matrix, 20_000), posteriors, atol=1e-3)
    np.testing.assert_allclose(unmixed(posteriors, np.eye(K)), posteriors, atol=1e-6)


def test_a_matrix_of_many_zeros_gives_the_same_as_if_it_had_none(monkeypatch):
    posteriors, _, _, matrix = drawn(50, matrix=pair_flip(30, 0.3))
    sparse = unmixed(posteriors, matrix)
    monkeypatch.setattr(_wrong_labels, "SPARSE", 0)
    np.testing.assert_allclose(sparse, unmixed(posteriors, matrix), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_of_labels_that_are_said_to_be_wrong_with_some_probability_that_share_is(seed):
    posteriors, clean, noisy, matrix = drawn(50_000, seed)
    judged = wrong_labels(posteriors, noisy, matrix, steps=0)
    order = np.argsort(judged.p_wrong)
    for part in np.split(order, 10):
        # Each label is wrong by a draw of its own. By Bernstein's inequality the number of wrong ones is off by more
        # than this with probability 1e-6 / 30, for each of the 30 parts of all seeds. T is smoothed by a sample of
        # thousands.
        said, log = judged.p_wrong[part], np.log(2 * 30 / 1e-6)
        bound = np.sqrt(2 * (said * (1 - said)).sum() * log) + log / 3
        assert abs(said.sum() - (noisy != clean)[part].sum()) < bound + 1e-3 * len(part)


def test_a_change_by_the_rule_leaves_fewer_labels_wrong():
    posteriors, clean, noisy, matrix = drawn(20_000)
    judged = wrong_labels(posteriors @ matrix, noisy, matrix)
    cleaned = np.where(judged.p_wrong > 0.5, judged.suggestions, noisy)
    gained = (cleaned == clean).astype(float) - (noisy == clean)
    # A rule that gains nothing passes once in 30,000 times.
    assert gained.mean() > 4 * gained.std() / len(gained) ** 0.5


@given(st.integers(0, 10**6))
def test_the_order_of_the_classes_changes_nothing(seed):
    posteriors, _, noisy, matrix = drawn(100, seed)
    order = np.random.default_rng(seed).permutation(K)
    judged = wrong_labels(posteriors @ matrix, noisy, matrix)
    places = np.argsort(order)  # class order[k] is now called k
    other = wrong_labels((posteriors @ matrix)[:, order], places[noisy], matrix[order][:, order])
    np.testing.assert_array_equal(order[other.suggestions], judged.suggestions)
    np.testing.assert_allclose(other.p_wrong, judged.p_wrong, atol=1e-9)
    np.testing.assert_allclose(other.times, judged.times, rtol=1e-6)


def test_another_class_is_more_than_once_as_likely_just_where_the_label_is_not_the_likeliest():
    posteriors, _, noisy, matrix = drawn(1000)
    judged = wrong_labels(posteriors, noisy, matrix, steps=0)
    np.testing.assert_array_equal(judged.times > 1, posteriors.argmax(axis=1) != noisy)


def test_probabilities_of_0_and_1_and_single_precision_are_no_trouble():
    labels = np.array([0, 1, 2, 3, 1])
    for dtype in (np.float32, np.float64):
        probs = np.eye(K, dtype=dtype)[[0, 1, 2, 3, 0]]
        judged = wrong_labels(probs, labels, symmetric(K, 0.2))
        assert judged.suggestions.tolist() == [0, 1, 2, 3, 0]
        assert np.isfinite(judged.times).all()
        assert judged.p_wrong.argmax() == judged.times.argmax() == 4
        np.testing.assert_array_equal(probs, np.eye(K)[[0, 1, 2, 3, 0]])


def test_blocks_of_rows_give_what_all_rows_together_give(monkeypatch):
    posteriors, _, noisy, matrix = drawn(100)
    whole = wrong_labels(posteriors @ matrix, noisy, matrix)
    monkeypatch.setattr(_inputs, "BLOCK_BYTES", 7 * K * 8)
    parts = wrong_labels(posteriors @ matrix, noisy, matrix)
    for name in ("suggestions", "p_wrong", "times"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-9)


def test_corrupted_labels_come_first_where_the_model_is_sure():
    generator = np.random.default_rng(0)
    clean = generator.integers(K, size=1000)
    matrix = symmetric(K, 0.3)
    noisy = noise.corrupt(clean, matrix, generator)
    judged = wrong_labels((0.96 * np.eye(K)[clean] + 0.01) @ matrix, noisy, matrix)
    wrong = noisy != clean
    assert judged.times[wrong].min() > judged.times[~wrong].max()
    assert judged.p_wrong[wrong].min() > 0.5 > judged.p_wrong[~wrong].max()


def test_a_row_of_the_matrix_counts_as_often_as_its_label_and_one_sample_of_any_class_beside():
    matrix, labels = np.array([[0.75, 0.25], [0.25, 0.75]]), np.array([0, 0, 0, 1])
    judged = wrong_labels(np.array([[0.5, 0.5], [0.6, 0.4], [0.9, 0.1], [0.5, 0.5]]), labels, matrix, steps=0)
    # Three samples and half a one of either class, of four: 11/16 and 5/16; one and the half, of two: 3/8 and 5/8.
    expected = [6 / 17, 0.4 * 6 / (0.6 * 11 + 0.4 * 6), 0.6 / (0.9 * 11 + 0.6), 1 / 3]
    np.testing.assert_allclose(judged.p_wrong, expected)
    np.testing.assert_allclose(judged.times, [1, 2 / 3, 1 / 9, 1])
    np.testing.assert_array_equal(judged.suggestions, [0, 0, 0, 1])


@pytest.mark.parametrize("sums", [0.9991, 1.0009])
def test_of_rows_that_sum_to_1_by_rounding_alone_clean_probabilities_sum_to_1(sums):
    matrix = symmetric(3, 0.3)
    for steps in (1, 3):
        found = unmixed(sums * np.array([[0.2, 0.3, 0.5]]), matrix, steps)
        assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("n_classes", "sparse"), [(21, True), (20, False), (19, False)])
def test_a_product_is_sparse_where_less_than_a_tenth_of_the_matrix_is_not_0(n_classes, sparse, monkeypatch):
    made = []
    monkeypatch.setattr(scipy.sparse, "csr_array", lambda matrix: (made.append(matrix), matrix)[1])
    unmixed(np.full((1, n_classes), 1 / n_classes), pair_flip(n_classes, 0.3))  # two entries in each row
    assert bool(made) == sparse


def test_rows_that_differ_by_chance_are_drawn_to_the_symmetric_matrix_and_others_less():
    matrix = np.array([[0.7, 0.2, 0.1], [0.2, 0.8, 0.0], [0.1, 0.1, 0.8]])
    samples = np.array([20, 10, 10])
    even = symmetric(3, 0.25)  # (20 * 0.7 + 10 * 0.8 + 10 * 0.8) / 40 of the labels are kept
    np.testing.assert_allclose(_wrong_labels._shrunk(matrix, samples), even)  # the statistic is 44 / 15, below 5
    # A hundred times as many samples give a hundred times that statistic.
    share = 5 / (100 * 44 / 15)
    np.testing.assert_allclose(_wrong_labels._shrunk(matrix, 100 * samples), (1 - share) * matrix + share * even)
    np.testing.assert_array_equal(_wrong_labels._shrunk(np.eye(3), samples), np.eye(3))


def test_of_symmetric_noise_labels_are_ranked_as_by_the_matrix_it_has_when_few_samples_show_another():
    posteriors, _, noisy, matrix = drawn(60, matrix=symmetric(K, 0.3))
    shown = matrix + 0.04 * (np.roll(np.eye(K), 1, axis=1) - np.roll(np.eye(K), 2, axis=1))
    judged, expected = (wrong_labels(posteriors @ matrix, noisy, each) for each in (shown, matrix))
    for name in ("suggestions", "p_wrong", "times"):
        np.testing.assert_allclose(getattr(judged, name), getattr(expected, name), rtol=1e-9)


def test_a_matrix_with_most_entries_alike_gives_the_same_sparse_as_dense(monkeypatch):
    matrix = 0.7 * pair_flip(30, 0.3) + 0.3 * symmetric(30, 0.2)
    posteriors, *_ = drawn(50, matrix=matrix)
    assert scipy.sparse.issparse(_wrong_labels._parts(matrix)[0])
    sparse = unmixed(posteriors, matrix)
    monkeypatch.setattr(_wrong_labels, "SPARSE", 0)
    np.testing.assert_allclose(sparse, unmixed(posteriors, matrix), rtol=1e-9)
