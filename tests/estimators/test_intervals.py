import re
import statistics
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import names, noise, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import (
    Bounds,
    _inputs,
    _intervals,
    argmax_counts,
    bootstrap_deviation,
    combined,
    interval,
    likelihood_deviation,
    maximum_likelihood,
)

quick = few(15)
Z = scipy.stats.norm.ppf(0.975)


def known(matrix, n, seed):
    """Certain clean classes as probabilities, n of each, and noisy labels drawn for them."""
    clean = np.repeat(np.arange(len(matrix)), n)
    return np.eye(len(matrix))[clean], noise.corrupt(clean, matrix, np.random.default_rng(seed))


def drawn(matrix, n, seed):
    """Clean posteriors, shape (n, n_classes), and the noisy labels of clean classes drawn from them."""
    generator = np.random.default_rng(seed)
    posteriors = generator.dirichlet(np.full(len(matrix), 0.3), size=n)
    clean = (posteriors.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1).clip(max=len(matrix) - 1)
    return posteriors, noise.corrupt(clean, matrix, generator)


def test_intervals_cover_as_often_as_they_say():
    # Rows of different clean classes are independent, so that the covered diagonal entries of all draws are binomial.
    # Wrong with probability 2e-6 at a coverage of exactly 0.95.
    matrix, draws = transitions.symmetric(9, 0.3), 50
    covered = sum(
        int(interval(argmax_counts, *known(matrix, 100, seed), resamples=50, seed=seed).covers(matrix).diagonal().sum())
        for seed in range(draws)
    )
    low, high = scipy.stats.binom.ppf([1e-6, 1 - 1e-6], 9 * draws, 0.95)
    assert low <= covered <= high < 9 * draws


def test_the_bootstrap_finds_the_deviation_of_counts():
    # A deviation over B resamples has a relative standard error of 1 / sqrt(2 B); five of them, for nine entries: one
    # in 190,000 fails.
    probs, labels = known(names.named("paper-0.5", 3), 500, seed=1)
    bounds = interval(argmax_counts, probs, labels, resamples=400)
    expected = np.sqrt(bounds.estimate * (1 - bounds.estimate) / 500)
    np.testing.assert_array_equal(bounds.estimate, argmax_counts(probs, labels))
    np.testing.assert_allclose((bounds.high - bounds.low) / (2 * Z), expected, rtol=5 / np.sqrt(800))


def test_the_seed_decides_and_the_inputs_are_left_alone():
    probs, labels = known(transitions.symmetric(3, 0.3), 50, seed=0)
    before = probs.copy(), labels.copy()
    first, again, other = (interval(argmax_counts, probs, labels, resamples=10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.low, again.low)
    assert (first.low != other.low).any()
    np.testing.assert_array_equal(probs, before[0])
    np.testing.assert_array_equal(labels, before[1])


def test_a_class_with_one_noisy_label_is_in_every_resample():
    probs = np.eye(3)[np.arange(60) % 2]
    labels = np.append(np.arange(59) % 2, 2)
    bounds = interval(argmax_counts, probs, labels)
    assert (bounds.low <= bounds.high).all()
    assert bounds.high[1, 2] > bounds.estimate[1, 2]


def test_copies_of_one_fit_say_what_the_fit_says():
    probs, labels = known(transitions.symmetric(3, 0.3), 50, seed=0)
    one = interval(argmax_counts, probs, labels, resamples=10)
    three = interval(argmax_counts, np.stack([probs] * 3), labels, resamples=10)
    np.testing.assert_allclose(three.low, one.low, atol=1e-12)
    np.testing.assert_allclose(three.high, one.high, atol=1e-12)


def test_a_stack_of_one_fit_says_what_the_fit_says():
    probs, labels = known(transitions.symmetric(3, 0.3), 50, seed=0)
    one, stacked = (interval(argmax_counts, given, labels, resamples=10) for given in (probs, probs[None]))
    np.testing.assert_array_equal(stacked.low, one.low)


def test_fits_that_disagree_widen_the_interval():
    probs, labels = known(transitions.symmetric(3, 0.4), 100, seed=0)
    generator = np.random.default_rng(0)
    fits = np.stack([np.roll(probs, shift, axis=0) for shift in (0, 10, 20)])
    bounds = interval(argmax_counts, fits, labels, resamples=20)
    singles = [interval(argmax_counts, fit, labels, resamples=20) for fit in fits]
    widest = np.max([single.high - single.low for single in singles], axis=0)
    assert (bounds.high - bounds.low > widest).diagonal().all()
    np.testing.assert_allclose(bounds.estimate, np.mean([single.estimate for single in singles], axis=0))
    order = generator.permutation(3)
    np.testing.assert_allclose(interval(argmax_counts, fits[order], labels, resamples=20).high, bounds.high)


@quick
@given(st.integers(1, 5), st.floats(0, 0.5), st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_variances_add_up_and_ends_stay_probabilities(n_fits, deviation, level, seed):
    matrices = np.random.default_rng(seed).dirichlet(np.ones(3), size=(n_fits, 3))
    bounds = combined(matrices, np.full((3, 3), deviation), level)
    between = np.array([m - matrices.mean(axis=0) for m in matrices])
    variance = deviation**2 + (between**2).sum(axis=0) / max(n_fits - 1, 1)
    half = scipy.stats.norm.isf((1 - level) / 2) * np.sqrt(variance)
    np.testing.assert_allclose(bounds.low, np.clip(matrices.mean(axis=0) - half, 0, 1), atol=1e-12)
    np.testing.assert_allclose(bounds.high, np.clip(matrices.mean(axis=0) + half, 0, 1), atol=1e-12)
    assert bounds.covers(bounds.estimate).all()


def test_an_entry_is_covered_up_to_both_ends():
    bounds = Bounds(np.full((2, 2), 0.5), np.full((2, 2), 0.25), np.full((2, 2), 0.75))
    assert bounds.covers([[0.25, 0.75], [0.25, 0.75]]).all()
    np.testing.assert_array_equal(bounds.covers([[0.2, 0.8], [0.5, 0.5]]), [[False, False], [True, True]])


def test_tensors_are_taken_with_the_rounding_of_bfloat16():
    posteriors, labels = drawn(transitions.symmetric(5, 0.2), 500, 0)
    tensor = torch.from_numpy(posteriors).bfloat16().requires_grad_()
    bounds = interval(argmax_counts, tensor, torch.from_numpy(labels), resamples=3)
    np.testing.assert_array_equal(bounds.estimate, argmax_counts(tensor, labels))


@pytest.mark.parametrize("name", ["paper-0.5", "[[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]]"])
def test_the_deviation_is_that_of_the_whole_information_matrix(name):
    # All 9 entries at once, on a basis of the directions that keep the sums of rows.
    posteriors, labels = drawn(names.named(name, 3), 3000, seed=1)
    estimate = maximum_likelihood(posteriors, labels, tolerance=1e-12)
    slopes = np.zeros((3000, 3, 3))
    slopes[np.arange(3000), :, labels] = posteriors / (posteriors @ estimate)[np.arange(3000), labels, None]
    slopes = slopes.reshape(3000, 9)
    basis = np.kron(np.eye(3), scipy.linalg.null_space(np.ones((1, 3))))
    covariance = basis @ np.linalg.inv(basis.T @ slopes.T @ slopes @ basis) @ basis.T
    expected = np.sqrt(covariance.diagonal()).reshape(3, 3)
    np.testing.assert_allclose(likelihood_deviation(posteriors, labels, estimate), expected, rtol=1e-5)


def test_the_deviation_is_that_of_the_bootstrap():
    # Five standard errors of a deviation over 200 resamples.
    posteriors, labels = drawn(names.named("paper-0.5", 3), 3000, seed=0)
    found = maximum_likelihood(posteriors, labels)

    def from_there(probs, labels):
        return maximum_likelihood(probs, labels, start=found, tolerance=1e-8)

    bounds = interval(from_there, posteriors, labels, resamples=200)
    deviation = likelihood_deviation(posteriors, labels, found)
    assert bounds.low.min() > 0
    np.testing.assert_allclose((bounds.high - bounds.low) / (2 * Z), deviation, rtol=5 / np.sqrt(400))


@quick
@given(st.integers(2, 6), st.integers(0, 2**32))
def test_known_clean_classes_have_the_deviation_of_a_multinomial(n_classes, seed):
    probs, labels = known(transitions.symmetric(n_classes, 0.5), 100, seed)
    counts = noise.oracle(probs.argmax(axis=1), labels, n_classes)
    deviation = likelihood_deviation(probs, labels, counts)
    seen = counts > 0
    np.testing.assert_allclose(deviation[seen], np.sqrt(counts * (1 - counts) / 100)[seen], rtol=0.02)
    whole = seen.all(axis=1)
    np.testing.assert_allclose(deviation[whole], np.sqrt(counts * (1 - counts) / 100)[whole], rtol=1e-5)
    # Of no flip among 100, the scale of the likelihood; 1 % is the part that its curvature takes.
    np.testing.assert_allclose(deviation[~seen], 1 / 100, rtol=0.02)


def test_an_entry_that_is_held_at_0_deviates_by_the_inverse_of_the_slope_there():
    probs, labels = np.repeat([[0.8, 0.2], [0.2, 0.8]], 100, axis=0), np.repeat([0, 1], 100)

    def log_likelihood(matrix):
        return np.log((probs @ matrix)[np.arange(200), labels]).sum()

    step = 1e-6
    slope = (log_likelihood(np.eye(2)) - log_likelihood(np.array([[1 - step, step], [0, 1]]))) / step
    deviation = likelihood_deviation(probs, labels, np.eye(2))
    # A little less, by the curvature that there is too.
    assert deviation[0, 1] == deviation[1, 0] == pytest.approx(1 / slope, rel=0.02)


@quick
@given(st.permutations(range(4)), st.integers(0, 2**32))
def test_renaming_the_classes_renames_the_deviations(order, seed):
    posteriors, labels = drawn(transitions.symmetric(4, 0.2), 400, seed)
    found = maximum_likelihood(posteriors, labels)
    deviation = likelihood_deviation(posteriors, labels, found)
    grid = np.ix_(order, order)
    renamed = likelihood_deviation(posteriors[:, order], np.argsort(order)[labels], found[grid])
    np.testing.assert_allclose(renamed, deviation[grid], rtol=1e-6)


def test_at_the_border_the_interval_still_reaches_what_is_likely():
    # Pair flips: a third of T is 0. An entry near 0 is covered at least as often as it says, wrong with 1e-6.
    matrix, draws = transitions.pair_flip(3, 0.3), 60
    covered = 0
    for seed in range(draws):
        posteriors, labels = drawn(matrix, 300, seed)
        found = maximum_likelihood(posteriors, labels, tolerance=1e-7)
        bounds = combined(found[None], likelihood_deviation(posteriors, labels, found))
        covered += int(bounds.covers(matrix)[0, 2])
        assert bounds.high[0, 2] < 0.5
    assert covered >= scipy.stats.binom.ppf(1e-6, draws, 0.95)


def test_a_class_without_probability_is_left_open():
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 300, 0)
    posteriors = np.column_stack([posteriors[:, :2] / posteriors[:, :2].sum(axis=1, keepdims=True), np.zeros(300)])
    found = maximum_likelihood(posteriors, labels)
    deviation = likelihood_deviation(posteriors, labels, found)
    assert deviation[2].min() > 10
    assert deviation[:2].max() < 0.2
    bounds = combined(found[None], deviation)
    np.testing.assert_array_equal((bounds.low[2], bounds.high[2]), (np.zeros(3), np.ones(3)))


def test_a_label_with_fewer_samples_than_classes_is_bound_by_the_other_columns():
    matrix = transitions.symmetric(4, 0.3)
    posteriors, labels = drawn(matrix, 2000, 0)
    kept = np.append(np.flatnonzero(labels != 3), np.flatnonzero(labels == 3)[:2])
    posteriors, labels = posteriors[kept], labels[kept]
    deviation = likelihood_deviation(posteriors, labels, maximum_likelihood(posteriors, labels))
    assert deviation.max() < 0.1


def test_a_large_input_needs_little_memory_beside_itself():
    posteriors, labels = drawn(transitions.symmetric(10, 0.3), 60_000, 0)
    matrix = transitions.symmetric(10, 0.3)
    tracemalloc.start()
    likelihood_deviation(posteriors, labels, matrix)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < posteriors.nbytes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: interval(argmax_counts, p[0], y), "pred_probs must have shape ([n_fits,] n_samples, n_classes)"),
        (lambda p, y: interval(argmax_counts, p, y, resamples=1), "resamples must be a whole number from 2 up, not 1."),
        (lambda p, y: interval(argmax_counts, p, y, level=95), "level must lie in (0, 1), up to 1 - 1e-15, not 95."),
        (lambda p, y: interval(argmax_counts, p, y[1:]), "There are 30 rows of pred_probs but 29 noisy_labels."),
        (lambda p, y: combined(np.eye(3), np.eye(3)), "shape (n_fits, n_classes, n_classes), not (3, 3)."),
        (lambda p, y: combined(np.ones((1, 3, 2)), np.eye(3)), "shape (n_fits, n_classes, n_classes), not (1, 3, 2)."),
        (lambda p, y: combined(np.ones((0, 3, 3)), np.eye(3)), "shape (n_fits, n_classes, n_classes), not (0, 3, 3)."),
        (lambda p, y: combined([np.eye(3)], [0.1]), "The deviation must have the shape (3, 3) of one matrix, not (1,)"),
        (lambda p, y: combined([np.eye(3)], -np.eye(3)), "Each deviation must be 0 or more, not -1.0."),
        (lambda p, y: combined([np.eye(3)], np.eye(3)).covers(np.eye(2)), "The transition matrix has 2 classes"),
        (lambda p, y: likelihood_deviation(p, (y + 1) % 3, np.eye(3)), "pass the one that maximum_likelihood finds"),
    ],
)
def test_what_can_not_be_used_is_refused(call, message):
    probs, labels = known(np.eye(3), 10, 0)
    with pytest.raises(InputError, match=re.escape(message)):
        call(probs, labels)


def test_unless_told_otherwise_it_is_95_percent_by_100_resamples_as_seed_0_draws_them():
    probs, labels = known(transitions.symmetric(3, 0.3), 50, seed=0)
    usual, asked = interval(argmax_counts, probs, labels), {"level": 0.95, "resamples": 100, "seed": 0}
    for name, value in asked.items():
        np.testing.assert_array_equal(interval(argmax_counts, probs, labels, **{name: value}).low, usual.low)
    for name, other in {"level": 0.9, "resamples": 99, "seed": 1}.items():
        assert (interval(argmax_counts, probs, labels, **{name: other}).low != usual.low).any()
    deviation = bootstrap_deviation(argmax_counts, probs, labels)
    np.testing.assert_allclose((usual.high - usual.low)[usual.low > 0], 2 * Z * deviation[usual.low > 0])
    estimate = argmax_counts(probs, labels)[None]
    np.testing.assert_array_equal(combined(estimate, deviation).low, usual.low)


def test_the_deviation_of_many_classes_is_that_of_matrices_in_full(monkeypatch):
    probs, labels = known(transitions.pair_flip(5, 0.3), 20, seed=0)
    full = bootstrap_deviation(argmax_counts, probs, labels, resamples=5)
    monkeypatch.setattr(_intervals, "MANY", 4)
    np.testing.assert_array_equal(bootstrap_deviation(argmax_counts, probs, labels, resamples=5), full)


def test_many_classes_take_the_memory_of_the_flips_that_occur(monkeypatch):
    monkeypatch.setattr(_inputs, "BLOCK_BYTES", 2**14)
    n, resamples = 200, 20
    probs, labels = np.eye(n), np.roll(np.arange(n), 1)
    peaks = []
    for many in (n, n - 1):
        monkeypatch.setattr(_intervals, "MANY", many)
        tracemalloc.start()
        bootstrap_deviation(argmax_counts, probs, labels, resamples=resamples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < resamples * 8 * n**2 / 2 < peaks[0]


@pytest.mark.parametrize("of", [interval, bootstrap_deviation])
def test_what_estimates_is_a_function(of):
    with pytest.raises(InputError, match=re.escape("estimate must be a function such as labelnoise.anchor, not 'any'")):
        of("any", *known(np.eye(3), 10, 0))


def test_a_label_that_the_matrix_rules_out_is_named_with_its_sample_and_its_probability():
    probs, labels = np.array([[0.5, 0.5], [1, 0], [0.5, 0.5], [0, 1]]), np.array([1, 1, 0, 1])
    with pytest.raises(InputError, match="gives sample 1 its noisy label 1 with probability 0;"):
        likelihood_deviation(probs, labels, np.eye(2))


def test_an_entry_away_from_0_has_the_deviation_of_its_curvature_where_the_maximum_is_not_quite_reached():
    # A T that is off by two hundredths has slopes, but no entry is held by them.
    probs, labels = np.eye(2)[np.repeat([0, 1], 100)], np.repeat([0, 1, 1, 0], [80, 20, 70, 30])
    # The curvature of a sum of counts times logarithms is the sum of counts over squares, as one entry ties the other.
    for off in (0, 0.02, -0.02):
        matrix = np.array([[0.8 - off, 0.2 + off], [0.3 + off, 0.7 - off]])
        curvature = (np.array([[80, 20], [30, 70]]) / matrix**2).sum(axis=1, keepdims=True)
        expected = np.tile(curvature**-0.5, (1, 2))
        np.testing.assert_allclose(likelihood_deviation(probs, labels, matrix), expected, rtol=1e-5)


@pytest.mark.parametrize("resamples", [2, 3, 10])
def test_the_deviation_of_resamples_is_that_of_a_sample_by_hand(resamples):
    seen = []

    def watched(probs, labels):
        seen.append(argmax_counts(probs, labels))
        return seen[-1]

    deviation = bootstrap_deviation(watched, *known(transitions.symmetric(3, 0.3), 50, seed=0), resamples=resamples)
    assert len(seen) == resamples
    for i, j in np.ndindex(3, 3):
        assert deviation[i, j] == pytest.approx(statistics.stdev(each[i, j] for each in seen))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noisy_labels": np.repeat([0, 1, 3], 10)}, "noisy_labels has 3 in row 20; with 3 classes"),
        ({"noisy_labels": np.repeat([0, 1, 2], 9)}, "There are 30 rows of pred_probs but 27 noisy_labels."),
        ({"pred_probs": np.empty((0, 30, 3))}, "n_samples, n_classes), not (0, 30, 3)."),
        ({"pred_probs": np.empty((30, 0))}, "n_samples, n_classes), not (30, 0)."),
        ({"pred_probs": np.ones((1, 1, 30, 3))}, "n_samples, n_classes), not (1, 1, 30, 3)."),
        ({"resamples": 1}, "resamples must be a whole number from 2 up, not 1."),
        ({"seed": -1}, "seed must be a whole number from 0 up, not -1."),
    ],
)
def test_resampling_checks_what_it_takes_whatever_estimates(change, message):
    probs, labels = known(np.eye(3), 10, 0)
    with pytest.raises(InputError, match=re.escape(message)):
        bootstrap_deviation(lambda p, y: np.eye(3), **{"pred_probs": probs, "noisy_labels": labels, **change})


def test_of_no_flip_among_the_samples_of_a_class_their_number_is_the_scale():
    labels = np.repeat([0, 1], [100, 50])
    deviation = likelihood_deviation(np.eye(2)[labels], labels, np.eye(2))
    assert (deviation[0, 1], deviation[1, 0]) == pytest.approx((1 / 100, 1 / 50), rel=0.02)
