import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise.errors import InputError
from labelnoise.estimators import _inputs, as_rows, check_features, check_inputs

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


@pytest.mark.parametrize("off", [-0.0625, 0.0625])  # steps of bfloat16
def test_in_bfloat16_too_what_does_not_sum_to_1_is_refused(off):
    probs = torch.tensor([[0.5, 0.5], [0.5, 0.5 + off]], dtype=torch.bfloat16)
    with pytest.raises(InputError, match="Row 1 of pred_probs sums to"):
        check_inputs(probs, [0, 1])


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
        ([[0.5, 0.4], [-0.5, 0.5]], "minimum 0.4; rows must be probabilities, so apply a softmax to logits first."),
        ([[1.0, 0.5], [0.5, 0.5]], "minimum 0.5; rows must be probabilities, so divide each row by its sum."),
        ([[1.0, 1.0], [1.0, 1.0]], "Row 0 of pred_probs sums to 2 with minimum 1;"),
        ([[0.0, 0.0], [0.0, 0.0]], "Row 0 of pred_probs sums to 0 with minimum 0;"),
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
        (np.eye(3), np.empty(0, int), "There are 3 rows of features but 0 noisy_labels."),
        (np.eye(3), [0, -1, 1], "noisy_labels has -1 in row 1"),
        (np.eye(3), [0.0, 1.0, 1.0], "noisy_labels must be integers, not float64"),
        (np.eye(3), [0, 2, 2], "Class 1 has no noisy label; number the classes 0, 1, ... without a gap"),
        (np.eye(3), [0, 0, 0], "Class 1 has no noisy label"),
        (np.eye(3), [0, 10**12, 1], "noisy_labels has 1000000000000 in row 1, more than it has labels; number the"),
        (np.eye(1), [2], "noisy_labels has 2 in row 0, more than it has labels; number the"),
        (np.eye(1), [1], "Class 0 has no noisy label"),
        (np.eye(1), [0], "Class 1 has no noisy label"),
        (np.eye(5), [0, 3, 3, 3, 4], "Class 1 has no noisy label"),
        ([[0.1, 0.2], [np.nan, 0.5], [0.5, np.inf]], [0, 1, 1], "features has a value that is not finite in row 1."),
    ],
)
def test_features_that_can_not_be_used_are_refused(features, labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_features(features, labels)


def test_rows_of_counts_are_distributions_and_an_empty_one_is_that_of_the_identity():
    rows = as_rows(np.array([[2, 2, 0], [0, 0, 0], [0, 1, 3]]))
    np.testing.assert_array_equal(rows, [[0.5, 0.5, 0], [0, 1, 0], [0, 0.25, 0.75]])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({17: np.nan, 33: np.inf}, "pred_probs has a value that is not finite in row 17."),
        ({17: 1.5, 33: -0.5}, "Row 17 of pred_probs sums to "),
        ({17: -0.5, 33: 1.5}, "Row 17 of pred_probs sums to "),
    ],
)
def test_of_two_rows_that_are_none_the_first_is_named(spoil, message):
    probs = PROBS.copy()
    for row, value in spoil.items():
        probs[row, 2] = value
    with pytest.raises(InputError, match=re.escape(message)):
        check_inputs(probs, LABELS)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [(np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64), (np.longdouble, np.float64)],
)
def test_other_precisions_become_the_least_that_numpy_computes_in_and_that_holds_them(dtype, kept):
    probs = np.array([[0.5, 0.5], [0.25, 0.75]], dtype=dtype)
    assert check_inputs(probs, [0, 1])[0].dtype == check_features(probs, [0, 1])[0].dtype == kept


@pytest.mark.parametrize(("off", "taken"), [(0.00099, True), (-0.00099, True), (0.00101, False), (-0.00101, False)])
def test_rows_sum_to_1_within_a_thousandth(off, taken):
    probs = np.array([[0.5 + off, 0.5], [0.5, 0.5]])
    if taken:
        check_inputs(probs, [0, 1])
    else:
        with pytest.raises(InputError, match="divide each row by its sum"):
            check_inputs(probs, [0, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 3), (1000, 10), (50_000, 10), (100, 3000), (3, 400_000)])
def test_blocks_are_all_rows_in_order_and_as_many_at_once_as_stay_in_the_cache(dtype, shape):
    array = np.empty(shape, dtype)
    blocks = _inputs.row_blocks(array)
    rows = [row for block in blocks for row in range(shape[0])[block]]
    assert rows == list(range(shape[0]))
    for block in blocks:
        assert array[block].nbytes <= _inputs.BLOCK_BYTES or len(array[block]) == 1
    for block in blocks[:-1]:
        assert array[block].nbytes + array[0].nbytes > _inputs.BLOCK_BYTES
    assert 2**18 <= _inputs.BLOCK_BYTES <= 2**22  # what processors have for each core


def test_features_whose_squares_are_numbers_are_left_as_they_are_and_others_are_multiplied_by_a_power_of_two():
    usual = np.array([[1e-70, 3e70, 0.0], [-2e-70, 1.0, 0.0]])
    assert _inputs.in_range(usual, axis=0) is usual
    given = np.array([[1e200, 1e-200, 1.0], [-3e200, 3e-200, 2.0]])
    found = _inputs.in_range(given, axis=0)
    np.testing.assert_array_equal(found[:, 2], given[:, 2])
    largest = np.abs(found).max(axis=0)
    assert ((largest[:2] >= 0.5) & (largest[:2] < 1)).all()
    np.testing.assert_array_equal(np.frexp(found)[0], np.frexp(given)[0])  # no digit is rounded
    assert np.ptp((np.frexp(given)[1] - np.frexp(found)[1]), axis=0).max() == 0
    np.testing.assert_array_equal(_inputs.in_range(given.T, axis=1), found.T)


@pytest.mark.parametrize("scale", [1e-300, 0.125, 1e300])
def test_counts_may_be_numbers_of_any_scale(scale):
    np.testing.assert_allclose(as_rows(scale * np.array([[1.0, 3.0], [0.0, 0.0]])), [[0.25, 0.75], [0, 1]])
