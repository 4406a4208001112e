"""How well labels are ranked by how likely each is wrong, beside cleanlab's rankings and filter, on one thread.

    python benchmarks/rankings.py     # some minutes; writes results/benchmarks/rankings.json

A cell is a data set, a classifier and a noise. Its probabilities are out of sample, by cross-validation in five folds,
and T comes from them by confident learning. A ranking is measured by how wrong labels stand before right ones: the
area under the ROC curve, the average precision, and the precision among as many labels as are wrong. The ranking is
chosen on every second cell, so that each set, classifier and noise is among these, and judged on the others, whose
noise is drawn from a seed of its own. Of those whose means are above the ones of each of cleanlab's rankings, it is the
one that is worse than the best of these in the fewest cells, by the measure that is worst for it.
"""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cleanlab.filter
import cleanlab.rank
import numpy as np
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from labelnoise.book import rankings
from labelnoise.estimators import Floats, clean_posterior, confident_learning, unmixed, wrong_labels
from labelnoise.names import named
from labelnoise.noise import Labels, corrupt
from labelnoise.own.suggestions import THRESHOLD
from labelnoise.transitions import Matrix
from labelnoise.trials import provenance

RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "rankings.json"
NOISES = ("symmetric-0.1", "symmetric-0.2", "symmetric-0.4", "pair-flip-0.2", "pair-flip-0.4", "random-0.3-0")
SEEDS = (20262129, 20262130, 20262131)  # of the cells to choose on, as many draws of each
JUDGED = 20261201
THRESHOLDS = (THRESHOLD, 0.7, 0.9)
LEAST_PROB = 1e-9  # in place of a probability of 0


def made(n_classes: int, seed: int) -> tuple[Floats, Labels]:
    """2,000 samples of classes of two clusters each."""
    found: tuple[Floats, Labels] = datasets.make_classification(
        2000, 20, n_informative=8, n_classes=n_classes, n_clusters_per_class=2, class_sep=1.5, random_state=seed
    )
    return found


def quadratic() -> tuple[Floats, Labels]:
    """The two classes of Hastie, Tibshirani and Friedman 2009, equation 10.2."""
    samples, signs = datasets.make_hastie_10_2(2000, random_state=0)
    return samples, (signs > 0).astype(np.int64)


SETS: dict[str, Callable[[], tuple[Floats, Labels]]] = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "made, 4 classes": lambda: made(4, 0),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "made, 8 classes": lambda: made(8, 1),
    "shells": lambda: datasets.make_gaussian_quantiles(n_samples=2000, n_features=6, n_classes=3, random_state=0),
    "quadratic": quadratic,
}
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "random forest": lambda: RandomForestClassifier(n_jobs=1, random_state=0),
    "nearest neighbours": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(10)),
    "naive Bayes": lambda: make_pipeline(StandardScaler(), GaussianNB(var_smoothing=0.01)),
}


def odds(scores: Floats, labels: Labels) -> Floats:
    """How many times as large as that of the label the largest score of another class is."""
    rows, others = np.arange(len(labels)), np.maximum(scores, LEAST_PROB)
    own = others[rows, labels].copy()
    others[rows, labels] = 0
    ratio: Floats = others.max(axis=1) / own
    return ratio


def bayes(clean_probs: Floats, labels: Labels, matrix: Matrix) -> Floats:
    """1 - P(label | x, label) with P(clean | x) as it is given."""
    posterior = clean_posterior(np.maximum(clean_probs, LEAST_PROB), labels, np.maximum(matrix, LEAST_PROB))
    return 1 - posterior[np.arange(len(labels)), labels]


def ranked(probs: Floats, labels: Labels, matrix: Matrix) -> dict[str, Floats]:
    """What each ranking gives each label, more where it is likelier to be wrong."""
    judged, clean = wrong_labels(probs, labels, matrix), unmixed(probs, matrix)
    ours = {
        rankings.OURS: judged.times,
        "Bayes' rule, flips taken out in steps": judged.p_wrong,
        "Bayes' rule, flips taken out by the inverse": bayes(probs @ np.linalg.pinv(matrix), labels, matrix),
        "Bayes' rule, flips left in": bayes(probs, labels, matrix),
        "odds, T as it is": odds(clean, labels),
        "odds, flips left in": odds(probs, labels),
        "odds, mean of flips left in and taken out": odds(np.sqrt(np.maximum(probs, LEAST_PROB) * clean), labels),
    }
    theirs = {
        name: -cleanlab.rank.get_label_quality_scores(labels, probs, method=method)
        for name, method in rankings.THEIRS.items()
    }
    return ours | theirs


def found(picked: Any, wrong: Any) -> dict[str, float]:
    """How many of the labels that were picked are wrong, and how many of the wrong ones were picked."""
    return {"precision": float((picked & wrong).sum() / max(picked.sum(), 1)), "recall": float(picked[wrong].mean())}


def measured(probs: Floats, labels: Labels, clean: Labels) -> dict[str, Any]:
    """The measures of each ranking, of both filters, and the share of wrong labels before and after cleaning."""
    matrix, wrong = confident_learning(probs, labels), labels != clean
    scores = {}
    for name, given in ranked(probs, labels, matrix).items():
        first = np.argsort(-given, kind="stable")[: wrong.sum()]
        each = (roc_auc_score(wrong, given), average_precision_score(wrong, given), wrong[first].mean())
        scores[name] = dict(zip(rankings.MEASURES, map(float, each), strict=True))
    judged = wrong_labels(probs, labels, matrix)
    picked = {t: (judged.p_wrong > t) & (judged.suggestions != labels) for t in THRESHOLDS}
    cleaned = {t: np.where(at, judged.suggestions, labels) for t, at in picked.items()}
    theirs = cleanlab.filter.find_label_issues(labels, probs, n_jobs=1)
    return {
        "n": len(labels),
        "rankings": scores,
        "filters": {rankings.FILTER: found(picked[THRESHOLD], wrong), rankings.THEIR_FILTER: found(theirs, wrong)},
        "wrong": float(wrong.mean()),
        "wrong_after": {str(t): float((each != clean).mean()) for t, each in cleaned.items()},
    }


def cells() -> Iterator[dict[str, Any]]:
    for i, (name, load) in enumerate(SETS.items()):
        samples, clean = load()
        for j, (classifier, make) in enumerate(CLASSIFIERS.items()):
            for k, noise in enumerate(NOISES):
                chosen_on = (i + j + k) % 2 == 0
                for seed in SEEDS if chosen_on else (JUDGED,):
                    generator = np.random.default_rng([seed, i, j, k])
                    labels = corrupt(clean, named(noise, clean.max() + 1), generator)
                    order = generator.permutation(len(labels))  # as some sets are sorted
                    x, y = samples[order], labels[order]
                    probs = cross_val_predict(make(), x, y, cv=5, method="predict_proba", n_jobs=1)
                    about = {"set": name, "classifier": classifier, "noise": noise, "seed": seed}
                    yield about | {"chosen_on": chosen_on} | measured(probs, y, clean[order])


def rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        measurements = [rounded(cell) for cell in cells()]
    versions = {name: version(name) for name in ("numpy", "scipy", "cleanlab", "scikit-learn")}
    result = {"provenance": provenance.here(), "versions": versions, "cells": measurements}
    RESULT.write_text(json.dumps(result).replace('{"set"', '\n{"set"') + "\n")
    for chosen_on in (True, False):
        print(rankings.table(result, chosen_on=chosen_on).round(3).to_string())
    print(rankings.filters(result).round(3), rankings.cleaned(result).round(3), rankings.chosen(result), sep="\n")


if __name__ == "__main__":
    main()
