import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise.errors import InputError
from labelnoise.estimators import as_rows, check_features, check_inputs

quick = few(40)

PROBS = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
LABELS = np.arange(50) % 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_keep_their_precision_and_are_not_copied(dtype):
    given_probs = PROBS.astype(dtype)
    probs, labels = check_inputs(given_probs, LABELS)
    assert probs.dtype == dtype
    assert np.shares_memory(probs, given_probs)
    assert labels.dtype == np.int64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("grad", [False, True])
def test_tensors_are_taken_with_and_without_gradient(dtype, grad):
    tensor = torch.from_numpy(PROBS).to(dtype).requires_grad_(grad)
    probs, labels = check_inputs(tensor, torch.from_numpy(LABELS))
    np.testing.assert_array_equal(probs, tensor.detach().double().numpy())
    np.testing.assert_array_equal(labels, LABELS)
    assert check_features(tensor, torch.from_numpy(LABELS))[0].dtype in (np.float32, np.float64)


@quick
@given(st.integers(2, 300), st.floats(0.05, 5), st.integers(0, 2**32))
def test_a_softmax_in_bfloat16_is_taken_whatever_it_rounds_to(n_classes, concentration, seed):
    probs = np.random.default_rng(seed).dirichlet(np.full(n_classes, concentration), size=n_classes)
    check_inputs(torch.from_numpy(probs).bfloat16(), np.arange(n_classes))


def test_lists_are_taken():
    probs, labels = check_inputs([[0.7, 0.3], [0.2, 0.8]], [0, 1])
    np.testing.assert_array_equal(probs, [[0.7, 0.3], [0.2, 0.8]])
    np.testing.assert_array_equal(labels, [0, 1])


def test_integer_tensors_and_logits_are_refused():
    with pytest.raises(InputError, match=re.escape("pred_probs must be floating-point probabilities, not int64.")):
        check_inputs(torch.eye(2, dtype=torch.int64), [0, 1])
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.5]])
    with pytest.raises(InputError, match=re.escape("Row 0 of pred_probs sums to 1 with minimum -1; rows must be")):
        check_inputs(logits, [0, 1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_found_in_any_row(bad, dtype):
    for row in (0, 17, 49):
        probs = PROBS.astype(dtype)
        probs[row, 2] = bad
        with pytest.raises(InputError, match=re.escape(f"pred_probs has a value that is not finite in row {row}.")):
            check_inputs(probs, LABELS)
    probs[3] = [np.inf, -np.inf, 1, 0]
    with pytest.raises(InputError, match=re.escape("pred_probs has a value that is not finite in row 3.")):
        check_inputs(probs, LABELS)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        (
            [[1.0, 0.0], [0.5, 0.4]],
            "Row 1 of pred_probs sums to 0.9 with minimum 0.4; rows must be",
        ),
        ([[0.0, 0.9], [0.5, 0.5]], "minimum 0; rows must be probabilities, so divide each row by its sum."),
        ([[0.5, 0.5], [-0.5, 1.4]], "minimum -0.5; rows must be probabilities, so apply a softmax to logits first."),
        ([[0.5, 0.5], [1.5, 1.4]], "minimum 1.4; rows must be probabilities, so apply a softmax to logits first."),
    ],
)
def test_the_first_row_that_is_none_is_named_with_what_to_do(probs, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_inputs(probs, [0, 1])


def test_there_may_be_as_many_classes_as_samples():
    assert check_features(np.eye(3), [2, 0, 1])[2] == 3


def test_messages_name_what_was_passed():
    with pytest.raises(InputError, match=re.escape("clean_probs must have shape (n_samples, n_classes), not (2,).")):
        check_inputs([0.5, 0.5], [0, 1], name="clean_probs")


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        ([1.0, 2.0], [0, 1], "features must have shape (n_samples, n_features), not (2,)."),
        (np.zeros((0, 3)), [], "features must have shape (n_samples, n_features), not (0, 3)."),
        (np.zeros((3, 0)), [0, 1, 1], "features must have shape (n_samples, n_features), not (3, 0)."),
        (np.eye(2, dtype=int), [0, 1], "features must be floating-point numbers, not int64."),
        ([[0.1, 0.2], [np.nan, 0.5]], [0, 1], "features has a value that is not finite in row 1."),
        (np.eye(3), [0, 1], "There are 3 rows of features but 2 noisy_labels."),
        (np.eye(3), [0, -1, 1], "noisy_labels has -1 in row 1"),
        (np.eye(3), [0.0, 1.0, 1.0], "noisy_labels must be integers, not float64"),
        (np.eye(3), [0, 2, 2], "Class 1 has no noisy label; number the classes 0, 1, ... without a gap"),
        (np.eye(3), [0, 0, 0], "Class 1 has no noisy label"),
        (np.eye(3), [0, 10**12, 1], "noisy_labels has 1000000000000 in row 1, more than it has labels; number the"),
    ],
)
def test_features_that_can_not_be_used_are_refused(features, labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_features(features, labels)


def test_rows_of_counts_are_distributions_and_an_empty_one_is_that_of_the_identity():
    rows = as_rows(np.array([[2, 2, 0], [0, 0, 0], [0, 1, 3]]))
    np.testing.assert_array_equal(rows, [[0.5, 0.5, 0], [0, 1, 0], [0, 0.25, 0.75]])
