"""What holds of T, of noise, of statistics and of names whatever valid input they are given."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import answered, distributions, levels, matrices, rates, seeds, sizes, tried

from labelnoise import names, noise, statistics, transitions

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)
DTYPES = [np.uint8, np.int8, np.int32, np.uint64, np.int64]


@st.composite
def labelled(draw, n_classes=sizes, least=0):
    """A transition matrix, and labels of its classes in any type of integers."""
    matrix = draw(matrices(n_classes))
    found = draw(st.lists(st.integers(0, len(matrix) - 1), min_size=least, max_size=30))
    return matrix, np.array(found, dtype=draw(st.sampled_from(DTYPES)))


# Transition matrices


@tried
@given(matrices())
def test_a_matrix_that_is_one_passes_unchanged_as_an_array_and_as_lists(matrix):
    for form in (matrix, matrix.tolist(), np.asfortranarray(matrix)):
        np.testing.assert_array_equal(transitions.validate(form, len(matrix)), matrix)


@tried
@given(matrices(), st.data())
def test_the_noise_rate_lies_between_those_of_the_classes_and_is_the_same_under_any_names(matrix, data):
    priors = data.draw(hnp.arrays(np.float64, len(matrix), elements=st.floats(0, 1e300)).filter(np.any))
    order = data.draw(st.permutations(range(len(matrix))))
    flipped = 1 - matrix.diagonal()
    for weights in (None, priors):
        rate = transitions.noise_rate(matrix, weights)
        assert flipped.min() - 1e-12 <= rate <= flipped.max() + 1e-12
        renamed = transitions.noise_rate(matrix[np.ix_(order, order)], None if weights is None else weights[order])
        assert renamed == pytest.approx(rate, abs=1e-12)


@tried
@given(st.data(), sizes)
def test_errors_are_the_same_under_any_names_and_grow_with_the_distance(data, n):
    estimate, truth = data.draw(distributions(n, n)), data.draw(distributions(n, n))
    order = data.draw(st.permutations(range(n)))
    for error in (transitions.l1_error, transitions.frobenius_error):
        whole = error(estimate, truth)
        assert 0 <= whole < np.inf
        assert error((estimate + truth) / 2, truth) == pytest.approx(whole / 2, abs=1e-9)
        assert error(estimate[np.ix_(order, order)], truth[np.ix_(order, order)]) == pytest.approx(whole, abs=1e-12)


@tried
@given(hnp.arrays(np.float64, (2, 2, 2), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_errors_of_any_finite_numbers_are_numbers_or_are_refused(pair):
    for error in (transitions.l1_error, transitions.frobenius_error):
        found, refused = answered(error, *pair)
        largest = np.abs(pair).max(axis=(1, 2))
        assert bool(refused) != bool(((largest >= 1e-100) & (largest <= 1e100)).all())
        assert refused or 0 <= found < np.inf


# Noise


@tried
@given(labelled(), seeds)
def test_no_label_is_flipped_where_the_matrix_rules_it_out(drawn, seed):
    matrix, clean = drawn
    before = clean.copy()
    noisy = noise.corrupt(clean, matrix, np.random.default_rng(seed))
    assert noisy.shape == clean.shape
    assert (matrix[clean, noisy] > 0).all()
    np.testing.assert_array_equal(clean, before)
    np.testing.assert_array_equal(noise.draw(matrix[clean], np.random.default_rng(seed)), noisy)


@tried
@given(labelled(), seeds)
def test_corrupting_with_the_identity_changes_nothing(drawn, seed):
    matrix, clean = drawn
    np.testing.assert_array_equal(noise.corrupt(clean, np.eye(len(matrix)), np.random.default_rng(seed)), clean)


@tried
@given(hnp.arrays(np.int64, (4, 4), elements=st.integers(0, 9)), seeds)
def test_exact_counts_give_the_matrix_back(more, seed):
    """Each class as often as its row says, in any order."""
    counts = more + np.eye(4, dtype=np.int64)
    clean, noisy = np.repeat(np.indices((4, 4)).reshape(2, -1), counts.ravel(), axis=1)
    order = np.random.default_rng(seed).permutation(len(clean))
    np.testing.assert_array_equal(noise.count_transitions(clean[order], noisy[order], 4), counts)
    np.testing.assert_allclose(noise.oracle(clean[order], noisy[order], 4), counts / counts.sum(axis=1, keepdims=True))


@tried
@given(labelled())
def test_the_mean_matrix_of_the_rows_of_a_matrix_is_that_matrix(drawn):
    matrix, clean = drawn
    found = noise.mean_transition_matrix(matrix[clean], clean)
    seen = np.isin(np.arange(len(matrix)), clean)
    np.testing.assert_allclose(found, np.where(seen[:, None], matrix, np.eye(len(matrix))), atol=1e-12)


NUMBERS = st.sampled_from([np.uint8, np.int16, np.uint64, np.float16, np.float32, np.float64, np.longdouble, np.bool_])


@tried
@given(st.data(), st.integers(1, 8), sizes, rates, st.booleans(), seeds)
def test_noise_by_image_has_probabilities_for_pixels_of_any_type_and_scale(data, n, n_classes, rate, normalise, seed):
    dtype = np.dtype(data.draw(NUMBERS))
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    elements = hnp.from_dtype(np.dtype(np.float64) if dtype == np.longdouble else dtype, **finite)
    images = data.draw(hnp.arrays(dtype, (n, 3), elements=elements))
    clean = np.arange(n) % n_classes
    given_images = (images, clean, n_classes, rate, np.random.default_rng(seed))
    found, refused = answered(noise.instance_probs, *given_images, normalise=normalise)
    if refused:
        assert "alike" in refused or "beyond" in refused
        return
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_array_equal(noise.draw(found, np.random.default_rng(0)) >= 0, True)


@tried
@given(st.lists(st.one_of(st.integers(), st.text(), st.none(), st.floats(allow_nan=False)), max_size=4))
def test_a_seed_is_the_same_for_the_same_parts_and_one_that_generators_take(parts):
    seed = noise.derive_seed(*parts)
    assert 0 <= seed < 2**63
    assert noise.derive_seed(*parts) == seed != noise.derive_seed(*parts, "more")


# Statistics


@tried
@given(values, levels, levels)
def test_intervals_hold_their_estimate_and_widen_with_their_level(sample, level, other):
    low, high = sorted([level, other])
    narrow, wide = statistics.interval(sample, low), statistics.interval(sample, high)
    if len(sample) > 1:
        assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high
        assert 0 <= narrow.p_value <= 1
    narrow, wide = statistics.median_interval(sample, low), statistics.median_interval(sample, high)
    assert narrow[0] == wide[0] == np.median(sample)
    if not np.isnan(wide[1:]).any():
        assert wide[1] <= narrow[1] <= narrow[0] <= narrow[2] <= wide[2]


@tried
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=20), levels)
def test_a_paired_difference_changes_its_sign_with_the_order(pairs, level):
    first, second = np.array(pairs).T
    found, turned = (statistics.paired_difference(*each, level) for each in ((first, second), (second, first)))
    assert (turned.mean, turned.low, turned.high) == (-found.mean, -found.high, -found.low)
    assert statistics.paired_difference(first, first, level).mean == 0


@tried
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), seeds)
def test_corrected_p_values_are_p_values_and_follow_theirs_into_any_order(p_values, seed):
    found, order = statistics.holm(p_values), np.random.default_rng(seed).permutation(len(p_values))
    assert (found >= p_values).all()
    assert (found <= 1).all()
    np.testing.assert_array_equal(statistics.holm(np.array(p_values)[order]), found[order])


@tried
@given(labelled(least=1), seeds)
def test_a_fit_has_a_p_value_that_is_the_same_under_any_names(drawn, seed):
    matrix, clean = drawn
    generator = np.random.default_rng(seed)
    noisy, order = noise.corrupt(clean, matrix, generator), generator.permutation(len(matrix))
    p_value = statistics.goodness_of_fit(clean, noisy, matrix)
    assert 0 <= p_value <= 1
    place = np.argsort(order)
    renamed = statistics.goodness_of_fit(place[clean], place[noisy], matrix[np.ix_(order, order)])
    assert renamed == pytest.approx(p_value, rel=1e-6, abs=1e-12)


@tried
@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 99)))
def test_overdispersion_is_a_ratio_and_a_p_value_and_does_not_know_the_order(counts):
    found, refused = answered(statistics.overdispersion, counts)
    if refused:
        assert min(counts[:, counts.any(axis=0)].shape) < 2 or not counts.any(axis=1).all()
        return
    ratio, p_value = found
    assert ratio >= 0
    assert 0 <= p_value <= 1
    assert statistics.overdispersion(counts[::-1, ::-1]) == pytest.approx((ratio, p_value))
    same = np.repeat(counts[:1] + 1, len(counts), axis=0)
    assume(min(same.shape) > 1)
    assert statistics.overdispersion(same) == pytest.approx((0, 1))


@tried
@given(sizes, seeds)
def test_quantiles_of_classes_rise_from_the_least_to_the_most(n, seed):
    generator = np.random.default_rng(seed)
    probs, labels = generator.random((20, n)), np.arange(20) % n
    found = statistics.class_quantiles(probs, labels)
    assert found.shape == (n, n, len(statistics.QUANTILES))
    assert (np.diff(found) >= 0).all()
    for i in range(n):
        assert (found[i, :, 0] >= probs[labels == i].min(axis=0)).all()
        assert (found[i, :, -1] <= probs[labels == i].max(axis=0)).all()


# Names


WORDS = [
    "clean",
    "symmetric-",
    "pair-flip-",
    "random-",
    "paper-",
    "instance-",
    "raw-",
    "human",
    "towards-",
    "-",
    "_",
    " ",
]
NUMBERED = ["0.5", "1", "7", "nan", "inf", "1e400", "9" * 5000, "٣"]  # the last is a 3 of Arabic
PIECES = st.lists(st.sampled_from([*WORDS, *NUMBERED, "[", "[" * 10**5, "]", ",", "{", '"']), max_size=5).map("".join)


@tried
@given(st.one_of(PIECES, st.text(max_size=12)), sizes)
def test_any_text_is_the_name_of_a_noise_or_is_refused(text, n):
    for read in (names.parse, names.named, names.nominal_rate):
        found, refused = answered(read, text, n)
        if refused:
            assert "\n" not in refused
        elif read is names.named:
            np.testing.assert_array_equal(transitions.validate(found, n), found)
        elif read is names.parse and found.matrix is not None:
            assert found.rate == pytest.approx(transitions.noise_rate(found.matrix))
        elif read is names.nominal_rate:
            assert 0 <= found <= 1


@tried
@given(matrices())
def test_a_matrix_that_is_written_out_is_read_to_the_last_bit(matrix):
    np.testing.assert_array_equal(names.named(json.dumps(matrix.tolist()), len(matrix)), matrix)


DISTORTED = st.one_of(
    st.just("transposed"),
    st.builds("{}-{}".format, st.sampled_from(["towards-identity", "towards-uniform", "at-random"]), rates),
    PIECES,
)


@tried
@given(DISTORTED, matrices(), seeds)
def test_a_distorted_matrix_is_one_or_its_name_is_refused(name, matrix, seed):
    found, refused = answered(names.distorted, name, matrix, np.random.default_rng(seed))
    if refused:
        assert "Unknown distortion" in refused
    else:
        np.testing.assert_array_equal(transitions.validate(found, len(matrix)), found)


@tried
@given(st.text("ab, -", max_size=12), st.text("ab, -", max_size=12))
def test_a_name_of_several_is_split_at_its_first_comma_and_can_be_put_together_again(first, rest):
    head, tail = names.in_two(f"{first}, {rest}")
    assert f"{head}, {tail}" == f"{first}, {rest}"
    assert ", " not in head
    assert names.distortion(f"true, {rest}") == (rest or None)
