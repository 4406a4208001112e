import json

import numpy as np
import pytest

from labelnoise import data, statistics, transitions
from labelnoise.data import votes
from labelnoise.errors import InputError

LABELS = np.repeat([0, 1], 500)
T = np.array([[0.9, 0.1], [0.3, 0.7]])
NAMES = ("a", "b")


def drawn(n=60, seed=0):
    """Votes that follow T alone."""
    return np.random.default_rng(seed).multinomial(n, T[LABELS])


def test_the_shares_of_each_class_are_counted():
    told = votes.spread([[3, 1], [1, 3], [0, 4], [2, 2]], np.array([0, 0, 1, 1]), NAMES)
    assert told["class"] == ["a", "b"]
    assert told["images"] == [2, 2]
    assert told["majority"] == [0.5, 0.5]  # a tie is none
    assert told["share"] == [0.5, 0.75]
    assert told["deviation"] == pytest.approx([0.125**0.5] * 2)
    assert told["by_chance"] == pytest.approx([(0.25 / 4) ** 0.5, (0.1875 / 4) ** 0.5])


def test_votes_that_follow_t_alone_deviate_as_by_chance_and_people_who_err_on_some_images_more():
    by_chance = votes.spread(drawn(), LABELS, NAMES)
    # A deviation of 500 shares is known to about 1 / sqrt(2 * 500) of itself; five times that, for two classes: one in
    # 870,000 fails.
    np.testing.assert_allclose(by_chance["deviation"], by_chance["by_chance"], rtol=5 / 1000**0.5)
    assert min(by_chance["p_value"]) > 1e-6  # of two: one in 500,000 fails
    uneven = drawn()
    uneven[::2] = uneven[::2, ::-1]
    assert max(votes.spread(uneven, LABELS, NAMES)["p_value"]) < 1e-6


def test_what_is_told_can_be_kept_as_json_and_read_back(monkeypatch, tmp_path):
    told = votes.tell(drawn(), LABELS, NAMES, np.random.default_rng(1))
    kept = {
        "transition_matrix": told.transition_matrix.tolist(),
        "spread": told.spread,
        "quantiles": {name: values.tolist() for name, values in told.quantiles.items()},
    }
    monkeypatch.setattr(votes, "KEPT", tmp_path / "votes.json")
    votes.KEPT.write_text(json.dumps({"made-up": kept}))
    read = votes.told("made-up")
    assert read.spread == told.spread
    np.testing.assert_array_equal(read.transition_matrix, told.transition_matrix)


def test_the_second_votes_are_as_many_and_of_the_mean_t():
    told = votes.tell(drawn(), LABELS, NAMES, np.random.default_rng(1))
    transitions.validate(told.transition_matrix)
    # Each row is a share of 500 * 60 votes; five deviations, for two of them: one in 870,000 fails.
    assert np.abs(told.transition_matrix - T).max() < 5 * (0.25 / 30_000) ** 0.5
    people, chance = told.quantiles.values()
    # The outermost quantile, at 3 % of 500 near normal shares of deviation 0.06, has one of 0.0067, a difference of two
    # 0.0095, and that of the others is smaller. Five of them, for 20 that differ: one in 87,000 fails.
    np.testing.assert_allclose(people, chance, atol=5 * 0.0095)


def test_what_is_kept_is_of_the_data_sets_with_votes():
    for name in data.WITH_VOTES:
        told, n = votes.told(name), data.entry(name).n_classes
        transitions.validate(told.transition_matrix)
        assert told.transition_matrix.shape == (n, n)
        assert told.spread["class"] == list(data.entry(name).class_names)
        assert {values.shape for values in told.quantiles.values()} == {(n, n, len(statistics.QUANTILES))}
        # The mean of the images' shares is near the share of all votes: each image has about as many.
        np.testing.assert_allclose(told.transition_matrix.diagonal(), told.spread["share"], atol=0.01)
        assert np.isfinite(told.spread["ratio"]).all()


def test_a_data_set_without_votes_is_refused():
    with pytest.raises(InputError, match=r"no votes of people for fashion-mnist; use one of: fashion-mnist-h-3, fash"):
        votes.told("fashion-mnist")
