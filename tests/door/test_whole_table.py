"""The table of bad arguments has every public function, class and method, with each of its arguments."""

import inspect

import door_arguments
import pytest
import torch

import labelnoise

MADE_BY_US = "an answer, which the library makes and the user reads"
LEFT_OUT = {
    "Batch": "made in each step of a training; what a loss takes of it is checked there",
    "Bounds": MADE_BY_US,
    "Dataset": MADE_BY_US,
    "Estimate": MADE_BY_US,
    "InputError": "the answer to all the others",
    "NoisySet": "checked where it is written, by door_files.sets",
    "ReweightedClassifier": "checked when it is fitted, with the errors of scikit-learn's conventions",
    "TrainedNetwork": MADE_BY_US,
    "Training": MADE_BY_US,
    "Training.predict": "as TrainedNetwork.predict, which it calls",
    "Training.predict_proba": "as TrainedNetwork.predict_proba, which it calls",
}
# The methods of these are tried elsewhere: tests/losses/test_labels.py and tests/own/test_classifier.py.
ELSEWHERE = (torch.nn.Module, labelnoise.ReweightedClassifier)


def public():
    """Every public function and class by name, and the methods that a public class has of its own."""
    for name in labelnoise.__all__:
        found = getattr(labelnoise, name)
        if callable(found):
            yield name
        if isinstance(found, type) and not issubclass(found, ELSEWHERE):
            own = (each for each, value in vars(found).items() if inspect.isfunction(value))
            yield from (f"{name}.{each}" for each in own if not each.startswith("_"))


@pytest.mark.parametrize("name", sorted({*public()} - {*LEFT_OUT}))
def test_each_argument_of_what_is_public_stands_in_the_table(name):
    arguments = inspect.signature(door_arguments.public(name)).parameters
    _, bad = door_arguments.FUNCTIONS.get(name, ({}, {}))
    assert set(bad) == set(arguments) - {"self"}


def test_nothing_is_left_out_that_is_not_there_or_stands_in_the_table():
    assert {*LEFT_OUT} <= {*public()} - {*door_arguments.FUNCTIONS}
