import itertools
import re
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from strategies import few

from labelnoise import names, noise, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import hoc
from labelnoise.estimators._consensus import consensus, distance, match, two_nearest

quick = few(25)


def implied(matrix, p):
    """The frequencies of one, two and three noisy labels that T and p imply."""
    return (
        p @ matrix,
        np.einsum("i,ij,ik->jk", p, matrix, matrix),
        np.einsum("i,ij,ik,il->jkl", p, matrix, matrix, matrix),
    )


def clusters(matrix, n_clusters, seed):
    """Features in groups of three neighbours that share their class; the noisy and the clean labels."""
    generator = np.random.default_rng(seed)
    clean = np.repeat(generator.integers(0, len(matrix), n_clusters), 3)
    features = np.repeat(generator.standard_normal((n_clusters, 16)), 3, axis=0)
    features += 1e-3 * generator.standard_normal(features.shape)
    return features, noise.corrupt(clean, matrix, generator), clean


@quick
@given(st.integers(2, 6), st.integers(0, 2**32))
def test_frequencies_are_symmetric_and_each_order_holds_those_below(n_classes, seed):
    triples = np.random.default_rng(seed).integers(0, n_classes, size=(50, 3))
    first, second, third = consensus(triples, n_classes)
    assert third.sum() == pytest.approx(1)
    np.testing.assert_allclose(third, third.transpose(2, 0, 1), atol=1e-15)
    np.testing.assert_allclose(third, third.transpose(1, 0, 2), atol=1e-15)
    np.testing.assert_allclose(third.sum(axis=0), second, atol=1e-15)
    np.testing.assert_allclose(first, np.bincount(triples.ravel(), minlength=n_classes) / 150, atol=1e-15)


def test_logits_far_apart_give_probabilities():
    np.testing.assert_array_equal(softmax(np.array([[2000.0, 0.0], [0.0, 0.0]]), axis=1), [[1, 0], [0.5, 0.5]])


@pytest.mark.parametrize("block_bytes", [1, 5000])  # less than a row of similarities, and a few
def test_neighbours_are_those_of_all_pairwise_similarities(block_bytes, monkeypatch):
    monkeypatch.setattr("labelnoise.estimators._consensus.BLOCK_BYTES", block_bytes)
    features = np.random.default_rng(0).standard_normal((300, 5))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    rows = np.arange(0, 300, 7)
    np.testing.assert_array_equal(two_nearest(features, rows), np.argsort(-similarity, axis=1)[rows, :2])


@quick
@given(st.integers(2, 5), st.integers(0, 2**32))
def test_the_distance_is_that_of_the_implied_frequencies_and_its_slope_is_right(n_classes, seed):
    generator = np.random.default_rng(seed)
    parameters = generator.standard_normal((n_classes + 1) * n_classes)
    frequencies = consensus(generator.integers(0, n_classes, size=(50, 3)), n_classes)
    weights = np.exp(parameters.reshape(n_classes + 1, n_classes))
    weights /= weights.sum(axis=1, keepdims=True)
    pairs = zip(implied(weights[:-1], weights[-1]), frequencies, strict=True)
    expected = sum(((ours - observed) ** 2).sum() for ours, observed in pairs)
    loss, slope = distance(parameters, frequencies)
    assert loss == pytest.approx(expected, abs=1e-12)
    numeric = scipy.optimize.approx_fprime(parameters, lambda x: distance(x, frequencies)[0], 1e-7)
    np.testing.assert_allclose(slope, numeric, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "n_classes"),
    [("paper-0.5", 3), ("symmetric-0.2", 3), ("symmetric-0.5", 10), ("pair-flip-0.2", 10), ("pair-flip-0.45", 10)],
)
def test_exact_frequencies_give_the_matrix_and_the_class_shares(name, n_classes):
    matrix = names.named(name, n_classes)
    p = np.random.default_rng(0).dirichlet(np.full(n_classes, 20))
    found, shares = match(implied(matrix, p))
    np.testing.assert_allclose(found, matrix, atol=1e-4)
    np.testing.assert_allclose(shares, p, atol=1e-4)


@pytest.mark.filterwarnings("ignore:HOC stopped after:RuntimeWarning")  # there is no T to find
@few(6)
@given(st.integers(2, 4), st.floats(0, 0.4), st.integers(0, 2**32))
def test_the_estimate_is_a_transition_matrix(n_classes, rate, seed):
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((60, 4))
    labels = noise.corrupt(np.arange(60) % n_classes, transitions.symmetric(n_classes, rate), generator)
    labels[:n_classes] = np.arange(n_classes)
    estimate = hoc(features, labels)
    np.testing.assert_allclose(transitions.validate(estimate), estimate)


@few(5)
@given(st.permutations(range(3)), st.integers(0, 2**32))
def test_renaming_the_classes_renames_the_rows_and_columns(order, seed):
    features, labels, _ = clusters(transitions.random(3, 0.3, np.random.default_rng(seed)), 400, seed)
    renamed = hoc(features, np.argsort(order)[labels])
    np.testing.assert_allclose(renamed, hoc(features, labels)[np.ix_(order, order)], atol=5e-3)


@pytest.mark.parametrize(
    "name", ["symmetric-0.2", "pair-flip-0.2", "[[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7]]"]
)
def test_neighbours_that_share_their_class_find_the_matrix_as_closely_as_their_number_allows(name):
    # Each group of three gives the frequencies of one triple in every order, so the counted frequencies are a mean of
    # n independent ones, with covariance S / n. Least squares moves T and p by (J' J)^-1 J' times their error to first
    # order, J being the slope of the implied frequencies along the directions that keep rows of T and p at sum 1. So
    # each of the 9 entries of T is normal with a known deviation, and stays within z of them with probability
    # 1 - 1e-6 / 9; a fifth is added for the higher orders.
    matrix, n = names.named(name, 3), 3000
    p = np.full(3, 1 / 3)

    def flat(entries):
        return np.concatenate([each.ravel() for each in implied(entries[:9].reshape(3, 3), entries[9:])])

    basis = np.kron(np.eye(4), scipy.linalg.null_space(np.ones((1, 3))))  # (12, 8)
    truth = np.append(matrix, p)
    slope = np.stack([(flat(truth + 1e-6 * b) - flat(truth - 1e-6 * b)) / 2e-6 for b in basis.T], axis=1)  # (39, 8)
    triples = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), axis=-1).reshape(27, 3)
    outcomes = np.stack([np.concatenate([c.ravel() for c in consensus(t[None], 3)]) for t in triples])  # (27, 39)
    probability = implied(matrix, p)[2].ravel()
    centred = outcomes - probability @ outcomes
    spread = centred.T @ (probability[:, None] * centred) / n
    gain = basis @ np.linalg.pinv(slope)  # (12, 39)
    deviation = np.sqrt(np.diag(gain @ spread @ gain.T))[:9].reshape(3, 3)
    bound = 1.2 * scipy.stats.norm.isf(1e-6 / 9 / 2) * deviation + 1e-4  # of which the optimiser may leave 1e-4
    features, labels, _ = clusters(matrix, n, seed=0)
    assert (np.abs(hoc(features, labels, queries=3 * n) - matrix) <= bound).all()
    assert bound.max() < 0.3


def test_clean_labels_give_the_identity():
    features, labels, clean = clusters(np.eye(4), 200, seed=0)
    np.testing.assert_array_equal(labels, clean)
    np.testing.assert_allclose(hoc(features, labels), np.eye(4), atol=1e-3)


def test_with_more_samples_than_queries_the_seed_decides():
    features, labels, _ = clusters(transitions.symmetric(3, 0.3), 300, seed=0)
    first, same, other = (hoc(features, labels, queries=400, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-3


def test_each_sample_is_looked_from_once_at_most(monkeypatch):
    seen = []

    def watched(features, rows):
        seen.extend(rows.tolist())
        return two_nearest(features, rows)

    monkeypatch.setattr("labelnoise.estimators._consensus.two_nearest", watched)
    features, labels, _ = clusters(transitions.symmetric(3, 0.3), 100, seed=0)
    hoc(features, labels, queries=250)
    assert len(seen) == len(set(seen)) == 250


def test_similarities_are_held_a_block_at_a_time(monkeypatch):
    monkeypatch.setattr("labelnoise.estimators._consensus.BLOCK_BYTES", 2**18)
    features = np.random.default_rng(0).standard_normal((1500, 4))
    tracemalloc.start()
    two_nearest(features, np.arange(1500))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20 < 4 * 1500**2  # all similarities at once


def test_a_class_that_no_query_sees_gives_no_nan():
    features, labels, _ = clusters(transitions.symmetric(3, 0.3), 300, seed=0)
    labels = np.append(np.minimum(labels, 1), [2, 2])
    features = np.vstack([features, -features[:2]])
    estimate = hoc(features, labels, queries=5)
    np.testing.assert_allclose(transitions.validate(estimate), estimate)


def test_features_of_zero_give_no_nan():
    features, labels, _ = clusters(transitions.symmetric(3, 0.3), 30, seed=0)
    features[:7] = 0
    transitions.validate(hoc(features, labels))


def test_an_optimiser_that_stops_early_says_so(monkeypatch):
    monkeypatch.setattr("labelnoise.estimators._consensus.MOST_STEPS", 2)
    features, labels, _ = clusters(transitions.symmetric(3, 0.3), 30, seed=0)
    with pytest.warns(RuntimeWarning, match="HOC stopped after 2 steps, before T had settled"):
        hoc(features, labels)


def test_tensors_are_taken():
    features, labels, _ = clusters(transitions.symmetric(3, 0.2), 100, seed=0)
    tensor = torch.from_numpy(features).float().requires_grad_()
    np.testing.assert_allclose(hoc(tensor, torch.from_numpy(labels)), hoc(features, labels), atol=1e-6)


def test_what_can_not_be_used_is_refused():
    with pytest.raises(InputError, match=re.escape("Neighbours need at least 3 samples, not 2; pass more.")):
        hoc(np.eye(2), [0, 1])
    with pytest.raises(InputError, match=re.escape("queries must be a whole number from 1 up, not 0.")):
        hoc(np.eye(3), [0, 1, 1], queries=0)
    with pytest.raises(InputError, match=re.escape("seed must be a whole number from 0 up, not -1.")):
        hoc(np.eye(3), [0, 1, 1], seed=-1)
    with pytest.raises(InputError, match=re.escape("Class 1 has no noisy label; number the classes")):
        hoc(np.eye(3), [0, 2, 2])


def test_rows_are_given_to_the_classes_such_that_the_diagonal_sums_to_the_most(monkeypatch):
    # The frequencies are the same in any order of the rows, and a search may end in another one.
    matrix, p = names.named("[[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.4, 0.1, 0.5]]", 3), np.array([0.2, 0.3, 0.5])
    for order in itertools.permutations(range(3)):
        ended = np.log(np.vstack([matrix[[*order]], p[[*order]]])).ravel()
        result = scipy.optimize.OptimizeResult(x=ended, nit=5)
        monkeypatch.setattr(scipy.optimize, "minimize", lambda *args, result=result, **options: result)
        found, shares = match(implied(matrix, p))
        np.testing.assert_allclose(found, matrix)
        np.testing.assert_allclose(shares, p)


@pytest.mark.parametrize("name", ["symmetric-0.2", "paper-0.5", "[[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]]"])
def test_a_class_without_clean_samples_has_a_mixture_of_the_other_rows_and_leaves_those_alone(name):
    matrix = names.named(name, 3)
    found, shares = match(implied(matrix, np.array([0.5, 0.5, 0])))
    np.testing.assert_allclose(found[:2], matrix[:2], atol=0.02)
    mixture, residual = scipy.optimize.nnls(found[:2].T, found[2])
    assert residual < 0.01
    assert mixture.sum() == pytest.approx(1, abs=0.02)
    assert shares[2] < 0.2


def test_unless_told_otherwise_15000_samples_are_looked_from_as_seed_0_draws_them(monkeypatch):
    seen = []

    def watched(features, rows):
        seen.append(rows)
        return np.zeros((len(rows), 2), dtype=np.int64)

    monkeypatch.setattr("labelnoise.estimators._consensus.two_nearest", watched)
    features, labels = np.ones((15_002, 1)), np.arange(15_002) % 2
    for options in ({}, {"seed": 0}, {"seed": 1}, {"queries": 15_000}):
        hoc(features, labels, **options)
    usual, first, other, as_many = seen
    assert len(usual) == 15_000
    np.testing.assert_array_equal(usual, first)
    np.testing.assert_array_equal(usual, as_many)
    assert (usual != other).any()


def test_three_samples_are_enough():
    transitions.validate(hoc(np.eye(3), [0, 1, 1]))


def test_more_classes_than_there_is_memory_for_are_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 1000)  # pages of as many bytes
    with pytest.raises(InputError, match="HOC for 51 classes of noisy_labels would take"):
        hoc(np.ones((51, 1)), np.arange(51))
