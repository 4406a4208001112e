import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import names
from labelnoise.errors import InputError
from labelnoise.noise import corrupt
from labelnoise.statistics import (
    QUANTILES,
    class_quantiles,
    goodness_of_fit,
    holm,
    interval,
    median_interval,
    overdispersion,
    paired_difference,
)

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20)


def test_an_interval_of_a_case_worked_by_hand():
    found = interval([1.0, 2.0, 3.0])
    half = 4.302653 / 3**0.5  # Student's t with two degrees of freedom, from a printed table
    assert (found.mean, found.deviation, found.n) == (2, 1, 3)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert found.half_width == pytest.approx(half)


@few(50)
@given(values.filter(lambda sample: np.std(sample) > 1e-6), st.floats(0.5, 0.99))
def test_an_interval_is_scipys(sample, level):
    found = interval(sample, level)
    theirs = scipy.stats.t.interval(
        level, len(sample) - 1, np.mean(sample), np.std(sample, ddof=1) / len(sample) ** 0.5
    )
    assert (found.low, found.high) == pytest.approx(theirs)


def test_an_interval_covers_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(0)
    n = 4000
    found = [interval(generator.normal(5, 2, size=6), level=0.9) for _ in range(n)]
    share = np.mean([i.low <= 5 <= i.high for i in found])
    assert abs(share - 0.9) < 6 * (0.9 * 0.1 / n) ** 0.5  # six standard deviations of the binomial: one in 10^8 fails


@few(50)
@given(values, st.floats(-100, 100))
def test_a_shift_moves_an_interval(sample, shift):
    found, moved = interval(sample), interval(np.add(sample, shift))
    assert moved.mean == pytest.approx(found.mean + shift, abs=1e-6)
    assert moved.half_width == pytest.approx(found.half_width, abs=1e-6)
    assert found.low <= found.mean <= found.high


def test_one_value_has_no_interval():
    found = interval([3.0])
    assert (found.mean, found.n) == (3, 1)
    assert np.isnan([found.low, found.high, found.deviation]).all()


@few(50)
@given(values)
def test_a_paired_difference_is_the_interval_of_the_differences(sample):
    other = np.square(sample)
    assert paired_difference(sample, other) == interval(np.subtract(sample, other))


def test_pairing_takes_out_what_pairs_share():
    shared = np.random.default_rng(0).normal(scale=10, size=10)
    own = np.linspace(0.9, 1.1, 10)
    assert paired_difference(shared + own, shared).low > 0.9
    assert interval(shared + own).low < 0


@pytest.mark.parametrize("sample", [[], [1.0, float("nan")], [float("inf")], [[1.0, 2.0]]])
def test_an_interval_needs_finite_values(sample):
    with pytest.raises(InputError, match="An interval needs one or more finite values"):
        interval(sample)


def test_pairs_come_in_equal_numbers():
    with pytest.raises(InputError, match="as many first as second values, not 2 and 1"):
        paired_difference([1.0, 2.0], [1.0])


def flips(name, n=20_000, seed=0):
    clean = np.arange(n) % 3
    return clean, corrupt(clean, names.named(name, 3), np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["paper-0.5", "random-0.4-1", "pair-flip-0.3"])  # the last one has zeros
def test_p_values_are_uniform_under_the_right_matrix(name):
    matrix = names.named(name, 3)
    n = 400
    p = np.sort([goodness_of_fit(*flips(name, 600, seed), matrix) for seed in range(n)])
    distance = np.abs(p - np.arange(1, n + 1) / n).max()
    assert distance < (np.log(2 / 1e-6) / (2 * n)) ** 0.5 + 1 / n  # Dvoretzky, Kiefer, Wolfowitz: one in 10^6 fails


def test_a_wrong_matrix_does_not_fit():
    matrix = names.named("paper-0.5", 3)
    assert goodness_of_fit(*flips("paper-0.5"), matrix.T) < 1e-100
    assert goodness_of_fit(*flips("paper-0.5"), names.named("paper-0.6", 3)) < 1e-10


def test_a_flip_that_the_matrix_rules_out_has_no_probability():
    assert goodness_of_fit([0, 1, 2, 0], [0, 1, 2, 1], np.eye(3)) == 0
    assert goodness_of_fit([0, 1, 2, 0], [0, 1, 2, 0], np.eye(3)) == 1


def test_a_class_without_samples_takes_no_part():
    matrix = names.named("paper-0.5", 3)
    clean, noisy = flips("paper-0.5", 600)
    keep = clean != 2
    counts = np.array([[((clean == i) & (noisy == j)).sum() for j in range(3)] for i in range(2)])
    statistic = sum(scipy.stats.chisquare(row, row.sum() * t).statistic for row, t in zip(counts, matrix, strict=False))
    expected = scipy.stats.chi2.sf(statistic, 4)
    assert goodness_of_fit(clean[keep], noisy[keep], matrix) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("clean", "noisy", "matrix", "message"),
    [
        ([0, 1], [0], np.eye(2), "There are 2 clean_labels but 1 noisy_labels"),
        ([0, 2], [0, 1], np.eye(2), "clean_labels has 2 in row 1"),
        ([0, 1], [0, -1], np.eye(2), "noisy_labels has -1 in row 1"),
        ([0, 1], [0, 1], [[0.5, 0.4], [0, 1]], "Row 0 of the transition matrix sums to 0.9"),
    ],
)
def test_the_fit_checks_labels_and_matrix(clean, noisy, matrix, message):
    with pytest.raises(InputError, match=message):
        goodness_of_fit(clean, noisy, matrix)


def test_a_p_value_is_that_of_scipys_t_test():
    values = np.random.default_rng(0).normal(0.3, 1, size=12)
    assert interval(values).p_value == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20))
def test_a_p_value_is_below_5_percent_where_the_interval_excludes_zero(values):
    found = interval(values)
    if found.deviation > 1e-6 and abs(found.p_value - 0.05) > 1e-6:
        assert (found.low > 0 or found.high < 0) == (found.p_value < 0.05)


def test_a_p_value_of_values_that_do_not_vary():
    assert interval([2.0, 2.0]).p_value == 0
    assert interval([0.0, 0.0]).p_value == 1
    assert np.isnan(interval([1.0]).p_value)


def test_holm_on_a_case_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.5]), [1, 1])
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferronis(values):
    corrected = holm(values)
    assert (corrected >= np.array(values)).all()
    assert (corrected <= np.minimum(1, len(values) * np.array(values)) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(values)]) >= 0).all()


def test_by_chance_one_in_twenty_families_has_a_corrected_p_value_below_5_percent():
    families = np.random.default_rng(1).uniform(size=(2000, 10))
    rejected = sum(holm(family).min() < 0.05 for family in families)
    # 1 - (1 - 0.05 / 10) ** 10 = 0.0489 of 2000 independent families; one in 10,000 fails.
    assert scipy.stats.binomtest(rejected, 2000, 1 - (1 - 0.005) ** 10).pvalue > 1e-4


@pytest.mark.parametrize("values", [[1.5], [-0.1], [float("nan")], 0.5])
def test_what_is_no_list_of_p_values_is_refused(values):
    with pytest.raises(InputError, match="p-values must be a list of numbers in"):
        holm(values)


@pytest.mark.parametrize("row", [[0.9, 0.1], [0.6, 0.3, 0.1, 0]])
def test_votes_of_one_distribution_vary_as_chance_has_it(row):
    n, m = 400, 67
    found = [overdispersion(np.random.default_rng(seed).multinomial(m, row, size=n)) for seed in range(100)]
    ratios, p_values = np.array(found).T
    freedom = (n - 1) * (np.count_nonzero(row) - 1)
    # The statistic has a variance of about two degrees of freedom; six deviations of the mean, and of the share below:
    # one in 10^8 fails. That the least of 100 p-values is below 1e-8 happens to one in a million.
    assert abs(ratios.mean() - 1) < 6 * (2 / freedom / len(ratios)) ** 0.5 + 1 / (n * m)
    assert p_values.min() > 1e-8
    assert abs(np.mean(p_values < 0.5) - 0.5) < 6 * 0.05


def test_votes_with_a_probability_of_each_image_vary_as_beta_binomial_ones():
    n, m, a, b = 2000, 67, 3, 1
    generator = np.random.default_rng(0)
    right = generator.binomial(m, generator.beta(a, b, size=n))
    ratio, p_value = overdispersion(np.stack([right, m - right], axis=1))
    # The ratio is the variance of the counts over m p (1 - p), with p counted too. To first order its relative error is
    # the mean over the images of what each one's count adds to either; six deviations of that: one in 10^8 fails.
    counts, p = scipy.stats.betabinom(m, a, b), a / (a + b)
    off = np.arange(m + 1) - m * p
    adds = off**2 / counts.var() - 1 - (1 - 2 * p) / (p * (1 - p)) * off / m
    deviation = (counts.pmf(np.arange(m + 1)) @ adds**2 / n) ** 0.5
    assert ratio == pytest.approx(1 + (m - 1) / (a + b + 1), rel=6 * deviation)
    assert p_value < 1e-100


@pytest.mark.parametrize("counts", [[[3, 4]], [[3, 0], [2, 0]], [[3, 1], [0, 0]], [1, 2], []])
def test_homogeneity_needs_rows_and_columns_with_counts(counts):
    with pytest.raises(InputError, match="needs two or more rows and columns"):
        overdispersion(counts)


def test_quantiles_of_classes_rise_and_those_of_a_rank_are_the_values_of_that_rank():
    labels = np.repeat([0, 1], 101)
    values = np.random.default_rng(0).random((202, 2))
    found = class_quantiles(values, labels)
    assert found.shape == (2, 2, len(QUANTILES))
    for i in range(2):
        ordered = np.sort(values[labels == i], axis=0)
        np.testing.assert_allclose(found[i].T, ordered[np.round(100 * np.array(QUANTILES)).astype(int)])


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_of_a_median_holds_it_as_often_as_it_says_whatever_the_distribution(level):
    """Its ends are of the ranks i and j, so it holds the median if at least i and fewer than j values lie below."""
    for n in range(6, 41):
        values = np.random.default_rng(n).standard_cauchy(n)
        median, low, high = median_interval(values, level)
        i, j = (int(np.flatnonzero(np.sort(values) == end)[0]) + 1 for end in (low, high))
        below = scipy.stats.binom(n, 0.5)
        assert median == np.median(values)
        assert below.cdf(j - 1) - below.cdf(i - 1) >= level, "at least as often as it says"
        assert below.cdf(j - 2) - below.cdf(i) < level, "and no wider than that takes"


@few(25)
@given(st.lists(st.floats(-5, 5), min_size=6, max_size=30))
def test_a_failed_run_moves_the_interval_of_a_median_no_further_than_any_other_low_one(values):
    values = np.sort(values)
    failed = np.concatenate([[values[0] - 1000], values[1:]])
    assert median_interval(failed)[0] == pytest.approx(median_interval(values)[0])
    assert median_interval(failed)[2] == median_interval(values)[2]


@pytest.mark.parametrize("n", range(1, 6))
def test_few_values_give_a_median_without_an_interval(n):
    median, low, high = median_interval(range(n))
    assert median == (n - 1) / 2
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_a_median_of_nothing_is_refused(values):
    with pytest.raises(InputError, match="A median needs one or more finite values"):
        median_interval(values)


@pytest.mark.parametrize("level", [0, -0.5, 1, 1.5])
def test_a_level_is_the_share_of_something_and_neither_none_nor_all(level):
    with pytest.raises(InputError, match=rf"^level must lie in \(0, 1\), up to 1 - 1e-15, not {level}[.]$"):
        interval([0.1, 0.2], level)


def test_values_and_counts_go_up_to_1e100():
    least_too_large = float(np.nextafter(1e100, np.inf))
    assert interval([1e100, -1e100]).mean == 0
    assert np.isfinite(overdispersion([[1e100, 1.0], [1.0, 1e100]])).all()
    for refused in (lambda: interval([0, least_too_large]), lambda: interval([0, -least_too_large]),
                    lambda: overdispersion([[least_too_large, 1.0], [1.0, 1.0]])):  # fmt: skip
        with pytest.raises(InputError):
            refused()


def test_p_values_of_0_and_1_are_some():
    np.testing.assert_array_equal(holm([0, 1]), [0, 1])


def test_a_row_of_which_no_label_can_flip_leaves_no_degree_of_freedom():
    matrix = [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    clean, noisy = [0] * 10 + [1, 1, 2], [0] * 7 + [1] * 3 + [1, 1, 2]
    assert goodness_of_fit(clean, noisy, matrix) == pytest.approx(scipy.stats.chisquare([7, 3]).pvalue)


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        ([0.5, 0.5], [0, 1], r"values must be finite numbers of shape \(n_samples, n_classes\)"),
        ([["a", "b"], ["c", "d"]], [0, 1], r"values must be finite numbers of shape"),
        ([[0.5, np.nan], [0.5, 0.5]], [0, 1], r"values must be finite numbers of shape"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 2], r"clean_labels has 2 in row 1; with 2 classes"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 0], r"a class for each of 2 values, and each class once or more"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1, 1], r"a class for each of 2 values, and each class once or more"),
    ],
)
def test_quantiles_need_a_number_for_each_image_and_class_and_an_image_of_each(values, labels, message):
    with pytest.raises(InputError, match=message):
        class_quantiles(values, labels)
