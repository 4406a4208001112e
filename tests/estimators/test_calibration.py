import re

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise.errors import InputError
from labelnoise.estimators import scaled, temperature

quick = few(15)


def drawn(n, n_classes, seed):
    """Probabilities and labels drawn from them."""
    generator = np.random.default_rng(seed)
    probs = scipy.special.softmax(generator.normal(size=(n, n_classes), scale=1.5), axis=1)
    labels = (probs.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1).clip(max=n_classes - 1)
    return probs, labels


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5])
def test_a_known_temperature_is_found_as_closely_as_its_information_allows(true):
    # 1 / t is the parameter of an exponential family: its information is the variance of log p[label] under p. Five
    # deviations: one in 1.7 million fails.
    probs, labels = drawn(20_000, 4, seed=0)
    logs = np.log(scaled(probs, 1 / true))
    mean = (probs * logs).sum(axis=1, keepdims=True)
    deviation = (probs * (logs - mean) ** 2).sum() ** -0.5
    assert 1 / temperature(np.exp(logs), labels) == pytest.approx(1 / true, abs=5 * deviation)
    assert 5 * deviation < 0.1 / true


@quick
@given(st.floats(0.1, 10), st.integers(0, 2**32))
def test_no_temperature_is_more_likely(other, seed):
    probs, labels = drawn(100, 3, seed)
    labels[:3] = range(3)

    def loss(t):
        return -np.log(scaled(probs, t)[np.arange(100), labels]).mean()

    assert loss(temperature(probs, labels)) <= loss(other) + 1e-9


@quick
@given(st.floats(0.2, 5), st.integers(0, 2**32))
def test_scaling_beforehand_divides_the_temperature(factor, seed):
    probs, labels = drawn(200, 3, seed)
    labels[:3] = range(3)
    assert temperature(scaled(probs, factor), labels) == pytest.approx(temperature(probs, labels) / factor, rel=1e-4)


@quick
@given(st.floats(0.2, 5), st.floats(0.2, 5), st.integers(0, 2**32))
def test_temperatures_multiply_and_keep_the_order_of_classes(first, second, seed):
    probs, _ = drawn(20, 4, seed)
    twice = scaled(scaled(probs, first), second)
    np.testing.assert_allclose(twice, scaled(probs, first * second), atol=1e-12)
    np.testing.assert_allclose(twice.sum(axis=1), 1)
    np.testing.assert_array_equal(twice.argmax(axis=1), probs.argmax(axis=1))
    np.testing.assert_allclose(scaled(probs, 1), probs, atol=1e-15)


def test_labels_without_an_error_ask_for_almost_no_temperature_and_zeros_are_taken():
    assert np.exp(-5) < temperature([[0.9, 0.1], [0.2, 0.8]], [0, 1]) < 0.05
    assert temperature([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0, 1, 0]) == pytest.approx(
        np.log(np.finfo(np.float32).tiny) / np.log(0.5), rel=1e-4
    )


def test_the_temperature_mends_probabilities_that_are_too_sure():
    probs, labels = drawn(20_000, 4, seed=1)
    sure = scaled(probs, 1 / 3)
    mended = scaled(sure, temperature(sure, labels))
    predicted = probs.argmax(axis=1)

    def gap(q):
        """How far the largest probability is from how often its class is the label, on average."""
        return abs(q.max(axis=1).mean() - (predicted == labels).mean())

    # The accuracy of calibrated labels has a deviation of at most half the root of n; five of them: one in 1.7 million
    # fails.
    assert gap(mended) < 5 * 0.5 / 20_000**0.5 < 0.1 < gap(sure)


def test_tensors_of_single_precision_are_taken_and_left_alone():
    probs, labels = drawn(300, 3, 0)
    tensor = torch.from_numpy(probs).float().requires_grad_()
    before = tensor.detach().clone()
    assert temperature(tensor, torch.from_numpy(labels)) == pytest.approx(temperature(probs, labels), rel=1e-4)
    np.testing.assert_allclose(scaled(tensor, 2), scaled(probs, 2), atol=1e-6)
    assert torch.equal(tensor, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scaled([[0.5, 0.5]], 0), "A temperature must be positive and finite, not 0."),
        (lambda: scaled([[0.5, 0.5]], float("nan")), "A temperature must be positive and finite, not nan."),
        (lambda: scaled([[-0.5, 1.5]], 2), "pred_probs has the value -0.5; pass probabilities"),
        (lambda: scaled([[0, 1]], 2), "pred_probs must be floating-point probabilities by class, not int64 (1, 2)."),
        (lambda: temperature([[1.0, 1.0], [0.5, 0.5]], [0, 1]), "Row 0 of pred_probs sums to 2"),
    ],
)
def test_what_can_not_be_used_is_refused(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()


@pytest.mark.parametrize("temperature", [5e-324, 1e-200, 1e-101, 1e-99])
def test_next_to_no_temperature_leaves_the_largest_probabilities_alone(temperature):
    found = scaled([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]], temperature)
    np.testing.assert_array_equal(found, [[1, 0, 0], [0.5, 0.5, 0]])


@pytest.mark.parametrize("probs", [[[0.5, np.inf]], np.empty((2, 0))])
def test_infinite_probabilities_and_none_at_all_are_refused(probs):
    with pytest.raises(InputError, match="pred_probs"):
        scaled(probs, 1)


def test_temperatures_end_at_148_and_at_its_inverse():
    # Labels that say nothing of the classes ask for no end of heat, those that are each likeliest for no end of cold.
    probs = np.repeat([[0.6, 0.4], [0.4, 0.6]], 2, axis=0)
    assert temperature(probs, [0, 1, 0, 1]) == pytest.approx(148.4, abs=0.1)
    alike = np.array([[0.501, 0.499], [0.499, 0.501]])
    assert temperature(alike, [0, 1]) == pytest.approx(1 / 148.4, rel=1e-3)


@pytest.mark.parametrize(("probs", "first"), [([0.5, -0.25, np.nan], "-0.25"), ([np.inf, -0.25, 0.5], "inf")])
def test_the_first_number_that_is_no_probability_is_named(probs, first):
    with pytest.raises(InputError, match=f"pred_probs has the value {first};"):
        scaled(probs, 1)


def test_probabilities_of_any_shape_are_scaled_by_their_last_axis():
    probs, _ = drawn(12, 4, seed=0)
    expected = probs**0.5 / (probs**0.5).sum(axis=1, keepdims=True)
    for shape in [(12, 4), (2, 6, 4), (3, 2, 2, 4)]:
        np.testing.assert_allclose(scaled(probs.reshape(shape), 2), expected.reshape(shape))
    np.testing.assert_allclose(scaled(probs[0], 2), expected[0])
    np.testing.assert_allclose(
        scaled(probs.reshape(3, 4, 4), 1e-300), (probs == probs.max(axis=1, keepdims=True)).reshape(3, 4, 4)
    )


def test_a_0_counts_as_the_least_of_single_precision():
    least = np.finfo(np.float32).tiny
    np.testing.assert_allclose(scaled([1.0, 0.0], 1), [1, least])
    np.testing.assert_allclose(scaled([1.0, 0.0], 2), [1, least**0.5])


def test_next_to_no_temperature_tells_the_largest_probability_from_one_that_is_a_rounding_smaller():
    # Of some of these the logarithms, which differ, are the same once they are divided by next to nothing.
    smaller = np.linspace(0.1, 0.45, 400)
    probs = np.stack([smaller, np.nextafter(smaller, 1)], axis=1)
    told = np.log(probs[:, 0]) != np.log(probs[:, 1])
    assert told.sum() > 20
    np.testing.assert_array_equal(scaled(probs[told], 1e-200), np.tile([0, 1], (told.sum(), 1)))
