import decimal
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import names, noise, transitions
from labelnoise.errors import InputError

quick = few(50)
n_classes = st.integers(2, 12)
rates = st.floats(0, 1)


@quick
@given(n_classes, rates, st.integers(0, 2**32))
def test_every_builder_gives_a_transition_matrix_with_the_stated_rate_on_every_row(n, rate, seed):
    for matrix in (
        transitions.symmetric(n, rate),
        transitions.pair_flip(n, rate),
        transitions.random(n, rate, np.random.default_rng(seed)),
    ):
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
        np.testing.assert_allclose(1 - np.diag(matrix), rate, atol=1e-12)
        np.testing.assert_array_equal(transitions.validate(matrix, n), matrix)
        assert transitions.noise_rate(matrix) == pytest.approx(rate, abs=1e-12)


@quick
@given(n_classes, rates)
def test_symmetric_noise_goes_to_each_other_class_alike(n, rate):
    off_diagonal = transitions.symmetric(n, rate)[~np.eye(n, dtype=bool)]
    np.testing.assert_allclose(off_diagonal, rate / (n - 1), atol=1e-12)


@quick
@given(n_classes, rates)
def test_pair_flip_goes_to_the_next_class_and_from_the_last_to_the_first(n, rate):
    matrix = transitions.pair_flip(n, rate)
    for i in range(n):
        assert matrix[i, (i + 1) % n] == pytest.approx(rate)


def test_random_matrix_depends_on_its_generator_alone():
    def draw(seed):
        return transitions.random(5, 0.4, np.random.default_rng(seed))

    np.testing.assert_array_equal(draw(1), draw(1))
    assert np.abs(draw(1) - draw(2)).max() > 0.01


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "0.2", None])
def test_a_rate_outside_0_and_1_is_refused(rate):
    for build in (
        transitions.symmetric,
        transitions.pair_flip,
        lambda n, rate: transitions.random(n, rate, np.random.default_rng(0)),
    ):
        with pytest.raises(InputError, match=re.escape(f"A noise rate must lie in [0, 1], not {rate!r}.")):
            build(3, rate)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.5], [0.6, 0.3]], "Row 1 of the transition matrix sums to 0.9, not 1; rows are clean classes"),
        ([[0.9, 0.3], [0.1, 0.7]], "Row 0 of the transition matrix sums to 1.2, not 1; its columns do, so pass its t"),
        ([[0.9, 0.3], [0.1 + 1e-8, 0.7]], "its columns do, so pass its transpose"),
        ([[1.0, 0.0], [-0.5, 1.5]], "Row 1 of the transition matrix is [-0.5, 1.5]; its entries must lie in [0, 1]."),
        ([[float("nan"), 1.0], [0.0, 1.0]], "Row 0 of the transition matrix is [nan, 1.0]"),
        ([[0.0, 1.0], [float("inf"), 0.0]], "Row 1 of the transition matrix is [inf, 0.0]"),
        ([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]], "must be square with at least 2 classes, not of shape (2, 3)."),
        ([[1.0]], "must be square with at least 2 classes, not of shape (1, 1)."),
        ([0.5, 0.5], "must be square with at least 2 classes, not of shape (2,)."),
        ([[0.5, 0.5], [1.0]], "must be a square table of numbers"),
        ([["a", "b"], ["c", "d"]], "must be a square table of numbers"),
    ],
)
def test_validate_says_what_is_wrong_and_where(matrix, message):
    with pytest.raises(InputError, match=re.escape(message)):
        transitions.validate(matrix)


def test_validate_checks_the_number_of_classes():
    with pytest.raises(InputError, match=r"has 2 classes but the data have 3; pass one of shape \(3, 3\)"):
        transitions.validate(np.eye(2), 3)


def test_what_is_wrong_with_a_large_input_is_still_said_in_a_short_sentence():
    large = np.full((500, 500), 2.0)
    for call in (
        lambda: transitions.validate(large),
        lambda: transitions.noise_rate(np.eye(3), large),
        lambda: noise.draw(large, np.random.default_rng(0)),
    ):
        with pytest.raises(InputError, match=r"\[2\.0, 2\.0, .*\.\.\.") as told:
            call()
        assert len(str(told.value)) < 250


@pytest.mark.parametrize("n_classes", [np.ones(2), decimal.Decimal("sNaN"), "2", 0])
def test_a_number_of_classes_to_validate_by_is_a_whole_number(n_classes):
    with pytest.raises(InputError, match="n_classes must be a whole number from 1 up"):
        transitions.validate(np.eye(2), n_classes)


def test_validate_returns_a_new_array():
    given_matrix = np.eye(3)
    transitions.validate(given_matrix)[0, 0] = 0.5
    assert given_matrix[0, 0] == 1


def test_the_papers_matrices_are_as_printed():
    np.testing.assert_array_equal(names.named("paper-0.5", 3), [[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]])
    np.testing.assert_array_equal(names.named("paper-0.6", 3), [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])


@quick
@given(n_classes, st.integers(0, 100), st.integers(0, 10**6))
def test_a_name_gives_the_matrix_that_it_names(n, percent, seed):
    rate = percent / 100
    np.testing.assert_array_equal(names.named("clean", n), np.eye(n))
    np.testing.assert_array_equal(names.named(f"symmetric-{rate}", n), transitions.symmetric(n, rate))
    np.testing.assert_array_equal(names.named(f"pair-flip-{rate}", n), transitions.pair_flip(n, rate))
    np.testing.assert_array_equal(
        names.named(f"random-{rate}-{seed}", n), transitions.random(n, rate, np.random.default_rng(seed))
    )


@pytest.mark.parametrize(
    "name",
    ["", "symmetric", "symmetric-", "symmetric-a", "pair-0.2", "pair-flip-", "random-0.3", "random-0.3-", "random-a-1",
     "random-0.3-1.5", "paper-0.7", "Clean"],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_forms_there_are(name):
    with pytest.raises(InputError, match=re.escape(f"Unknown noise {name!r}; use one of: {names.FORMS}.")):
        names.named(name, 3)


@pytest.mark.parametrize("name", ["symmetric-1.5", "pair-flip-2", "random-1.01-3", "symmetric-nan"])
def test_a_name_with_a_rate_above_1_is_refused(name):
    with pytest.raises(InputError, match=re.escape("A noise rate must lie in [0, 1], not ")):
        names.named(name, 3)


@pytest.mark.parametrize("name", sorted(names.PAPER))
def test_the_papers_matrices_have_three_classes(name):
    with pytest.raises(InputError, match="has 3 classes but the data have 10"):
        names.named(name, 10)


def test_noise_rate_weighs_rows_with_the_class_priors():
    matrix = [[0.9, 0.1], [0.5, 0.5]]
    assert transitions.noise_rate(matrix) == pytest.approx(0.3)
    assert transitions.noise_rate(matrix, [0.75, 0.25]) == pytest.approx(0.2)


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.eye(3)])
def test_errors_of_what_is_no_matrix_are_refused(bad):
    for error in (transitions.l1_error, transitions.frobenius_error):
        for pair in ((bad, np.eye(2)), (np.eye(2), bad)):
            with pytest.raises(InputError, match=r"estimate|true matrix"):
                error(*pair)


@pytest.mark.parametrize("priors", [[-0.5, 1.5], [0.0, 0.0], [0.5, float("nan")], [0.5, float("inf")], [1.0], 1.0])
def test_priors_that_are_none_are_refused(priors):
    with pytest.raises(InputError, match="class_priors must be"):
        transitions.noise_rate(np.eye(2), priors)


def test_errors_of_a_case_worked_by_hand():
    truth, estimate = [[0.8, 0.2], [0.2, 0.8]], [[0.9, 0.1], [0.2, 0.8]]
    assert transitions.l1_error(estimate, truth) == pytest.approx(0.2 / 2)
    assert transitions.frobenius_error(estimate, truth) == pytest.approx((0.02 / 1.36) ** 0.5)


@quick
@given(st.integers(3, 12), st.floats(0.01, 1), st.integers(0, 1000), st.integers(0, 1000))
def test_errors_are_zero_for_equal_matrices_and_for_no_others(n, rate, seed, other):
    a, b = (transitions.random(n, rate, np.random.default_rng(s)) for s in (seed, other))
    for error in (transitions.l1_error, transitions.frobenius_error):
        assert error(a, a) == 0
        assert (error(a, b) == 0) == np.array_equal(a, b)


def test_a_matrix_can_be_written_out():
    written = "[[0.7, 0.1, 0.2], [0.3, 0.6, 0.1], [0.2, 0.3, 0.5]]"
    assert names.named(written, 3).tolist() == [[0.7, 0.1, 0.2], [0.3, 0.6, 0.1], [0.2, 0.3, 0.5]]
    with pytest.raises(InputError, match="has 3 classes but the data have 10"):
        names.named(written, 10)
    with pytest.raises(InputError, match=r"Row 1 of the transition matrix sums to 0\.9,"):
        names.named("[[0.7, 0.3], [0.5, 0.4]]", 2)
    with pytest.raises(InputError, match="Unknown noise"):
        names.named("[[0.7, 0.3], [0.5, 0.5]", 2)


T = names.named("paper-0.5", 3)


def distorted(name, matrix=T, seed=0):
    return names.distorted(name, matrix, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["towards-identity", "towards-uniform", "at-random"])
def test_a_distortion_goes_from_the_matrix_to_something_else_in_a_straight_line(kind):
    np.testing.assert_allclose(distorted(f"{kind}-0.0"), T)
    end = distorted(f"{kind}-1.0")
    for share in (0.25, 0.5):
        np.testing.assert_allclose(distorted(f"{kind}-{share}"), (1 - share) * T + share * end)
    transitions.validate(end)


def test_distortions_end_where_their_names_say():
    np.testing.assert_array_equal(distorted("towards-identity-1.0"), np.eye(3))
    np.testing.assert_allclose(distorted("towards-uniform-1.0"), np.full((3, 3), 1 / 3))
    assert np.abs(distorted("at-random-1.0") - distorted("at-random-1.0", seed=1)).max() > 0.05
    np.testing.assert_allclose(distorted("transposed"), T.T)


def test_a_transposed_matrix_has_rows_that_sum_to_1():
    skewed = np.array([[0.7, 0.3, 0.0], [0.4, 0.6, 0.0], [0.5, 0.5, 0.0]])  # no label is ever the last class
    turned = transitions.validate(distorted("transposed", skewed))
    np.testing.assert_allclose(turned[0], np.array([0.7, 0.4, 0.5]) / 1.6)
    np.testing.assert_allclose(turned[2], 1 / 3)


@pytest.mark.parametrize(
    "name",
    [
        "upside-down",
        "towards-identity",
        "towards-identity-x",
        "at-random-1.5",
        "0.5",
        "",
        "at-random-0.50",
        "at-random--0.0",
    ],
)
def test_an_unknown_distortion_is_refused(name):
    with pytest.raises(
        InputError, match=f"Unknown distortion '{name}'; use one of: transposed, towards-identity-SHARE"
    ):
        distorted(name)


def test_a_learned_matrix_is_taken_as_it_is():
    learned = torch.tensor([[0.75, 0.25], [0.5, 0.5]], requires_grad=True)
    np.testing.assert_array_equal(transitions.validate(learned), learned.detach().numpy())
    assert transitions.l1_error(learned, learned) == transitions.frobenius_error(learned, learned) == 0


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.5, 0.0], [0.0, 1.0]], "Row 0 of the transition matrix is [1.5, 0.0]; its entries must lie in [0, 1]."),
        ([[1 + 2e-6, 0.0], [0.0, 1.0]], "its entries must lie in [0, 1]."),
        ([[0.0, 1 + 2e-6], [0.0, 1.0]], "its entries must lie in [0, 1]."),
        ([[0.5, 0.5, 0.0], [0.5, 0.4, 0.0], [0.5, 0.3, 0.0]], "Row 1 of the transition matrix sums to 0.9, not 1;"),
        ([[0.5, 0.5 + 1.1e-6], [0.5, 0.5]], "Row 0 of the transition matrix sums to 1.0000011, not 1;"),
        ([[0.5, 0.5], [0.5, 0.5 - 1.1e-6]], "Row 1 of the transition matrix sums to 0.9999989, not 1;"),
    ],
)
def test_the_first_row_that_is_off_by_more_than_a_millionth_is_named(matrix, message):
    with pytest.raises(InputError, match=re.escape(message)):
        transitions.validate(matrix)


def test_a_row_may_be_off_by_a_millionth():
    for row in ([0.5, 0.5 + 9e-7], [0.5, 0.5 - 9e-7], [1 + 9e-7, 0]):
        np.testing.assert_array_equal(transitions.validate([row, [0, 1]]), [row, [0, 1]])


@pytest.mark.parametrize("error", [transitions.l1_error, transitions.frobenius_error])
def test_errors_are_taken_of_what_has_squares(error):
    for scale in (1e-100, 1e100):
        assert error(scale * np.eye(2), scale * np.eye(2)) == 0
        assert error(scale * np.eye(2), scale * np.diag([1, 0])) == pytest.approx(1)
    for scale in (np.nextafter(1e-100, 0), np.nextafter(1e100, np.inf)):
        for pair in ((scale * np.eye(2), np.eye(2)), (np.eye(2), scale * np.eye(2))):
            with pytest.raises(InputError, match="must have finite entries up to 1e100 that are not all 0"):
                error(*pair)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1.0, 1e300])
def test_priors_may_be_numbers_of_any_scale(scale):
    assert transitions.noise_rate([[0.9, 0.1], [0.5, 0.5]], [3 * scale, scale]) == pytest.approx(0.2)
