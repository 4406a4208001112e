import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import transitions
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, anchor, iterative_anchors

quick = few(40)


def labels(probs):
    return np.arange(len(probs)) % probs.shape[1]


def doubtful(n_classes, generator, n=60):
    """P(clean | x) of samples that belong more to one class than to all others together, shape (n, n_classes)."""
    share = generator.uniform(0.55, 1, n)[:, None]
    return share * np.eye(n_classes)[np.arange(n) % n_classes] + (1 - share) * generator.dirichlet(
        np.ones(n_classes), size=n
    )


@quick
@given(st.integers(2, 8), st.floats(0, 0.45), st.integers(0, 2**32))
def test_with_exact_posteriors_and_anchor_points_the_matrix_is_found(n_classes, rate, seed):
    generator = np.random.default_rng(seed)
    matrix = transitions.random(n_classes, rate, generator)
    probs = np.concatenate([doubtful(n_classes, generator), np.eye(n_classes)]) @ matrix
    np.testing.assert_allclose(iterative_anchors(probs, labels(probs)), matrix, atol=1e-9)


def test_a_class_that_is_mistaken_for_another_as_often_as_that_one_is_right_hides_no_anchor_point():
    # Class 0 is as often noted for samples of class 1 as for its own, so the largest P(noisy = 0 | x) tells neither
    # from their mixtures; all products are exact in binary.
    matrix = np.array([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])
    clean = np.array([[0.75, 0.25, 0.0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    probs = clean @ matrix
    assert transitions.l1_error(anchor(probs, labels(probs)), matrix) > 0.04
    np.testing.assert_allclose(iterative_anchors(probs, labels(probs)), matrix, atol=1e-12)


@quick
@given(st.integers(0, 2**32))
def test_without_anchor_points_it_comes_nearer_than_the_largest_probability_where_a_class_is_often_mistaken(seed):
    # Nobody is surer of the clean class than the first three samples. Of those in no doubt between 0 and 1 only, some
    # have a larger P(noisy = 0 | x) than the surest of class 0 has, which is pulled down by class 2.
    matrix = np.array([[0.5, 0.3, 0.2], [0.45, 0.5, 0.05], [0.1, 0.3, 0.6]])
    generator = np.random.default_rng(seed)
    surest = np.array([[0.9, 0, 0.1], [0, 0.9, 0.1], [0.1, 0, 0.9]])
    others = np.array([[0.7, 0.3, 0.0], [0.3, 0.7, 0.0], [0.2, 0.2, 0.6]])
    probs = generator.permutation(np.concatenate([surest, np.repeat(others, 10, axis=0)])) @ matrix
    plain, iterative = (
        transitions.l1_error(estimate(probs, labels(probs)), matrix) for estimate in (anchor, iterative_anchors)
    )
    np.testing.assert_allclose(iterative_anchors(probs, labels(probs)), surest @ matrix, atol=1e-12)
    assert iterative < plain


@quick
@given(st.integers(2, 6), st.sampled_from([50.0, 90.0, 97.0, 100.0]), st.integers(0, 2**32))
def test_its_rows_are_samples_at_every_percentile(n_classes, percentile, seed):
    probs = np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=80)
    found = iterative_anchors(probs, labels(probs), percentile=percentile)
    for row in found:
        assert np.abs(probs - row).sum(axis=1).min() < 1e-12


@pytest.mark.parametrize("percentile", [80.0, 90.0, 100.0])
@pytest.mark.parametrize("seed", range(8))
def test_where_the_search_does_not_settle_the_matrix_that_moved_least_is_given(percentile, seed):
    probs = np.random.default_rng(seed).dirichlet(np.full(4, 0.5), size=80)

    def read_off(scores):  # the first sample of that rank for each class, by sorting
        place = math.ceil(percentile / 100 * 80) - 1
        return np.stack([probs[np.argsort(column, kind="stable")[place]] for column in scores.T])

    tried = [np.eye(4), read_off(probs)]
    while len(tried) < 11 and np.linalg.matrix_rank(tried[-1]) == 4:
        tried.append(read_off(np.linalg.solve(tried[-1].T, probs.T).T))
        if any(np.allclose(tried[-1], each, atol=1e-14) for each in tried[:-1]):
            break
    moved = [np.abs(b - a).sum() for a, b in itertools.pairwise(tried)]
    expected = tried[1 + moved.index(min(moved))]
    np.testing.assert_allclose(iterative_anchors(probs, labels(probs), percentile=percentile), expected, atol=1e-12)


def test_two_classes_with_one_anchor_point_end_the_search_with_the_plain_anchors():
    probs = np.array([[0.5, 0.5, 0.0], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6], [0.1, 0.3, 0.6]])
    plain = anchor(probs, labels(probs))
    np.testing.assert_array_equal(plain[0], plain[1])
    np.testing.assert_array_equal(iterative_anchors(probs, labels(probs)), plain)


def test_the_named_one_takes_the_97th_percentile_and_withstands_an_outlier():
    matrix = transitions.symmetric(3, 0.3)
    probs = np.concatenate([np.repeat(np.eye(3), 10, axis=0), doubtful(3, np.random.default_rng(0), 170)]) @ matrix
    probs[-1] = [0.98, 0.01, 0.01]
    named = ESTIMATORS["iterative-anchors"](probs, labels(probs))
    np.testing.assert_allclose(named, iterative_anchors(probs, labels(probs), percentile=97))
    np.testing.assert_allclose(named, matrix, atol=1e-12)
    assert transitions.l1_error(iterative_anchors(probs, labels(probs)), matrix) > 0.1


@pytest.mark.parametrize("percentile", [0, -1, 100.1, float("nan")])
def test_a_percentile_lies_above_0_and_up_to_100(percentile):
    with pytest.raises(InputError, match=re.escape(f"percentile must lie in (0, 100], not {percentile!r}.")):
        iterative_anchors(np.full((4, 2), 0.5), [0, 1, 0, 1], percentile=percentile)
