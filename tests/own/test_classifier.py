"""Correction by reweighting around any classifier of scikit-learn's."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

import labelnoise
from labelnoise import noise
from labelnoise.errors import InputError

# Most labels of the second class that lie near the first are wrong.
T = np.array([[0.95, 0.05], [0.45, 0.55]])


@pytest.mark.filterwarnings("ignore")  # what a classifier says of the data that the checks make is no matter here
def test_it_keeps_the_conventions_of_scikit_learn():
    # No check is excluded; scikit-learn itself skips one, for want of the array API.
    done = check_estimator(labelnoise.ReweightedClassifier(cv=2), on_skip=None)
    assert sum(each["status"] == "passed" for each in done) > 40
    assert {each["check_name"] for each in done if each["status"] != "passed"} <= {"check_array_api_input"}


def planted(n, seed):
    """Two classes that overlap, with clean labels and with noisy ones by T."""
    generator = np.random.default_rng(seed)
    clean = generator.integers(2, size=n)
    samples = generator.normal(size=(n, 2)) + 1.5 * clean[:, None]
    return samples, clean, noise.corrupt(clean, T, generator)


@pytest.mark.parametrize("given", [T, "confident-learning"], ids=["true T", "estimated"])
def test_it_is_more_accurate_than_what_it_wraps_under_asymmetric_noise(given):
    samples, _, noisy = planted(4000, seed=0)
    test_samples, clean, _ = planted(20_000, seed=1)
    plain = LogisticRegression().fit(samples, noisy)
    corrected = labelnoise.ReweightedClassifier(LogisticRegression(), transition_matrix=given).fit(samples, noisy)
    hits = [model.predict(test_samples) == clean for model in (corrected, plain)]
    # Paired, on samples that neither has seen: under equal accuracy the difference is off by more than 4.5 standard
    # errors once in 100,000.
    difference = hits[0].astype(float) - hits[1]
    assert difference.mean() > 4.5 * difference.std() / np.sqrt(len(clean))


def test_weights_are_those_of_the_equation_where_the_classifier_knows_the_noise():
    generator = np.random.default_rng(0)
    # Two kinds of samples, of which a tree of one split counts the labels: P(noisy | x) is exact but for counting.
    kind = generator.integers(2, size=20_000)
    clean = np.where(generator.random(20_000) < np.array([0.9, 0.2])[kind], 0, 1)
    noisy = noise.corrupt(clean, T, generator)
    model = labelnoise.ReweightedClassifier(DecisionTreeClassifier(max_depth=1), transition_matrix=T)
    model.fit(kind[:, None], noisy)
    for k, first in enumerate([0.9, 0.2]):
        probs = np.array([first, 1 - first])
        for label in (0, 1):
            expected = probs[label] / (probs @ T)[label]
            found = model.sample_weight_[(kind == k) & (noisy == label)]
            # P(noisy | x) is counted from about 10,000 labels, with a deviation of 0.005: off by less than 4.5 * 0.006,
            # over a slope of 0.5. Of two kinds one in 70,000 fails.
            np.testing.assert_allclose(found, expected, atol=4.5 * 0.006 / 0.5 / (probs @ T)[label])


def test_words_and_names_of_classes_will_do():
    generator = np.random.default_rng(0)
    words = {"sport": ["goal", "team", "match", "coach"], "money": ["bank", "loan", "price", "market"]}
    clean = np.array(["sport", "money"])[generator.integers(2, size=600)]
    texts = [" ".join(generator.choice(words[topic] + ["the", "a", "of", "and"], size=8)) for topic in clean]
    noisy = np.where(generator.random(600) < 0.25, np.where(clean == "sport", "money", "sport"), clean)
    model = labelnoise.ReweightedClassifier(make_pipeline(TfidfVectorizer(), LogisticRegression())).fit(texts, noisy)
    assert list(model.classes_) == ["money", "sport"]
    assert (model.predict(texts) == clean).mean() > 0.95


def test_a_tree_ensemble_and_a_class_of_few_samples():
    samples, _, noisy = planted(400, seed=0)
    noisy[np.flatnonzero(noisy == 1)[3:]] = 0
    model = labelnoise.ReweightedClassifier(HistGradientBoostingClassifier(max_iter=5), transition_matrix=T)
    assert model.fit(samples, noisy).predict_proba(samples).shape == (400, 2)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (labelnoise.ReweightedClassifier(Perceptron()), "Perceptron must have predict_proba"),
        (labelnoise.ReweightedClassifier(KNeighborsClassifier()), "a fit that takes sample_weight"),
        (
            labelnoise.ReweightedClassifier(transition_matrix="magic"),
            "Unknown estimator of T 'magic'; use one of",
        ),
        (labelnoise.ReweightedClassifier(transition_matrix=[[1, 1], [0, 1]]), "sum to"),
    ],
)
def test_what_can_not_be_had_is_told_in_a_sentence(model, message):
    samples, _, noisy = planted(60, seed=0)
    with pytest.raises(InputError, match=message):
        model.fit(samples, noisy)


def test_masked_values_are_refused_where_they_would_be_taken_as_if_nothing_were_masked():
    samples, _, noisy = planted(60, seed=0)
    model = labelnoise.ReweightedClassifier().fit(samples, noisy)
    masked, masked_labels = (np.ma.masked_array(each, mask=each == each[3]) for each in (samples, noisy))
    for function, given, name in (
        (model.fit, (masked, noisy), "X"),
        (model.fit, (samples, masked_labels), "y"),
        (model.predict, (masked,), "X"),
        (model.predict_proba, (masked,), "X"),
        (model.decision_function, (masked,), "X"),
    ):
        with pytest.raises(InputError, match=rf"^{name} has masked values; fill them in"):
            function(*given)
    unmasked = np.ma.masked_array(samples)
    assert np.array_equal(model.fit(unmasked, noisy).predict(unmasked), model.predict(samples))


def test_one_class_is_refused():
    with pytest.raises(InputError, match="two classes or more"):
        labelnoise.ReweightedClassifier().fit(np.zeros((10, 2)), np.zeros(10))
