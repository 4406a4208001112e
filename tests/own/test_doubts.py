"""Each warning comes where it is due, and not where it isn't."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from labelnoise import cli, confident_learning, corrupt, pair_flip, symmetric
from labelnoise.own import doubts
from labelnoise.own._terminal import as_text
from labelnoise.own.estimate import estimate
from labelnoise.own.report import at_least_counted

K, N = 4, 4000
NAMES = ("ant", "bee", "cat", "dog")


def classified(matrix=None, n=N, unsure=0.1, seed=0):
    """P(noisy | x) by a model that is nearly sure of the class, noisy labels drawn from it, and the clean classes."""
    generator = np.random.default_rng(seed)
    matrix = symmetric(K, 0.2) if matrix is None else matrix
    clean = generator.integers(K, size=n)
    about = (1 - unsure) * np.eye(K)[clean] + unsure * generator.dirichlet(np.full(K, 0.3), size=n)
    drawn = (about.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1)
    return about @ matrix, corrupt(drawn, matrix, generator), clean


def told(probs, labels):
    return estimate(probs, labels, NAMES, "confident-learning").warnings


def sharpened(probs, power):
    raised = probs**power
    return raised / raised.sum(axis=1, keepdims=True)


def memorised(share=1.0):
    """As a network gives them that was trained on these labels until it knew a share of them by heart."""
    probs, labels, _ = classified()
    by_heart = np.arange(N) < share * N
    probs[by_heart] = 0.03 * probs[by_heart] + 0.97 * np.eye(K)[labels[by_heart]]
    return probs, labels


def reordered(order):
    probs, labels, _ = classified()
    return probs[:, order], labels


def of_samples():
    """Half of each class has few wrong labels, the other half five in ten; the model knows which half is which."""
    _, _, clean = classified()
    generator = np.random.default_rng(1)
    noisy_half = generator.random(N) < 0.5
    matrices = np.where(noisy_half[:, None, None], symmetric(K, 0.5), symmetric(K, 0.02))
    probs = matrices[np.arange(N), clean]
    return probs, (probs.cumsum(axis=1) < generator.random((N, 1))).sum(axis=1)


def few(n):
    probs, labels, _ = classified()
    keep = np.sort(np.r_[np.flatnonzero(labels != 3), np.flatnonzero(labels == 3)[:n]])
    return probs[keep], labels[keep]


def shares(power):
    probs, labels, _ = classified()
    weighted = probs * np.array([power, 1, 1, 1])
    return weighted / weighted.sum(axis=1, keepdims=True), labels


def pairs(rate):
    return classified(pair_flip(K, rate))[:2]


# For each what begins it, or is in it, what triggers it and what is near to that but doesn't.
KINDS = {
    "learned by heart": ("% of the labels are the class of the largest", memorised(0.99), memorised(0.5)),
    "all learned by heart": ("Every label is the class of the largest", memorised(), memorised(0.9)),
    "predictions as labels": (
        "the labels are the predictions of this model",
        (lambda probs: (probs, probs.argmax(axis=1)))(classified()[0]),
        classified()[:2],
    ),
    "predictions as probabilities": (
        "are a 1 and zeros: predicted classes",
        (np.eye(K)[classified()[0].argmax(axis=1)], classified()[1]),
        (sharpened(classified()[0], 4), classified()[1]),
    ),
    "another order": ("taken for bee fits cat, cat fits bee. Then", reordered([0, 2, 1, 3]), reordered([0, 1, 2, 3])),
    "a cycle": ("taken for ant fits bee, bee fits cat, cat fits ant", reordered([1, 2, 0, 3]), pairs(0.4)),
    "a diagonal that is beaten": ("not the largest entry of 2 of 4 rows", reordered([0, 2, 1, 3]), pairs(0.4)),
    "few samples": ("Classes with few samples: dog has 24.", few(24), few(25)),
    "too sure": (
        "The model is too sure of itself",
        (sharpened(classified()[0], 2), classified()[1]),
        (sharpened(classified()[0], 1.1), classified()[1]),
    ),
    "other shares": ("The model was trained for other shares", shares(3), shares(1.2)),
    "noise that depends on the sample": ("Noise seems to depend on the sample", of_samples(), classified()[:2]),
}


@pytest.mark.parametrize(("text", "due", "not_due"), KINDS.values(), ids=KINDS)
def test_each_warning_comes_where_it_is_due_and_not_where_it_is_not(text, due, not_due):
    assert sum(text in each for each in told(*due)) == 1
    assert not any(text in each for each in told(*not_due))


def test_where_noise_depends_on_the_sample_the_labels_that_differ_from_the_model_are_counted():
    probs, labels = of_samples()
    (text,) = doubts.image_dependent(probs, labels, symmetric(K, 0.2))
    differ = sum(row.tolist().index(max(row)) != label for row, label in zip(probs, labels, strict=True))
    assert f" {100 * differ / len(labels):.1f} % of the labels are not the likeliest class of their sample" in text


@pytest.mark.parametrize("noise", [symmetric(K, 0.1), symmetric(K, 0.5), pair_flip(K, 0.3)], ids=["10", "50", "pair"])
@pytest.mark.parametrize("unsure", [0.02, 0.2])
def test_an_honest_model_gets_no_warning(noise, unsure):
    for seed in range(5):
        assert told(*classified(noise, unsure=unsure, seed=seed)[:2]) == ()


def test_another_order_is_seen_by_chance_no_more_often_than_its_level():
    # Labels that say nothing: whatever order fits them best does so by chance. Two of 200 at a level of exactly 0.001
    # have a probability of 0.02; Hoeffding's inequality keeps far below its level.
    generator, seen = np.random.default_rng(0), 0
    for _ in range(200):
        guesses, labels = generator.integers(10, size=(2, 500))
        seen += len(list(doubts.another_order(np.eye(10)[guesses], labels, tuple(map(str, range(10))))))
    assert seen <= 200 * doubts.SURE + 4 * math.sqrt(200 * doubts.SURE)


@pytest.mark.parametrize("unsure", [0.02, 0.3, 0.6])
def test_the_test_for_noise_by_sample_keeps_its_level_for_flips_by_class(unsure):
    # With much unsure the classes overlap: one guess in three is wrong.
    alarms = 0
    for seed in range(100):
        probs, labels, _ = classified(n=2000, unsure=unsure, seed=seed)
        alarms += len(list(doubts.image_dependent(probs, labels, confident_learning(probs, labels))))
    assert alarms <= 1  # two of 100 at a level of 0.001 have a probability of 0.005


def test_warnings_come_first_and_stand_in_the_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    probs, labels = memorised()
    np.save("probs.npy", probs)
    np.save("labels.npy", labels)
    assert cli.main(["estimate", "--labels", "labels.npy", "--probs", "probs.npy", "--out", "report"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("WARNING: Every label is the class") < said.index("T by confident learning")
    assert any(
        "Every label is the class" in each for each in json.loads(Path("report/report.json").read_text())["warnings"]
    )
    assert "Every label is the class" in Path("report/report.html").read_text()


def test_a_name_in_a_warning_does_not_steer_a_terminal():
    bounds = at_least_counted(np.eye(2), np.zeros((2, 2)), np.array([5, 5]))
    warnings = doubts.doubts_of_matrix(np.repeat([0, 1], 5), ("a\x1b[2J", "b"), bounds)
    assert warnings
    report = estimate(np.full((10, 2), 0.5), np.repeat([0, 1], 5), ("a", "b"), "confident-learning")
    said = as_text(dataclasses.replace(report, warnings=warnings))
    assert all(letter.isprintable() or letter == "\n" for letter in said)
