"""What holds of every estimator of T, and of what is built on T, whatever valid input it is given."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import answered, labels_of, levels, matrices, samples, seeds, sizes, tried

from labelnoise import statistics, transitions
from labelnoise.estimators import (
    ESTIMATORS,
    FEATURE_ESTIMATORS,
    as_rows,
    bootstrap_deviation,
    clean_posterior,
    combined,
    interval,
    likelihood_deviation,
    maximum_likelihood,
    rule,
    scaled,
    temperature,
    tempered_likelihood,
    unmixed,
    wrong_labels,
)

OF_PROBABILITIES = {
    **ESTIMATORS,
    "maximum-likelihood": maximum_likelihood,
    "tempered-likelihood": lambda probs, labels: tempered_likelihood(probs, labels)[0],
}
by_name, by_feature = (st.sampled_from(sorted(each)) for each in (OF_PROBABILITIES, FEATURE_ESTIMATORS))
UNTIED = ("as drawn",)  # of classes that tie, the first is taken


@tried
@given(by_name, samples())
def test_every_estimate_is_a_transition_matrix_and_leaves_its_input_alone(name, drawn):
    probs, labels = (array.copy() for array in drawn)
    found = OF_PROBABILITIES[name](probs, labels)
    np.testing.assert_array_equal(transitions.validate(found, probs.shape[1]), found)
    for after, before in zip((probs, labels), drawn, strict=True):
        np.testing.assert_array_equal(after, before)


@tried
@given(st.sampled_from(["argmax-counts", "confident-learning", "dual-t", "maximum-likelihood", "selective-threshold"]),
       st.integers(2, 5), st.data(), seeds)  # fmt: skip
def test_from_certain_probabilities_and_exact_counts_the_matrix_is_found(name, n, data, seed):
    counts = data.draw(hnp.arrays(np.int64, (n, n), elements=st.integers(0, 3)))
    np.fill_diagonal(counts, data.draw(st.lists(st.integers(20, 30), min_size=n, max_size=n)))
    clean, noisy = np.repeat(np.indices((n, n)).reshape(2, -1), counts.ravel(), axis=1)
    order = np.random.default_rng(seed).permutation(len(clean))
    found = OF_PROBABILITIES[name](np.eye(n)[clean[order]], noisy[order])
    np.testing.assert_allclose(found, counts / counts.sum(axis=1, keepdims=True), atol=1e-9)


@tried
@given(by_name, samples(UNTIED), seeds)
def test_other_names_of_the_classes_name_rows_and_columns_otherwise(name, drawn, seed):
    probs, labels = drawn[0].astype(np.float64), drawn[1]
    order = np.random.default_rng(seed).permutation(probs.shape[1])
    renamed = OF_PROBABILITIES[name](probs[:, order], np.argsort(order)[labels])
    expected = OF_PROBABILITIES[name](probs, labels)[np.ix_(order, order)]
    # Those that search end a little apart when sums are rounded in another order.
    np.testing.assert_allclose(renamed, expected, atol=1e-3 if name.endswith("likelihood") else 1e-9)


FEATURES = st.sampled_from([np.float16, np.float32, np.float64])


@st.composite
def features(draw):
    """Features with zeros, rows that are alike and columns of one value, in any unit, and labels."""
    n_classes = draw(st.integers(2, 4))
    n = draw(st.integers(max(n_classes, 3), 20))
    drawn = np.random.default_rng(draw(seeds)).standard_normal((n, draw(st.integers(1, 4))))
    drawn[draw(st.lists(st.integers(0, n - 1), max_size=5))] = draw(st.sampled_from([0.0, 1.0]))
    if draw(st.booleans()):
        drawn[:, 0] = draw(st.sampled_from([0.0, -3.0]))
    return drawn.astype(draw(FEATURES)), draw(labels_of(n, n_classes))


def of_features(name, given, labels):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "HOC stopped", RuntimeWarning)
        return FEATURE_ESTIMATORS[name](given, labels)


@tried
@given(by_feature, features())
def test_every_estimate_from_features_is_a_transition_matrix(name, drawn):
    found = of_features(name, *drawn)
    np.testing.assert_array_equal(transitions.validate(found, drawn[1].max() + 1), found)


@tried
@given(by_feature, features(), st.integers(-900, 900))
def test_features_in_any_unit_give_the_same_matrix(name, drawn, exponent):
    given, labels = drawn[0].astype(np.float64), drawn[1]
    np.testing.assert_array_equal(
        of_features(name, np.ldexp(given, exponent), labels), of_features(name, given, labels)
    )


@tried
@given(hnp.arrays(np.int64, (4, 4), elements=st.integers(0, 9)))
def test_rows_of_counts_are_a_transition_matrix(counts):
    found = as_rows(counts)
    np.testing.assert_array_equal(transitions.validate(found), found)
    np.testing.assert_allclose(found * counts.sum(axis=1, keepdims=True), counts, atol=1e-12)


# Likelihoods


@tried
@given(samples(most=25), seeds)
def test_a_matrix_of_maximum_likelihood_is_as_likely_as_the_one_it_started_from_and_has_deviations(drawn, seed):
    probs, labels = drawn
    start = np.random.default_rng(seed).dirichlet(np.full(probs.shape[1], 3), size=probs.shape[1])
    found = maximum_likelihood(probs, labels, start=start)

    def likelihood(matrix):
        each = (probs.astype(np.float64) @ matrix)[np.arange(len(labels)), labels]
        assert (each > 0).all()
        return np.log(each).mean()

    assert likelihood(found) >= likelihood(start) - 1e-9
    deviation = likelihood_deviation(probs, labels, found)
    assert deviation.shape == found.shape
    assert np.isfinite(deviation).all()
    assert (deviation >= 0).all()


@tried
@given(samples(), st.floats(0.1, 10), st.floats(0.1, 10))
def test_temperatures_give_probabilities_multiply_and_keep_what_is_likeliest(drawn, first, second):
    probs, labels = drawn
    found = temperature(probs, labels)
    assert 1 / 149 < found < 149
    for each in (found, first):
        np.testing.assert_allclose(scaled(probs, each).sum(axis=1), 1, atol=1e-12)
    once = scaled(probs, first)
    assert (once[np.arange(len(probs)), probs.argmax(axis=1)] >= once.max(axis=1) - 1e-12).all()
    np.testing.assert_allclose(scaled(probs, 1), probs, atol=1e-3 if probs.dtype == np.float32 else 1e-12)
    positive = np.maximum(probs.astype(np.float64), 1e-3)
    twice = scaled(scaled(positive, first), second)
    np.testing.assert_allclose(twice, scaled(positive, first * second), atol=1e-9)


@tried
@given(samples(), st.data())
def test_what_is_thought_of_labels_are_probabilities_classes_and_factors(drawn, data):
    probs, labels = drawn
    n_classes = probs.shape[1]
    matrix = data.draw(matrices(st.just(n_classes)))
    clean = unmixed(probs, matrix)
    np.testing.assert_allclose(clean.sum(axis=1), 1, atol=1e-9)
    assert clean.min() >= 0
    np.testing.assert_allclose(unmixed(probs, np.eye(n_classes)), probs, atol=1e-6)
    judged = wrong_labels(probs, labels, matrix)
    assert set(judged.suggestions) <= set(range(n_classes))
    assert ((judged.p_wrong >= -1e-12) & (judged.p_wrong <= 1)).all()
    assert (np.isfinite(judged.times) & (judged.times >= 0)).all()
    sure = clean_posterior(0.5 * probs + 0.5 / n_classes, labels, np.eye(n_classes))
    np.testing.assert_array_equal(sure, np.eye(n_classes)[labels])


# Intervals


@tried
@given(st.integers(1, 4), sizes, st.floats(0, 10), levels, levels, seeds)
def test_intervals_of_fits_hold_their_mean_and_widen_with_their_level(n_fits, n, spread, level, other, seed):
    generator = np.random.default_rng(seed)
    fits = generator.dirichlet(np.full(n, 0.3), size=(n_fits, n))
    deviation = spread * generator.random((n, n))
    narrow, wide = (combined(fits, deviation, each) for each in sorted([level, other]))
    for bounds in (narrow, wide):
        assert (bounds.low <= bounds.estimate + 1e-12).all()
        assert (bounds.estimate <= bounds.high + 1e-12).all()
        assert bounds.low.min() >= 0
        assert bounds.high.max() <= 1
    assert (wide.low <= narrow.low).all()
    assert (narrow.high <= wide.high).all()


@tried
@given(by_name.filter(lambda name: "likelihood" not in name), samples(most=15), levels, seeds)
def test_an_interval_holds_the_estimate(name, drawn, level, seed):
    estimate = OF_PROBABILITIES[name]
    bounds = interval(estimate, *drawn, level=level, resamples=3, seed=seed)
    np.testing.assert_array_equal(bounds.estimate, estimate(*drawn))
    assert bounds.covers(bounds.estimate).all()
    deviation = bootstrap_deviation(estimate, *drawn, resamples=3, seed=seed)
    assert (deviation >= 0).all()
    assert (deviation <= 1).all()  # of numbers from 0 to 1


# Whether correction is worth it


@tried
@given(matrices(), st.integers(2, 30), seeds)
def test_a_gain_changes_its_sign_with_the_order_and_lies_in_its_interval(matrix, n, seed):
    generator = np.random.default_rng(seed)
    first, second, labels = generator.integers(len(matrix), size=(3, n))
    leads = rule.leads(matrix)
    assert rule.margin(matrix) == leads.min()
    assert np.abs(leads).max() <= 1
    assert rule.slope(np.eye(len(matrix))) == 1
    found, refused = answered(rule.predicted_gain, first, second, labels, matrix)
    if refused:
        assert "can't rank classifiers" in refused
        assert matrix.diagonal().mean() <= 1 / len(matrix) + 1e-12
        return
    turned = rule.predicted_gain(second, first, labels, matrix)
    assert turned == statistics.Interval(-found.mean, -found.high, -found.low, found.deviation, n)
    assert found.low <= found.mean <= found.high
    four_times = rule.gain_resolution(4 * n, matrix)
    assert 0 < 2 * four_times == pytest.approx(rule.gain_resolution(n, matrix))
    expected = {-1: "loss", 0: "can't tell", 1: "gain"}[int(np.sign(found.mean))]
    assert rule.verdict(found.mean, 0) == expected
    assert rule.verdict(found.mean, abs(found.mean)) == "can't tell"
