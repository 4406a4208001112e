import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelnoise import transitions
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, anchor

quick = settings(deadline=None, max_examples=40)


def posteriors(matrix, n, seed, anchors=1):
    """Exact P(noisy | x), shape (n, n_classes), with `anchors` samples of each class without doubt, and labels."""
    n_classes = len(matrix)
    generator = np.random.default_rng(seed)
    clean = generator.dirichlet(np.ones(n_classes), size=n)
    clean[: n_classes * anchors] = np.repeat(np.eye(n_classes), anchors, axis=0)
    return generator.permutation(clean) @ matrix, np.arange(n) % n_classes


@st.composite
def matrices(draw):
    """Matrices with the largest entry of each column on the diagonal, so that anchor points stand out."""
    n_classes, rate = draw(st.integers(2, 8)), draw(st.floats(0, 0.45))
    return transitions.random(n_classes, rate, np.random.default_rng(draw(st.integers(0, 2**32))))


@quick
@given(matrices(), st.integers(0, 2**32))
def test_with_exact_posteriors_and_anchor_points_the_matrix_is_found(matrix, seed):
    np.testing.assert_allclose(anchor(*posteriors(matrix, 60, seed)), matrix, atol=1e-12)


def test_the_papers_matrix_is_found_with_its_rows_as_clean_classes():
    matrix = transitions.named("paper-0.5", 3)
    np.testing.assert_allclose(anchor(*posteriors(matrix, 60, 0)), matrix, atol=1e-12)


@quick
@given(st.sampled_from(sorted(ESTIMATORS)), matrices(), st.integers(0, 2**32))
def test_every_estimate_is_a_transition_matrix(name, matrix, seed):
    n_classes = len(matrix)
    probs = np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=50)
    estimate = ESTIMATORS[name](probs, np.arange(50) % n_classes)
    np.testing.assert_array_equal(transitions.validate(estimate, n_classes), estimate)


@quick
@given(st.sampled_from(sorted(ESTIMATORS)), st.permutations(range(4)), st.integers(0, 2**32))
def test_renaming_the_classes_renames_the_rows_and_columns(name, order, seed):
    generator = np.random.default_rng(seed)
    probs, labels = generator.dirichlet(np.ones(4), size=80), np.arange(80) % 4
    renamed = ESTIMATORS[name](probs[:, order], np.argsort(order)[labels])
    np.testing.assert_allclose(renamed, ESTIMATORS[name](probs, labels)[np.ix_(order, order)], atol=1e-12)


@quick
@given(st.sampled_from(sorted(ESTIMATORS)), st.integers(0, 2**32))
def test_the_order_of_the_samples_does_not_matter(name, seed):
    generator = np.random.default_rng(seed)
    probs, labels = generator.dirichlet(np.ones(4), size=80), np.arange(80) % 4
    order = generator.permutation(80)
    np.testing.assert_array_equal(ESTIMATORS[name](probs[order], labels[order]), ESTIMATORS[name](probs, labels))


@quick
@given(st.integers(0, 2**32))
def test_percentile_100_is_the_maximum(seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(3), size=50)
    labels = np.arange(50) % 3
    expected = np.stack([probs[probs[:, i].argmax()] for i in range(3)])
    np.testing.assert_allclose(anchor(probs, labels, percentile=100), expected)
    np.testing.assert_array_equal(ESTIMATORS["anchor-max"](probs, labels), anchor(probs, labels))


def test_a_percentile_counts_from_below():
    share = np.arange(1, 101) / 101
    probs = np.stack([share, 1 - share], axis=1)
    for percentile in (1, 50, 97, 100):
        found = anchor(probs, np.arange(100) % 2, percentile=percentile)
        assert found[0, 0] == pytest.approx(share[percentile - 1])


def test_a_percentile_below_100_withstands_an_outlier_and_the_maximum_does_not():
    matrix = transitions.named("paper-0.5", 3)
    probs, labels = posteriors(matrix, 300, 0, anchors=30)
    probs[np.flatnonzero(probs[:, 0] < 0.5)[0]] = [0.98, 0.01, 0.01]
    np.testing.assert_allclose(ESTIMATORS["anchor-97"](probs, labels), matrix, atol=1e-12)
    assert transitions.l1_error(ESTIMATORS["anchor-max"](probs, labels), matrix) > 0.2


GOOD = np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    ("probs", "labels", "message"),
    [
        (GOOD[0], [0, 1], "pred_probs must have shape (n_samples, n_classes), not (2,)."),
        (GOOD[:, :1], [0, 0, 0], "pred_probs must have shape (n_samples, n_classes), not (3, 1)."),
        (GOOD[:0], [], "pred_probs must have shape (n_samples, n_classes), not (0, 2)."),
        (np.eye(2, dtype=int), [0, 1], "pred_probs must be floating-point probabilities, not int64."),
        ([[0.7, 0.3], [np.nan, 0.5]], [0, 1], "pred_probs has a value that is not finite in row 1."),
        ([[np.inf, 0.3], [0.5, 0.5]], [0, 1], "pred_probs has a value that is not finite in row 0."),
        ([[0.5, 0.5], [3.0, -1.0]], [0, 1], "Row 1 of pred_probs sums to 2 with minimum -1; rows must be probabiliti"),
        ([[0.5, 0.5], [1.5, -0.5]], [0, 1], "Row 1 of pred_probs sums to 1 with minimum -0.5"),
        ([[0.5, 0.4], [0.5, 0.5]], [0, 1], "Row 0 of pred_probs sums to 0.9"),
        (GOOD, [0, 1], "There are 3 rows of pred_probs but 2 noisy_labels."),
        (GOOD, [0, 1, 2], "noisy_labels has 2 in row 2; with 2 classes"),
        (GOOD, [0, -1, 1], "noisy_labels has -1 in row 1"),
        (GOOD, [0.0, 1.0, 1.0], "noisy_labels must be integers, not float64"),
        (GOOD, [0, 0, 0], "Class 1 has no noisy label; drop its column or pass more samples."),
    ],
)
def test_inputs_that_can_not_be_used_are_refused(name, probs, labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ESTIMATORS[name](probs, labels)


@pytest.mark.parametrize("percentile", [0, -1, 100.1, float("nan")])
def test_a_percentile_lies_above_0_and_up_to_100(percentile):
    with pytest.raises(InputError, match=re.escape(f"percentile must lie in (0, 100], not {percentile!r}.")):
        anchor(GOOD, [0, 1, 1], percentile=percentile)


def test_float32_probabilities_are_taken():
    assert anchor(GOOD.astype(np.float32), [0, 1, 1]).dtype == np.float64


def test_the_inputs_are_left_alone():
    probs = GOOD.copy()
    anchor(probs, [0, 1, 1])[:] = 0
    np.testing.assert_array_equal(probs, GOOD)
