import re

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import names, noise, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import TEMPERATURES, clean_posterior, maximum_likelihood, scaled, tempered_likelihood

quick = few(25)


def drawn(matrix, n, seed, concentration=0.3):
    """Clean posteriors, shape (n, n_classes), and the noisy labels of clean classes drawn from them."""
    generator = np.random.default_rng(seed)
    posteriors = generator.dirichlet(np.full(len(matrix), concentration), size=n)
    clean = (posteriors.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1).clip(max=len(matrix) - 1)
    return posteriors, noise.corrupt(clean, matrix, generator)


def log_likelihood(posteriors, labels, matrix):
    """In nats a sample."""
    return np.log((posteriors @ matrix)[np.arange(len(labels)), labels]).mean()


def random_case(seed, n=60):
    generator = np.random.default_rng(seed)
    n_classes = int(generator.integers(2, 6))
    return generator.dirichlet(np.ones(n_classes), size=n), np.arange(n) % n_classes


@quick
@given(st.integers(0, 2**32))
def test_the_estimate_is_a_transition_matrix(seed):
    estimate = maximum_likelihood(*random_case(seed))
    np.testing.assert_array_equal(transitions.validate(estimate), estimate)


@quick
@given(st.integers(0, 2**32))
def test_no_step_lowers_the_likelihood(seed):
    posteriors, labels = random_case(seed)
    reached = [
        log_likelihood(posteriors, labels, maximum_likelihood(posteriors, labels, tolerance=0, max_steps=steps))
        for steps in range(1, 25)
    ]
    assert (np.diff(reached) >= -1e-12).all()
    assert reached[-1] > reached[0]


def test_a_step_that_gains_less_than_the_tolerance_is_the_last():
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 300, 0)
    stopped, one = (maximum_likelihood(posteriors, labels, **o) for o in ({"tolerance": 10}, {"max_steps": 1}))
    np.testing.assert_array_equal(stopped, one)
    assert np.abs(maximum_likelihood(posteriors, labels) - one).max() > 0.05


# SciPy before 1.16 says so where a step of its own leaves the bounds.
@pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")
@pytest.mark.parametrize("seed", range(4))
def test_no_other_optimiser_finds_a_larger_likelihood(seed):
    posteriors, labels = drawn(transitions.random(3, 0.3, np.random.default_rng(seed)), 90, seed)
    rows = scipy.optimize.LinearConstraint(np.kron(np.eye(3), np.ones(3)), 1, 1)
    found = scipy.optimize.minimize(
        lambda entries: -log_likelihood(posteriors, labels, entries.reshape(3, 3)),
        np.full(9, 1 / 3),
        method="SLSQP",
        bounds=[(1e-12, 1)] * 9,
        constraints=[rows],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    estimate = maximum_likelihood(posteriors, labels, tolerance=1e-14, max_steps=20_000)
    assert log_likelihood(posteriors, labels, estimate) == pytest.approx(-found.fun, abs=1e-9)
    np.testing.assert_allclose(estimate, found.x.reshape(3, 3), atol=1e-3)


@quick
@given(st.integers(0, 2**32))
def test_the_maximum_does_not_depend_on_the_start(seed):
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 500, seed)
    start = np.random.default_rng(seed).dirichlet(np.ones(3), size=3).clip(1e-3)
    start /= start.sum(axis=1, keepdims=True)
    options = {"tolerance": 1e-13, "max_steps": 5000}
    np.testing.assert_allclose(
        maximum_likelihood(posteriors, labels, start=start, **options),
        maximum_likelihood(posteriors, labels, **options),
        atol=1e-3,
    )


@pytest.mark.parametrize("name", ["paper-0.5", "paper-0.6", "[[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]]"])
def test_exact_clean_posteriors_find_the_matrix_as_closely_as_their_information_allows(name):
    # The estimate is asymptotically normal around T; its covariance is the inverse of the Fisher information, the
    # sum over samples of the outer product of the slope of log (q @ T)[noisy], with rows of T kept at sum 1: on the
    # basis B of the directions that keep them, B (B' I B)^-1 B'. Each of the 9 entries stays within z deviations
    # with probability 1 - 1e-6 / 9; a tenth is added for the curvature that the normal limit leaves out.
    matrix, n = names.named(name, 3), 20_000
    posteriors, labels = drawn(matrix, n, seed=1)
    likelihood = (posteriors @ matrix)[np.arange(n), labels]
    slopes = np.zeros((n, 3, 3))
    slopes[np.arange(n), :, labels] = posteriors / likelihood[:, None]
    slopes = slopes.reshape(n, 9)
    basis = np.kron(np.eye(3), scipy.linalg.null_space(np.ones((1, 3))))  # (9, 6)
    covariance = basis @ np.linalg.inv(basis.T @ slopes.T @ slopes @ basis) @ basis.T
    z = scipy.stats.norm.isf(1e-6 / 9 / 2)
    bound = 1.1 * z * np.sqrt(np.diag(covariance)).reshape(3, 3)
    assert (np.abs(maximum_likelihood(posteriors, labels) - matrix) <= bound).all()
    assert bound.max() < 0.2


@quick
@given(st.integers(2, 6), st.integers(0, 2**32))
def test_known_clean_classes_give_the_oracle(n_classes, seed):
    generator = np.random.default_rng(seed)
    clean = np.arange(100) % n_classes
    noisy = np.append(generator.integers(0, n_classes, 100 - n_classes), np.arange(n_classes))
    estimate = maximum_likelihood(np.eye(n_classes)[clean], noisy)
    np.testing.assert_allclose(estimate, noise.oracle(clean, noisy, n_classes), atol=1e-12)


@quick
@given(st.permutations(range(4)), st.integers(0, 2**32))
def test_renaming_the_classes_renames_the_rows_and_columns(order, seed):
    posteriors, labels = drawn(transitions.symmetric(4, 0.2), 400, seed)
    renamed = maximum_likelihood(posteriors[:, order], np.argsort(order)[labels])
    np.testing.assert_allclose(renamed, maximum_likelihood(posteriors, labels)[np.ix_(order, order)], atol=1e-6)


def test_a_class_without_probability_gets_the_row_of_the_identity():
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 300, 0)
    posteriors = np.column_stack([posteriors[:, :2] / posteriors[:, :2].sum(axis=1, keepdims=True), np.zeros(300)])
    estimate = maximum_likelihood(posteriors, labels)
    np.testing.assert_array_equal(estimate[2], [0, 0, 1])
    np.testing.assert_array_equal(transitions.validate(estimate), estimate)


def test_tensors_of_single_precision_are_taken_and_left_alone():
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 300, 0)
    tensor = torch.from_numpy(posteriors).float().requires_grad_()
    before = tensor.detach().clone()
    found = maximum_likelihood(tensor, torch.from_numpy(labels))
    np.testing.assert_allclose(found, maximum_likelihood(posteriors, labels), atol=1e-4)
    assert torch.equal(tensor, before)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.eye(3), "Row 0 of start has a 0, which no step can leave; pass positive entries."),
        (np.full((2, 2), 0.5), "The transition matrix has 2 classes but the data have 3"),
        (np.ones((3, 3)), "Row 0 of the transition matrix sums to 3, not 1"),
    ],
)
def test_a_start_that_can_not_be_used_is_refused(start, message):
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 30, 0)
    with pytest.raises(InputError, match=re.escape(message)):
        maximum_likelihood(posteriors, labels, start=start)


def test_probabilities_that_can_not_be_used_are_refused():
    with pytest.raises(InputError, match=re.escape("Row 0 of clean_probs sums to 2")):
        maximum_likelihood([[1.0, 1.0], [0.5, 0.5]], [0, 1])


@pytest.mark.parametrize("spoiled_by", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("name", ["paper-0.5", "[[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]]"])
def test_a_temperature_that_spoiled_the_posteriors_is_found_beside_the_matrix(name, spoiled_by):
    # As above, with the logarithm of the temperature t as a tenth parameter: at t = 1 the slope of q in it is
    # -q * (log q - sum q log q).
    matrix, n = names.named(name, 3), 60_000
    posteriors, labels = drawn(matrix, n, seed=2)
    likelihood = (posteriors @ matrix)[np.arange(n), labels]
    slopes = np.zeros((n, 3, 3))
    slopes[np.arange(n), :, labels] = posteriors / likelihood[:, None]
    logs = np.log(posteriors)
    of_posteriors = -posteriors * (logs - (posteriors * logs).sum(axis=1, keepdims=True))
    of_temperature = (of_posteriors @ matrix)[np.arange(n), labels] / likelihood
    slopes = np.column_stack([slopes.reshape(n, 9), of_temperature])
    basis = scipy.linalg.block_diag(np.kron(np.eye(3), scipy.linalg.null_space(np.ones((1, 3)))), 1)  # (10, 7)
    covariance = basis @ np.linalg.inv(basis.T @ slopes.T @ slopes @ basis) @ basis.T
    z = scipy.stats.norm.isf(1e-6 / 10 / 2)
    bounds = 1.1 * z * np.sqrt(np.diag(covariance))
    # The search ends within about 0.01 of the best logarithm, and T goes with it.
    bounds += 0.01 * np.abs(covariance[9]) / covariance[9, 9]
    estimate, temperature = tempered_likelihood(scaled(posteriors, spoiled_by), labels)
    assert abs(np.log(temperature * spoiled_by)) <= bounds[9]
    assert (np.abs(estimate - matrix) <= bounds[:9].reshape(3, 3)).all()
    assert bounds[:9].max() < 0.1
    assert bounds[9] < np.log(1.4)  # so that a temperature left at 1 would be seen
    if spoiled_by != 1:
        spoiled = maximum_likelihood(scaled(posteriors, spoiled_by), labels)
        assert np.abs(spoiled - matrix).max() > np.abs(estimate - matrix).max()


@few(8)
@given(st.integers(0, 2**32), st.floats(0.6, 1.6))
def test_the_best_temperature_is_as_likely_as_every_other(seed, other):
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 400, seed)
    estimate, temperature = tempered_likelihood(posteriors, labels)
    np.testing.assert_array_equal(transitions.validate(estimate), estimate)
    assert TEMPERATURES[0] <= temperature <= TEMPERATURES[1]
    compared = scaled(posteriors, other)
    best = log_likelihood(scaled(posteriors, temperature), labels, estimate)
    # A thousandth of a nat per sample: what the tolerances of the search leave.
    assert best >= log_likelihood(compared, labels, maximum_likelihood(compared, labels)) - 1e-3


@pytest.mark.parametrize("spoiled_by", [0.2, 5.0])
def test_a_temperature_is_searched_within_its_bounds(spoiled_by):
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 4000, 0)
    estimate, temperature = tempered_likelihood(scaled(posteriors, spoiled_by), labels)
    nearest = TEMPERATURES[1] if spoiled_by < 1 else TEMPERATURES[0]
    assert TEMPERATURES[0] <= temperature <= TEMPERATURES[1]
    assert temperature == pytest.approx(nearest, rel=0.02)
    np.testing.assert_array_equal(transitions.validate(estimate), estimate)


@pytest.mark.parametrize("order", [(1, 2, 3, 0), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_renaming_the_classes_renames_the_tempered_matrix_and_keeps_the_temperature(order):
    order = np.array(order)
    posteriors, labels = drawn(transitions.random(4, 0.3, np.random.default_rng(0)), 2000, 1)
    matrix, temperature = tempered_likelihood(posteriors, labels)
    renamed, same = tempered_likelihood(posteriors[:, order], np.argsort(order)[labels])
    assert same == pytest.approx(temperature, rel=1e-3)
    np.testing.assert_allclose(renamed, matrix[np.ix_(order, order)], atol=1e-3)


def test_tempered_likelihood_refuses_what_maximum_likelihood_does():
    with pytest.raises(InputError, match=re.escape("Row 0 of clean_probs sums to 2")):
        tempered_likelihood([[1.0, 1.0], [0.5, 0.5]], [0, 1])


@quick
@given(st.integers(0, 2**32))
def test_the_posterior_is_bayes_rule(seed):
    posteriors, labels = random_case(seed)
    matrix = np.random.default_rng(seed).dirichlet(np.ones(posteriors.shape[1]), size=posteriors.shape[1])
    found = clean_posterior(posteriors, labels, matrix)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    n = np.arange(len(labels))
    evidence = (posteriors @ matrix)[n, labels]  # P(noisy | x)
    np.testing.assert_allclose(found * evidence[:, None], posteriors * matrix[:, labels].T)
    np.testing.assert_array_equal(clean_posterior(posteriors, labels, np.eye(len(matrix)))[n, labels], 1)


def test_unless_told_otherwise_it_stops_at_a_billionth_of_a_nat_or_after_a_thousand_steps():
    posteriors, labels = drawn(transitions.symmetric(3, 0.3), 300, 0)
    usual = maximum_likelihood(posteriors, labels)
    np.testing.assert_array_equal(maximum_likelihood(posteriors, labels, tolerance=1e-9), usual)
    assert (maximum_likelihood(posteriors, labels, tolerance=1e-8) != usual).any()
    # Classes that are hardly told apart take far more steps.
    alike = 0.99 / 3 + 0.01 * posteriors
    first, same, more = (
        maximum_likelihood(alike, labels, tolerance=0, **given)
        for given in ({}, {"max_steps": 1000}, {"max_steps": 1001})
    )
    np.testing.assert_array_equal(first, same)
    assert (first != more).any()


def test_of_rows_of_a_start_with_a_0_the_first_is_named():
    start = [[0.5, 0.25, 0.25], [0.5, 0.5, 0], [0, 0.5, 0.5]]
    with pytest.raises(InputError, match="Row 1 of start has a 0"):
        maximum_likelihood(np.full((3, 3), 1 / 3), [0, 1, 2], start=start)
