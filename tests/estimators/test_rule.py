import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelnoise.errors import InputError
from labelnoise.estimators import rule
from labelnoise.noise import corrupt
from labelnoise.transitions import pair_flip, symmetric


def predictions(clean, accuracy, n_classes, generator):
    """Right with the probability `accuracy`, otherwise any other class alike."""
    shift = np.where(generator.random(len(clean)) < accuracy, 0, generator.integers(1, n_classes, len(clean)))
    return (clean + shift) % n_classes


@given(st.integers(2, 6), st.floats(0, 0.45))
def test_the_slope_is_the_diagonal_less_the_rest_and_falls_to_0_where_labels_say_nothing(n_classes, rate):
    matrix = symmetric(n_classes, rate)
    assert rule.slope(matrix) == pytest.approx(1 - rate - rate / (n_classes - 1))
    assert rule.slope(np.eye(n_classes)) == 1
    with pytest.raises(InputError, match="no more than a guess"):
        rule.slope(symmetric(n_classes, 1 - 1 / n_classes))


def test_identical_classifiers_gain_nothing_and_the_gain_changes_its_sign_with_their_order():
    generator = np.random.default_rng(0)
    labels, first, second = (generator.integers(3, size=200) for _ in range(3))
    matrix = symmetric(3, 0.4)
    assert rule.predicted_gain(first, first, labels, matrix).mean == 0
    one, other = rule.predicted_gain(first, second, labels, matrix), rule.predicted_gain(second, first, labels, matrix)
    assert (one.mean, one.low) == pytest.approx((-other.mean, -other.high))


@pytest.mark.parametrize("matrix", [symmetric(3, 0.5), symmetric(10, 0.3), pair_flip(4, 0.3)], ids=str)
def test_from_noisy_labels_alone_the_interval_holds_the_difference_of_clean_accuracies(matrix):
    """In 95 % of 400 draws, give or take four standard errors of a binomial share: one in 16,000 fails."""
    held, draws, n_classes = 0, 400, len(matrix)
    for seed in range(draws):
        generator = np.random.default_rng(seed)
        clean = generator.integers(n_classes, size=2000)
        noisy = corrupt(clean, matrix, generator)
        first = predictions(clean, 0.9, n_classes, generator)
        second = predictions(clean, 0.8, n_classes, generator)
        found = rule.predicted_gain(first, second, noisy, matrix)
        held += found.low <= 0.9 - 0.8 <= found.high
    assert abs(held / draws - 0.95) <= 4 * np.sqrt(0.95 * 0.05 / draws)


def test_the_resolution_is_the_half_width_that_the_gain_then_has():
    generator = np.random.default_rng(1)
    matrix, n = symmetric(3, 0.6), 4000
    # A right prediction agrees with a label with the probability 0.4, a wrong one with 0.3: a point is worth 0.1.
    assert rule.gain_resolution(n, matrix) == pytest.approx(1.96 * (0.1 / n) ** 0.5 / 0.1)
    clean = generator.integers(3, size=n)
    noisy = corrupt(clean, matrix, generator)
    first, second = predictions(clean, 0.9, 3, generator), predictions(clean, 0.88, 3, generator)
    differences = ((first == noisy) - 1.0 * (second == noisy)) / 0.1
    half_width = 1.96 * differences.std(ddof=1) / n**0.5
    # The variance differs from the disagreement by the square of the mean alone, and 1.96 from t by less. Five
    # deviations of the mean, which one in 1.7 million exceeds, have a square of 25 / n of the variance: 0.003 of the
    # half-width.
    assert rule.gain_resolution(n, matrix, np.mean(differences != 0)) == pytest.approx(half_width, rel=0.01)
    assert rule.predicted_gain(first, second, noisy, matrix).half_width == pytest.approx(half_width, rel=0.01)


def test_a_verdict_needs_more_than_the_resolution():
    assert rule.verdict(1.5, 1.0) == "gain"
    assert rule.verdict(-1.5, 1.0) == "loss"
    assert rule.verdict(0.5, 1.0) == rule.verdict(-1.0, 1.0) == "can't tell"


def test_lengths_that_differ_and_shares_outside_of_0_to_1_are_named():
    matrix = symmetric(3, 0.2)
    with pytest.raises(InputError, match="There are 2 labels in second but 3 noisy_labels"):
        rule.predicted_gain([0, 1, 2], [0, 1], [0, 1, 2], matrix)
    with pytest.raises(InputError, match="disagreement must lie in"):
        rule.gain_resolution(100, matrix, 0)


def test_the_margin_is_the_smallest_lead_of_a_right_label():
    assert rule.margin(np.eye(3)) == 1
    assert rule.margin([[0.6, 0.3, 0.1], [0.25, 0.5, 0.25], [0, 0, 1]]) == pytest.approx(0.25)
    assert rule.margin([[0.3, 0.7], [0, 1]]) == pytest.approx(-0.4)
    assert rule.leads([[0.3, 0.7], [0, 1]]).tolist() == pytest.approx([-0.4, 1])
    with pytest.raises(InputError):
        rule.margin([[0.5, 0.6], [0, 1]])


@given(st.integers(2, 6), st.integers(0, 1000))
def test_the_margin_does_not_depend_on_the_order_of_the_classes(n, seed):
    generator = np.random.default_rng(seed)
    matrix, order = generator.dirichlet(np.ones(n), size=n), generator.permutation(n)
    assert rule.margin(matrix[np.ix_(order, order)]) == rule.margin(matrix)


@pytest.mark.parametrize("n", [0, 1])
def test_a_gain_needs_two_labels_for_its_interval(n):
    some = np.zeros(n, dtype=int)
    with pytest.raises(InputError, match=f"An interval needs 2 noisy_labels or more, not {n}"):
        rule.predicted_gain(some, some, some, symmetric(3, 0.2))
    assert rule.predicted_gain([0, 1], [0, 0], [0, 1], symmetric(3, 0.2)).n == 2


def test_a_share_of_all_samples_may_differ_and_one_sample_has_a_resolution():
    assert rule.gain_resolution(1, np.eye(2), 1) == 1.96
    with pytest.raises(InputError, match="n_samples must be a whole number from 1 up, not 0"):
        rule.gain_resolution(0, np.eye(2))
    with pytest.raises(InputError, match="disagreement must lie in"):
        rule.gain_resolution(1, np.eye(2), np.nextafter(1, 2))


def test_a_matrix_of_which_wrong_predictions_agree_as_often_or_more_gives_no_gain():
    for matrix in ([[0.5, 0.5], [0.5, 0.5]], [[0.2, 0.8], [0.7, 0.3]]):
        for call in (lambda m: rule.gain_resolution(10, m), lambda m: rule.predicted_gain([0, 1], [1, 1], [0, 1], m)):
            with pytest.raises(InputError, match="no more than a guess, so noisy labels can't rank classifiers"):
                call(matrix)
