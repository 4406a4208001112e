import re

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from labelnoise import names, noise, transitions
from labelnoise.errors import InputError
from labelnoise.estimators import _selection, selective_costs, selective_threshold
from labelnoise.estimators._selection import _learn, _purest, _whitened

quick = few(25)


def gaussian(matrix, n, seed, distance):
    """Features of Gaussian classes whose means are so many deviations apart, their noisy and their clean labels."""
    generator = np.random.default_rng(seed)
    clean = np.arange(n) % len(matrix)
    means = distance / np.sqrt(2) * np.eye(len(matrix))
    features = means[clean] + generator.standard_normal((n, len(matrix)))
    return features, noise.corrupt(clean, matrix, generator), clean


@quick
@given(st.integers(2, 4), st.integers(1, 4), st.floats(0.01, 1), st.integers(0, 2**32))
def test_of_all_thresholds_that_accept_enough_the_purest_is_taken(n_classes, decimals, coverage, seed):
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.ones(n_classes), size=40).round(decimals)  # rounded, so that samples tie
    probs = probs.clip(0.1**decimals) / probs.clip(0.1**decimals).sum(axis=1, keepdims=True)
    labels = np.append(generator.integers(0, n_classes, 40 - n_classes), np.arange(n_classes))
    estimate = selective_threshold(probs, labels, coverage=coverage)
    for j in range(n_classes):
        sets = [labels[probs[:, j] >= threshold] for threshold in np.unique(probs[:, j])]
        enough = [each for each in sets if len(each) >= np.ceil(coverage * 40)]
        purest = max(enough, key=lambda each: ((each == j).mean(), len(each)))
        np.testing.assert_allclose(estimate[j], np.bincount(purest, minlength=n_classes) / len(purest))


def test_the_purest_threshold_is_found_where_it_lies_below_most_samples():
    # The samples that are most probably of a class all bear the other label, so that only all of them are half pure.
    share, labels = np.arange(20_000) / 20_000, np.repeat([0, 1], 10_000)
    np.testing.assert_array_equal(
        selective_threshold(np.stack([share, 1 - share], axis=1), labels), np.full((2, 2), 0.5)
    )


def test_only_the_order_of_the_probabilities_counts():
    generator = np.random.default_rng(0)
    share = generator.random(200)
    labels = (generator.random(200) > share).astype(int)
    pushed = share**5 / (share**5 + (1 - share) ** 5)
    first, second = (selective_threshold(np.stack([s, 1 - s], axis=1), labels) for s in (share, pushed))
    np.testing.assert_array_equal(first, second)


def test_full_coverage_gives_the_shares_of_the_noisy_labels():
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=30)
    labels = np.repeat([0, 1, 2], [5, 10, 15])
    np.testing.assert_allclose(selective_threshold(probs, labels, coverage=1), np.tile([1 / 6, 1 / 3, 1 / 2], (3, 1)))


@quick
@given(st.integers(2, 5), st.floats(0, 0.4), st.integers(0, 2**32))
def test_what_the_costs_give_is_a_transition_matrix(n_classes, rate, seed):
    features, labels, _ = gaussian(transitions.symmetric(n_classes, rate), 60, seed, distance=2)
    labels[:n_classes] = np.arange(n_classes)
    estimate = selective_costs(features, labels)
    np.testing.assert_array_equal(transitions.validate(estimate), estimate)


@quick
@given(st.permutations(range(3)), st.integers(0, 2**32))
def test_renaming_the_classes_renames_the_rows_and_columns(order, seed):
    features, labels, _ = gaussian(transitions.symmetric(3, 0.3), 300, seed, distance=3)
    renamed = selective_costs(features, np.argsort(order)[labels])
    np.testing.assert_array_equal(renamed, selective_costs(features, labels)[np.ix_(order, order)])


@pytest.mark.parametrize("name", ["paper-0.5", "symmetric-0.2", "pair-flip-0.2"])
@pytest.mark.parametrize("seed", range(3))
def test_classes_apart_find_the_matrix_as_closely_as_the_accepted_samples_allow(name, seed):
    # With means 12 deviations apart a linear function accepts class i and no other. If it accepts all of it, row i is
    # a mean over the m = n / 2 / 3 samples of class i in the half that is counted, and by Hoeffding's inequality and
    # the union over 9 entries none is off by more than sqrt(log(2 * 9 / delta) / 2 / m) with probability 1 - delta.
    # Equation 7 of the paper adds a union over the 19 costs that are tried. The purest choice accepts half of the
    # class or more.
    matrix, n, delta = names.named(name, 3), 12_000, 1e-6
    features, labels, _ = gaussian(matrix, n, seed, distance=12)
    bound = np.sqrt(np.log(2 * 9 * 19 / delta) / 2 / (n / 2 / 3 / 2))
    assert np.abs(selective_costs(features, labels) - matrix).max() <= bound


@pytest.mark.parametrize(("unit", "zero"), [(1e3, [5, -100, 0]), (1e30, [0, 0, 0])])
def test_in_any_unit_the_features_give_the_same(unit, zero):
    features, labels, _ = gaussian(transitions.symmetric(3, 0.3), 600, 0, distance=4)
    other_unit = features * [1 / unit, 1, unit] + zero
    np.testing.assert_allclose(selective_costs(other_unit, labels), selective_costs(features, labels), atol=0.02)


def test_a_feature_that_never_changes_does_no_harm():
    features, labels, _ = gaussian(transitions.symmetric(3, 0.3), 600, 0, distance=4)
    more = np.column_stack([features, np.full(600, 7.0), features[:, 0]])
    np.testing.assert_allclose(selective_costs(more, labels), selective_costs(features, labels), atol=1e-12)
    transitions.validate(selective_costs(np.zeros((600, 2)), labels))


def test_a_class_none_of_whose_accepted_samples_bears_its_label_has_their_labels():
    learn, count = np.split(np.random.default_rng(0).permutation(600), 2)
    clean = np.arange(600) % 3
    features = np.array([[5.0, 0], [0, 5], [-5, -5]])[clean] + np.random.default_rng(1).standard_normal((600, 2))
    labels = clean.copy()
    labels[count[clean[count] == 2]] = 0
    assert (labels[learn] == 2).any()
    found = selective_costs(features, labels, seed=0)[2]
    assert found[2] == 0
    assert found[0] > 0.5


def test_the_scores_are_learned_to_the_minimum_of_the_surrogate():
    features, labels, _ = gaussian(transitions.symmetric(2, 0.3), 400, 0, distance=2)
    white, costs = _whitened(features, np.arange(400)), np.array([0.1, 0.5], dtype=np.float32)

    def surrogate(weights, cost):
        scores = white @ weights
        return np.mean((labels != 1) * np.logaddexp(0, scores) + cost * np.logaddexp(0, -scores))

    learned = _learn(white, labels == 1, costs)
    for found, cost in zip(learned.T, costs, strict=True):
        best = scipy.optimize.minimize(surrogate, np.zeros(3), args=(cost,), options={"gtol": 1e-9})
        assert surrogate(found, cost) == pytest.approx(best.fun, abs=1e-7)


def test_a_class_that_nothing_accepts_gets_the_row_of_the_identity():
    features, labels, _ = gaussian(transitions.symmetric(2, 0.2), 2000, 0, distance=4)
    labels[:3] = 2
    estimate = selective_costs(features, labels)
    np.testing.assert_array_equal(estimate[2], [0, 0, 1])


def test_the_seed_decides_and_tensors_are_taken():
    features, labels, _ = gaussian(transitions.symmetric(3, 0.3), 300, 0, distance=3)
    tensor = torch.from_numpy(features).requires_grad_()
    first, same, other = (selective_costs(tensor, torch.from_numpy(labels), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    np.testing.assert_array_equal(first, selective_costs(features, labels))
    assert np.abs(first - other).max() > 0


@pytest.mark.parametrize("coverage", [0, -0.1, 1.1, float("nan")])
def test_a_coverage_is_a_share(coverage):
    message = re.escape(f"coverage must lie in (0, 1], not {coverage!r}.")
    with pytest.raises(InputError, match=message):
        selective_threshold([[0.7, 0.3], [0.2, 0.8]], [0, 1], coverage=coverage)
    with pytest.raises(InputError, match=message):
        selective_costs(np.eye(2), [0, 1], coverage=coverage)


@pytest.mark.parametrize("spacing", [0, 1e-7, 0.6, float("nan")])
def test_costs_are_spaced_within_one(spacing):
    message = f"spacing must lie in [0.001, 0.5], for 1,000 costs at most, not {spacing!r}."
    with pytest.raises(InputError, match=re.escape(message)):
        selective_costs(np.eye(2), [0, 1], spacing=spacing)


def test_the_ends_of_what_a_spacing_and_a_seed_may_be_are_among_it():
    for spacing, beyond in ((1e-3, 0), (0.5, 1)):
        transitions.validate(selective_costs(np.eye(4), [0, 1, 0, 1], spacing=spacing, seed=0))
        with pytest.raises(InputError, match="spacing must lie in"):
            selective_costs(np.eye(4), [0, 1, 0, 1], spacing=np.nextafter(spacing, beyond))
    with pytest.raises(InputError, match="seed must be a whole number from 0 up, not -1"):
        selective_costs(np.eye(4), [0, 1, 0, 1], seed=-1)


# What the authors' own code in Python (github.com/MachineLearningBCAM/label-noise-T-estimation) gives for these samples
# with its defaults: the labels of those that its algorithm 1 accepts by these scores, and that its algorithm 2 accepts
# by scikit-learn's logistic regression, which is regularised.
def test_the_threshold_accepts_what_the_authors_code_accepts():
    features, labels, _ = gaussian(transitions.symmetric(2, 0.3), 1000, 0, distance=1.5)
    share = 1 / (1 + np.exp(features[:, 1] - features[:, 0]))
    estimate = selective_threshold(np.stack([share, 1 - share], axis=1), labels)
    np.testing.assert_allclose(estimate, [[11 / 13, 2 / 13], [22 / 65, 43 / 65]], atol=1e-12)


def test_the_costs_choose_what_the_authors_code_chooses():
    features, labels, _ = gaussian(names.named("pair-flip-0.2", 3), 3000, 1, distance=6)
    theirs = [[31 / 38, 7 / 38, 0], [0, 32 / 38, 6 / 38], [76 / 436, 0, 360 / 436]]
    np.testing.assert_allclose(selective_costs(features, labels, seed=0), theirs, atol=1e-12)


def test_a_feature_that_is_the_same_in_all_samples_to_learn_from_says_nothing_of_the_others():
    # Found by 2,000 examples: such a feature was not brought to a unit, and overflowed in float32.
    features = np.array([[0.0, 1e300], [1.0, -1e300], [3.0, 0.0], [5.0, 0.0]])
    alone = _whitened(features[:, :1], np.array([2, 3]))
    np.testing.assert_array_equal(_whitened(features, np.array([2, 3])), alone)


def test_of_equally_pure_sets_the_largest_is_taken_beyond_the_values_that_are_looked_at_first(monkeypatch):
    # The labels from the largest probability of class 0 downwards: a half bears it among the first two, and among the
    # first four. At first only the three that must be there are looked at.
    labels = np.array([1, 0, 2, 0, 1, 2])
    first = np.linspace(0.9, 0.1, 6)
    probs = np.stack([first, 0.7 * (1 - first), 0.3 * (1 - first)], axis=1)

    def no_further(probs, rank):
        for column in probs.T:
            rows = np.argsort(-column)[:rank]
            yield column[rows], rows

    monkeypatch.setattr(_selection, "largest", no_further)
    np.testing.assert_array_equal(selective_threshold(probs, labels)[0], [1 / 2, 1 / 4, 1 / 4])


@pytest.mark.parametrize(
    ("spacing", "costs"),
    [(0.5, [0.5]), (0.3, [0.3, 0.6, 0.9]), (0.25, [0.25, 0.5, 0.75]), (0.1, np.arange(1, 10) / 10),
     (None, np.arange(1, 20) / 20)],
)  # fmt: skip
def test_the_costs_are_the_multiples_of_their_spacing_below_1_and_by_default_those_of_a_twentieth(
    spacing, costs, monkeypatch
):
    seen = []
    monkeypatch.setattr(_selection, "_learn", lambda x, y, costs: (seen.append(costs), _learn(x, y, costs))[1])
    selective_costs(np.eye(4), [0, 1, 0, 1], **({} if spacing is None else {"spacing": spacing}))
    for found in seen:
        np.testing.assert_allclose(found, costs, rtol=1e-6)


def test_unless_told_otherwise_a_hundredth_is_accepted_of_halves_as_seed_0_draws_them():
    features, labels, _ = gaussian(transitions.symmetric(3, 0.4), 900, 0, distance=1)
    usual = selective_costs(features, labels)
    np.testing.assert_array_equal(selective_costs(features, labels, coverage=0.01, seed=0), usual)
    probs = np.exp(features) / np.exp(features).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(selective_threshold(probs, labels, coverage=0.01), selective_threshold(probs, labels))
    for other in ({"coverage": 0.3}, {"seed": 1}):
        assert (selective_costs(features, labels, **other) != usual).any()
    assert (selective_threshold(probs, labels, coverage=0.3) != selective_threshold(probs, labels)).any()


def test_learning_is_as_fast_as_nesterovs_method_promises_along_a_direction_of_little_curvature():
    # For a curvature of at most L the k-th step is within 2 L |w|**2 / (k + 1)**2 of the minimum at w (Nesterov 1983,
    # Soviet Mathematics Doklady 27, 372-376). Plain descent leaves more along a curvature of L / (4 k).
    n, cost = 2000, np.array([0.5], dtype=np.float32)
    generator = np.random.default_rng(0)
    weak = generator.choice([-1, 1], n) * 0.05
    features = np.stack([np.ones(n), weak], axis=1).astype(np.float32)
    labelled = generator.random(n) < 1 / (1 + np.exp(-0.7 - 20 * weak))

    def surrogate(weights):
        scores = features.astype(np.float64) @ weights
        return np.mean(~labelled * np.logaddexp(0, scores) + cost[0] * np.logaddexp(0, -scores))

    best = scipy.optimize.minimize(surrogate, np.zeros(2), options={"gtol": 1e-10})
    curvature = (1 + cost[0]) / 4  # times the largest mean square of a direction, which is 1
    found = surrogate(_learn(features, labelled, cost)[:, 0].astype(np.float64))
    assert found - best.fun <= 2 * curvature * (best.x**2).sum() / (_selection.LEARNING_STEPS + 1) ** 2


def test_more_costs_than_there_is_memory_for_are_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 1000)  # pages of as many bytes
    with pytest.raises(InputError, match=re.escape("Costs with spacing = 0.001 would take")):
        selective_costs(np.ones((126, 1)), np.arange(126) % 2, spacing=0.001)
    selective_costs(np.ones((124, 1)), np.arange(124) % 2, spacing=0.001)


@pytest.mark.parametrize("largest", [2000, 5600])
def test_where_the_network_is_right_most_samples_are_not_sorted(largest, monkeypatch):
    # No class is purer among more than its samples; half as many again are looked at, and what may be among them.
    clean = np.repeat(np.arange(10), [largest, *[(20_000 - largest) // 9] * 9])
    probs = 0.9 * np.eye(10)[clean] + 0.1 * np.random.default_rng(0).dirichlet(np.ones(10), len(clean))
    sorted_at_once = []
    monkeypatch.setattr(
        _selection, "_purest", lambda scores, *rest: (sorted_at_once.append(len(scores)), _purest(scores, *rest))[1]
    )
    selective_threshold(probs, clean)
    assert len(sorted_at_once) == 10
    assert max(sorted_at_once) < 2.5 * largest


@pytest.mark.parametrize(
    ("coverage", "accepted", "expected"),
    [
        (0.5, (5, 10), [4 / 5, 1 / 5]),  # just enough, and purer than all
        (0.6, (5, 10), [5 / 10, 5 / 10]),  # too few
        (0.6, (5, 4), [1, 0]),  # too few of either: the row of the identity
        (0.1, (1, 4), [1, 0]),  # one is enough
        (0.1, (4, 5), [4 / 5, 1 / 5]),
        (0.1, (10, 2), [2 / 2, 0]),
    ],
)
def test_of_classifiers_that_accept_enough_the_one_whose_samples_bear_the_label_most_often_counts(
    coverage, accepted, expected, monkeypatch
):
    # Classifiers by hand: each of two costs accepts so many of the ten samples that are counted, by one feature.
    count = np.random.default_rng(0).permutation(20)[10:]
    features, labels = np.full((20, 1), -1.0), np.arange(20) % 2
    features[count, 0] = np.arange(10, 0, -1)
    labels[count] = [0, 0, 1, 0, 0, 1, 1, 1, 1, 0]
    weights = np.array([[1.0, 1.0], [number - 10.5 for number in accepted]])
    monkeypatch.setattr(_selection, "_whitened", lambda features, learn: np.hstack([features, np.ones((20, 1))]))
    monkeypatch.setattr(_selection, "_learn", lambda features, labelled, costs: weights)
    found = selective_costs(features, labels, coverage=coverage, spacing=1 / 3, seed=0)
    np.testing.assert_allclose(found[0], expected)
