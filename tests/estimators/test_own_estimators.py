"""Estimators of a reader's own: what they give is checked before anything rests on it."""

import sys

import numpy as np
import pytest

from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, anchor, estimator, try_estimator

FUNCTIONS = """
import numpy as np
from labelnoise.estimators import anchor
def good(probs, labels):
    found = anchor(probs, labels)
    probs[:], labels[:] = 0, 0
    return found.tolist()
def raises(probs, labels): raise KeyError("a")
def nan(probs, labels): return np.full((probs.shape[1],) * 2, np.nan)
def nothing(probs, labels): return None
def flat(probs, labels): return probs.mean(axis=0)
def three(probs, labels): return np.eye(3)
def sums(probs, labels): return 0.9 * np.eye(probs.shape[1])
def negative(probs, labels): return 2 * np.eye(probs.shape[1]) - 1 / probs.shape[1]
def unseeded(probs, labels): return np.random.default_rng().dirichlet(np.ones(probs.shape[1]), probs.shape[1])
value = 3
"""


@pytest.fixture(autouse=True)
def functions(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELNOISE_FOLDER", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "functions_of_test.py").write_text(FUNCTIONS)


def test_an_own_one_gives_its_t_and_leaves_the_samples_as_they_are():
    probs, labels = np.repeat([[0.9, 0.1], [0.2, 0.8]], 4, axis=0), np.array([0, 0, 0, 1, 1, 1, 1, 0])
    kept = probs.copy(), labels.copy()
    found = estimator("functions_of_test:good")
    np.testing.assert_array_equal(found(probs, labels), anchor(probs, labels))
    np.testing.assert_array_equal(probs, kept[0])
    np.testing.assert_array_equal(labels, kept[1])
    assert found.title == "functions_of_test:good"


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_a_good_one_passes_and_so_do_those_of_the_book(n_classes):
    for name in ("functions_of_test:good", *ESTIMATORS):
        try_estimator(name, n_classes)


@pytest.mark.parametrize(
    ("name", "n_classes", "reason"),
    [
        ("raises", 3, "fails: KeyError: 'a'"),
        ("nan", 3, r"must give T of shape \(3, 3\): Row 0 .*nan"),
        ("nothing", 3, r"must give T of shape \(3, 3\)"),
        ("flat", 3, r"must give T of shape \(3, 3\): .* not of shape \(3,\)"),
        ("three", 10, r"must give T of shape \(10, 10\): The transition matrix has 3 classes"),
        ("sums", 3, r"must give T of shape \(3, 3\): Row 0 of the transition matrix sums to 0.9"),
        ("negative", 3, r"must give T of shape \(3, 3\): Row 0 .* must lie in \[0, 1\]"),
        ("unseeded", 3, "gives another T for the same samples; seed its random numbers"),
        ("value", 3, "fails: TypeError: 'int' object is not callable"),
    ],
)
def test_a_bad_one_is_told_in_a_sentence_with_its_name(name, n_classes, reason):
    with pytest.raises(InputError, match=f"^The estimator functions_of_test:{name} {reason}") as told:
        try_estimator(f"functions_of_test:{name}", n_classes)
    assert "\n" not in str(told.value)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"Unknown estimator 'anchor'; use one of: anchor-max, .*selective-costs"):
        estimator("anchor")
