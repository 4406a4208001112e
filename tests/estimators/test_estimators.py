import math
import pickle
import re
import tracemalloc

import cleanlab.count
import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import names, noise, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import (
    ESTIMATORS,
    FEATURE_ESTIMATORS,
    anchor,
    argmax_counts,
    bootstrap_deviation,
    confident_learning,
    dual_t,
    interval,
    iterative_anchors,
    maximum_likelihood,
    tempered_likelihood,
)
from labelnoise.estimators import _inputs as inputs

quick = few(40)


DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
OF_PROBABILITIES = {
    **ESTIMATORS,
    "maximum-likelihood": maximum_likelihood,
    "tempered-likelihood": lambda probs, labels: tempered_likelihood(probs, labels)[0],
    "interval": lambda probs, labels: interval(anchor, probs, labels, resamples=2).high,
}


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
    matrix = names.named("paper-0.5", 3)
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


def test_the_maximum_is_what_a_percentile_is_unless_told_otherwise():
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=300)
    for estimate in (anchor, dual_t, iterative_anchors):
        found, other = (estimate(probs, np.arange(300) % 3, percentile=percentile) for percentile in (100, 99))
        np.testing.assert_array_equal(estimate(probs, np.arange(300) % 3), found)
        assert (found != other).any()


def test_largest_values_are_found_where_a_part_of_the_rows_misleads():
    # Bounds are set by every fourth row, which here has the larger values of one class and the smaller of the other.
    share = np.random.default_rng(0).random(8192) / 2
    share[::4] += 0.5
    found = anchor(np.stack([share, 1 - share], axis=1), np.arange(8192) % 2, percentile=97)
    ranked = np.sort(share)[[math.ceil(0.97 * 8192) - 1, 8192 - math.ceil(0.97 * 8192)]]
    np.testing.assert_array_equal(found[:, 0], ranked)


def test_a_percentile_counts_from_below():
    share = np.arange(1, 101) / 101
    probs = np.stack([share, 1 - share], axis=1)
    for percentile in (1, 50, 97, 100):
        found = anchor(probs, np.arange(100) % 2, percentile=percentile)
        assert found[0, 0] == pytest.approx(share[percentile - 1])


@pytest.mark.parametrize("estimate", [anchor, dual_t, iterative_anchors])
def test_the_least_percentile_that_float64_has_is_the_minimum(estimate):
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=30)
    least, first = (estimate(probs, np.arange(30) % 3, percentile=percentile) for percentile in (5e-324, 1e-3))
    np.testing.assert_array_equal(least, first)


def test_a_percentile_below_100_withstands_an_outlier_and_the_maximum_does_not():
    matrix = names.named("paper-0.5", 3)
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
        (GOOD, [[0, 1, 1]], "noisy_labels must have shape (n_samples,), not (1, 3)."),
    ],
)
def test_inputs_that_can_not_be_used_are_refused(name, probs, labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ESTIMATORS[name](probs, labels)


@pytest.mark.parametrize("percentile", [0, -1, 100.1, float("nan")])
def test_a_percentile_lies_above_0_and_up_to_100(percentile):
    with pytest.raises(InputError, match=re.escape(f"percentile must lie in (0, 100], not {percentile!r}.")):
        anchor(GOOD, [0, 1, 1], percentile=percentile)
    with pytest.raises(InputError, match=re.escape(f"percentile must lie in (0, 100], not {percentile!r}.")):
        dual_t(GOOD, [0, 1, 1], percentile=percentile)


def test_float32_probabilities_are_taken():
    assert anchor(GOOD.astype(np.float32), [0, 1, 1]).dtype == np.float64


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_inputs_are_left_alone(name):
    probs, labels = GOOD.copy(), np.array([0, 1, 1])
    ESTIMATORS[name](probs, labels)[:] = 0
    np.testing.assert_array_equal(probs, GOOD)
    np.testing.assert_array_equal(labels, [0, 1, 1])


def classes_apart(matrix, n, seed):
    """Clean and noisy labels of n samples whose class leaves no doubt, so that P(noisy | x) is a row of T."""
    generator = np.random.default_rng(seed)
    clean = generator.integers(0, len(matrix), n)
    return clean, noise.corrupt(clean, matrix, generator)


@pytest.mark.parametrize("name", ["argmax-counts", "dual-t", "confident-learning", "selective-threshold"])
@pytest.mark.parametrize(
    ("noise_name", "n_classes"),
    [("paper-0.5", 3), ("paper-0.6", 3), ("symmetric-0.2", 3), ("symmetric-0.5", 10), ("pair-flip-0.45", 10)],
)
def test_classes_apart_find_the_matrix_as_closely_as_the_number_of_samples_allows(name, noise_name, n_classes):
    # Row i is then a mean over the n_i samples of clean class i, so by Hoeffding's inequality and the union over the
    # entries none is off by more than sqrt(log(2 n_classes**2 / delta) / 2 / n_i) with probability 1 - delta.
    # Dual-T needs a network that is sure of the clean class, as the next test shows.
    matrix, delta = names.named(noise_name, n_classes), 1e-6
    clean, noisy = classes_apart(matrix, 20_000, seed=0)
    probs = np.eye(n_classes)[clean] if name == "dual-t" else matrix[clean]
    bound = np.sqrt(np.log(2 * n_classes**2 / delta) / 2 / np.bincount(clean))
    assert (np.abs(ESTIMATORS[name](probs, noisy) - matrix) <= bound[:, None]).all()


def test_dual_t_applies_the_noise_twice_to_exact_noisy_posteriors():
    # The first factor is T itself, the second counts rows of T among the n_l samples of each class: an entry of the
    # product has the variance sum_l T[i, l]**2 T[l, j] (1 - T[l, j]) / n_l. None of the nine is off by more than z
    # deviations with probability 1 - 1e-6.
    matrix = names.named("paper-0.5", 3)
    clean, noisy = classes_apart(matrix, 20_000, seed=0)
    variance = matrix**2 @ (matrix * (1 - matrix) / np.bincount(clean)[:, None])
    z = scipy.stats.norm.isf(1e-6 / 9 / 2)
    assert (np.abs(dual_t(matrix[clean], noisy) - matrix @ matrix) <= z * np.sqrt(variance)).all()


@quick
@given(matrices(), st.sampled_from([90.0, 100.0]), st.integers(0, 2**32))
def test_dual_t_is_the_anchors_times_the_counts(matrix, percentile, seed):
    n_classes = len(matrix)
    probs = np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=50)
    labels = np.arange(50) % n_classes
    product = anchor(probs, labels, percentile=percentile) @ argmax_counts(probs, labels)
    np.testing.assert_allclose(dual_t(probs, labels, percentile=percentile), product)


@quick
@given(st.integers(2, 6), st.integers(0, 2**32))
def test_argmax_counts_of_a_right_classifier_are_the_oracle(n_classes, seed):
    generator = np.random.default_rng(seed)
    clean = np.arange(60) % n_classes
    noisy = np.append(generator.integers(0, n_classes, 60 - n_classes), np.arange(n_classes))
    probs = 0.9 * np.eye(n_classes)[clean] + 0.1 * generator.dirichlet(np.ones(n_classes), size=60)
    np.testing.assert_array_equal(argmax_counts(probs, noisy), noise.oracle(clean, noisy, n_classes))


@quick
@given(st.sampled_from(sorted(ESTIMATORS)), st.integers(3, 8), st.integers(0, 2**32))
def test_a_class_that_is_never_predicted_gives_a_transition_matrix(name, n_classes, seed):
    probs = np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=60)
    probs[:, 0] = 0.5 * probs[:, 1:].max(axis=1)
    probs /= probs.sum(axis=1, keepdims=True)
    estimate = ESTIMATORS[name](probs, np.arange(60) % n_classes)
    np.testing.assert_array_equal(transitions.validate(estimate), estimate)
    if name == "argmax-counts":
        np.testing.assert_array_equal(estimate[0], np.eye(n_classes)[0])


def test_a_class_that_no_sample_is_confident_in_gets_the_row_of_the_identity():
    probs = np.array([[0.1, 0.6, 0.3], [0.3, 0.4, 0.3], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.1, 0.3, 0.6]])
    estimate = confident_learning(probs, [1, 0, 0, 2, 2])
    np.testing.assert_allclose(estimate[0], [1, 0, 0])


def by_cleanlab(probs, labels, *, rounded):
    """T as cleanlab gives it, rows clean classes; it rounds the calibrated counts to integers unless told not to."""
    joint = cleanlab.count.compute_confident_joint(labels, probs, calibrate=rounded)
    if not rounded:
        joint = joint * (np.bincount(labels) / joint.sum(axis=1))[:, None]
    _, noise_matrix, _ = cleanlab.count.estimate_latent(joint, labels)
    return noise_matrix.T, joint.sum(axis=0)


def assert_equal_to_cleanlab(probs, labels):
    ours = confident_learning(probs, labels)
    theirs, _ = by_cleanlab(probs, labels, rounded=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    # Rounding moves each of the counts c of a clean class by less than 1, and their sum by less than n_classes to s;
    # so it moves a share T = c / sum(c) by less than (1 + n_classes * T) / s.
    theirs, sums = by_cleanlab(probs, labels, rounded=True)
    assert (np.abs(ours - theirs) <= ((1 + len(ours) * ours) / np.maximum(sums, 1)[:, None])).all()


@quick
@given(st.integers(2, 12), st.floats(0.1, 5), st.integers(0, 2**32))
def test_confident_learning_is_equal_to_cleanlab_on_random_inputs(n_classes, concentration, seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(50, 2000))
    probs = generator.dirichlet(np.full(n_classes, concentration), size=n)
    labels = np.append(np.arange(n_classes), generator.integers(0, n_classes, n - n_classes))
    assert_equal_to_cleanlab(probs, labels)


@pytest.mark.parametrize("noise_name", ["symmetric-0.2", "symmetric-0.5", "pair-flip-0.45"])
@pytest.mark.parametrize("block_bytes", [2**10, 2**20])
def test_confident_learning_is_equal_to_cleanlab_on_a_network_of_ten_classes(noise_name, block_bytes, monkeypatch):
    # Logits of a network that is right in four of five cases and more confident than it should be.
    monkeypatch.setattr(inputs, "BLOCK_BYTES", block_bytes)
    matrix = names.named(noise_name, 10)
    clean, noisy = classes_apart(matrix, 6000, seed=0)
    logits = 2.5 * np.eye(10)[clean] + np.random.default_rng(1).standard_normal((6000, 10))
    beliefs = np.exp(1.5 * logits)
    assert_equal_to_cleanlab(beliefs / beliefs.sum(axis=1, keepdims=True) @ matrix, noisy)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_are_taken(name, dtype):
    tensor = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(4), size=80)).to(dtype).requires_grad_()
    labels = torch.arange(80) % 4
    expected = ESTIMATORS[name](tensor.detach().numpy(), labels.numpy())
    np.testing.assert_array_equal(ESTIMATORS[name](tensor, labels), expected)
    transitions.validate(ESTIMATORS[name](tensor.bfloat16(), labels))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_layout_of_the_probabilities_does_not_matter(name, monkeypatch):
    monkeypatch.setattr(inputs, "BLOCK_BYTES", 2**10)
    probs, labels = np.random.default_rng(0).dirichlet(np.ones(7), size=700), np.arange(700) % 7
    expected = ESTIMATORS[name](probs, labels)
    np.testing.assert_allclose(ESTIMATORS[name](np.asfortranarray(probs), labels), expected, atol=1e-12)
    np.testing.assert_allclose(ESTIMATORS[name](np.repeat(probs, 2, axis=0)[::2], labels), expected, atol=1e-12)


@quick
@given(st.integers(2, 9), st.floats(0.1, 100), st.integers(0, 2**32))
def test_an_anchor_is_the_first_sample_with_the_value_of_its_rank(n_classes, percentile, seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=40).round(1)
    probs[:, 0] += 1 - probs.sum(axis=1)
    probs = probs[probs.min(axis=1) >= 0]
    if len(probs) < n_classes:
        return
    ranked = np.sort(probs, axis=0)[int(np.ceil(percentile / 100 * len(probs))) - 1]
    expected = np.stack([probs[np.flatnonzero(probs[:, i] == ranked[i])[0]] for i in range(n_classes)])
    found = anchor(probs, np.arange(len(probs)) % n_classes, percentile=percentile)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "selective-threshold"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(200_000, 10), (4000, 500)])
def test_memory_beyond_the_input_is_at_most_its_size(name, dtype, shape):
    probs = np.random.default_rng(0).random(shape, dtype=np.float32).astype(dtype)
    probs /= probs.sum(axis=1, keepdims=True)
    labels = np.arange(shape[0]) % shape[1]
    tracemalloc.start()
    ESTIMATORS[name](probs, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The result and the counts that it comes from are of size n_classes**2, whatever the number of samples.
    assert peak <= probs.nbytes + 5 * 8 * shape[1] ** 2


def test_each_estimator_has_a_title_of_its_own_and_can_be_sent_to_another_process():
    known = {**ESTIMATORS, **FEATURE_ESTIMATORS}
    assert len({each.title for each in known.values()}) == len(known)
    given, labels = np.random.default_rng(0).dirichlet(np.ones(3), size=60), np.arange(60) % 3
    for each in known.values():
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(each))(given, labels), each(given, labels))


COUNTING = ["argmax-counts", "confident-learning"]


def test_the_estimators_that_say_that_they_count_do():
    assert [name for name, each in ESTIMATORS.items() if each.counts] == COUNTING


@pytest.mark.parametrize("name", COUNTING)
def test_the_deviation_of_one_that_counts_halves_with_four_times_the_samples(name):
    clean = np.random.default_rng(0).dirichlet(np.full(3, 0.3), size=8000)
    matrix = transitions.symmetric(3, 0.4)
    labels = noise.draw(clean @ matrix, np.random.default_rng(1))
    few, many = (
        bootstrap_deviation(ESTIMATORS[name], clean @ matrix, labels, resamples=100, size=n) for n in (2000, 8000)
    )
    # A deviation over 100 resamples has a relative error of 0.07, a ratio of two 0.1, the mean of a row at most that,
    # and the mean of three rows, which count other samples, 0.1 / sqrt(3). Five of them: one in 1.7 million fails.
    assert np.mean(few / many) == pytest.approx(2, rel=5 * 0.1 / 3**0.5)


@pytest.mark.parametrize("name", FEATURE_ESTIMATORS)
def test_those_from_features_take_features_and_noisy_labels(name):
    features = np.random.default_rng(0).standard_normal((60, 4))
    transitions.validate(FEATURE_ESTIMATORS[name](features, np.arange(60) % 3))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", [*OF_PROBABILITIES, *FEATURE_ESTIMATORS])
def test_every_estimator_takes_arrays_and_tensors_alike_and_gives_float64(name, dtype, device):
    estimate = {**OF_PROBABILITIES, **FEATURE_ESTIMATORS}[name]
    probs = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(3), size=90)).to(dtype)
    labels = torch.arange(90) % 3
    found = estimate(probs.to(device).requires_grad_(), labels.to(device, torch.int32))
    assert type(found) is np.ndarray
    assert found.dtype == np.float64
    if dtype != torch.bfloat16:  # which NumPy does not have
        np.testing.assert_array_equal(found, estimate(probs.detach().numpy(), labels.numpy()))


@pytest.mark.parametrize(("name", "estimate"), [("anchor-97", anchor), ("iterative-anchors", iterative_anchors)])
def test_the_estimators_of_the_97th_percentile_read_that_percentile(name, estimate):
    generator = np.random.default_rng(0)
    probs, labels = generator.dirichlet(np.ones(3), size=300), generator.integers(3, size=300)
    found = {
        at: np.array_equal(ESTIMATORS[name](probs, labels), estimate(probs, labels, percentile=at))
        for at in (96, 97, 98)
    }
    assert found == {96: False, 97: True, 98: False}
