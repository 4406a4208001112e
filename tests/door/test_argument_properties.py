"""Whatever is passed to a function of the science, it gives a result or an `InputError`, and no other exception."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import answered, anything, tried

from labelnoise import estimators, losses, names, noise, statistics, transitions
from labelnoise.estimators import rule

MATRIX = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
LABELS = np.arange(12) % 3
PROBS = MATRIX[LABELS]
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(256, size=(12, 2, 2))
FEATURES = GENERATOR.standard_normal((12, 2))
SAMPLES = {"pred_probs": PROBS, "noisy_labels": LABELS}
BOTH = {"clean_labels": LABELS, "noisy_labels": LABELS}
BOUNDS = estimators.combined(MATRIX[None], 0.1 * MATRIX)

OF_PROBABILITIES = (
    "anchor",
    "argmax_counts",
    "confident_learning",
    "dual_t",
    "iterative_anchors",
    "selective_threshold",
)

# Of each function its good arguments; those that it has besides are tried from their defaults.
FUNCTIONS = {
    transitions.validate: {"transition_matrix": MATRIX},
    transitions.check_rate: {"rate": 0.2},
    transitions.check_n_classes: {"n_classes": 3},
    transitions.symmetric: {"n_classes": 3, "rate": 0.2},
    transitions.pair_flip: {"n_classes": 3, "rate": 0.2},
    transitions.random: {"n_classes": 3, "rate": 0.2, "generator": GENERATOR},
    transitions.noise_rate: {"transition_matrix": MATRIX},
    transitions.l1_error: {"estimate": MATRIX, "truth": MATRIX},
    transitions.frobenius_error: {"estimate": MATRIX, "truth": MATRIX},
    noise.corrupt: {"clean_labels": LABELS, "transition_matrix": MATRIX, "generator": GENERATOR},
    noise.draw: {"probs": PROBS, "generator": GENERATOR},
    noise.instance_probs: {
        "images": IMAGES, "clean_labels": LABELS, "n_classes": 3, "rate": 0.2, "generator": GENERATOR
    },
    noise.mean_transition_matrix: {"probs": PROBS, "clean_labels": LABELS},
    noise.count_transitions: {**BOTH, "n_classes": 3},
    noise.oracle: {**BOTH, "n_classes": 3},
    noise.check_labels: {"labels": LABELS, "n_classes": 3},
    statistics.interval: {"values": [0.1, 0.2]},
    statistics.median_interval: {"values": list(range(9))},
    statistics.paired_difference: {"first": [0.1, 0.2], "second": [0.2, 0.4]},
    statistics.holm: {"p_values": [0.1, 0.2]},
    statistics.goodness_of_fit: {**BOTH, "transition_matrix": MATRIX},
    statistics.class_quantiles: {"values": PROBS, "clean_labels": LABELS},
    statistics.overdispersion: {"counts": [[3, 1], [2, 2]]},
    names.named: {"noise": "symmetric-0.2", "n_classes": 3},
    names.parse: {"name": "symmetric-0.2", "n_classes": 3},
    names.nominal_rate: {"name": "symmetric-0.2", "n_classes": 3},
    names.distorted: {"name": "at-random-0.2", "transition_matrix": MATRIX, "generator": GENERATOR},
    **{getattr(estimators, name): SAMPLES for name in OF_PROBABILITIES},
    estimators.hoc: {"features": FEATURES, "noisy_labels": LABELS},
    estimators.selective_costs: {"features": FEATURES, "noisy_labels": LABELS},
    estimators.maximum_likelihood: {"clean_probs": PROBS, "noisy_labels": LABELS},
    estimators.tempered_likelihood: {"clean_probs": PROBS, "noisy_labels": LABELS},
    estimators.likelihood_deviation: {"clean_probs": PROBS, "noisy_labels": LABELS, "transition_matrix": MATRIX},
    estimators.temperature: SAMPLES,
    estimators.scaled: {"pred_probs": PROBS, "temperature": 2.0},
    estimators.combined: {"matrices": MATRIX[None], "deviation": MATRIX},
    estimators.interval: {"estimate": estimators.argmax_counts, **SAMPLES, "resamples": 2},
    estimators.bootstrap_deviation: {"estimate": estimators.argmax_counts, **SAMPLES, "resamples": 2},
    estimators.check_inputs: SAMPLES,
    estimators.check_features: {"features": FEATURES, "noisy_labels": LABELS},
    estimators.estimator: {"name": "anchor-max"},
    BOUNDS.covers: {"transition_matrix": MATRIX},
    rule.leads: {"transition_matrix": MATRIX},
    rule.margin: {"transition_matrix": MATRIX},
    rule.slope: {"transition_matrix": MATRIX},
    rule.predicted_gain: {"first": LABELS, "second": LABELS, "noisy_labels": LABELS, "transition_matrix": MATRIX},
    rule.gain_resolution: {"n_samples": 100, "transition_matrix": MATRIX},
    **{kind: {"transition_matrix": MATRIX}
       for kind in (losses.Forward, losses.Backward, losses.Reweighted, losses.Resampled, losses.Revised)},
    losses.Guided: {"transition_matrix": MATRIX, "soft_labels": PROBS},
    losses.SoftCrossEntropy: {"soft_labels": PROBS},
    losses.SigmoidVolumeMinimised: {"n_classes": 3},
    losses.VolumeMinimised: {"n_classes": 3},
    losses.TotalVariation: {"n_classes": 3},
    losses.EarlyLearning: {"n_samples": 12, "n_classes": 3},
    losses.GeneralisedCrossEntropy: {},
    losses.SymmetricCrossEntropy: {},
    losses.Mixup: {},
    losses.CoTeaching: {},
}  # fmt: skip
# What a caller sets, no user; and numbers of repetitions, of which many are allowed and take long.
LEFT_OUT = {"name": [noise.check_labels, estimators.check_inputs], "resamples": None, "size": None, "spacing": None}


def arguments(function):
    return [
        name
        for name in inspect.signature(function).parameters
        if name not in LEFT_OUT or function not in (LEFT_OUT[name] or [function])
    ]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__qualname__)
@tried
@given(st.data())
def test_anything_for_an_argument_gives_a_result_or_is_refused_in_a_sentence(function, data):
    argument = data.draw(st.sampled_from(arguments(function)))
    good = FUNCTIONS[function]
    # An estimate of a user's own raises what it likes.
    values = anything.filter(lambda value: not callable(value)) if argument == "estimate" else anything
    _, refused = answered(function, **{**good, argument: data.draw(values)})
    assert refused is None or re.fullmatch(r"[^\n]{10,1200}[.]", refused), refused


def test_the_arguments_that_are_varied_are_good_themselves():
    for function, good in FUNCTIONS.items():
        function(**good)


# Those that take text of ours, or what the checks have passed already.
INNER = {
    *("derive_seed", "in_parts", "in_two", "distortion", "instance_rate", "is_raw", "by_image", "verdict"),
    *("clean_posterior", "unmixed", "wrong_labels", "as_rows", "row_blocks", "log_noisy_probs"),
    "try_estimator",
}


def test_every_public_function_of_the_science_is_tried():
    tried_ones = {function.__name__ for function in FUNCTIONS}
    for module in (transitions, noise, statistics, names, estimators, losses, rule):
        lazy = module in (estimators, losses)  # whose names come when they are asked for
        for name in dir(module) if lazy else vars(module):
            member = getattr(module, name)
            if inspect.isroutine(member) and member.__module__.startswith(module.__name__) and not name.startswith("_"):
                assert name in tried_ones | INNER, name
