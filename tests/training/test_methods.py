import inspect

import numpy as np
import pytest
import torch

from labelnoise import losses, names
from labelnoise.errors import InputError
from labelnoise.training import FEATURES, METHODS, WITH_GRAPH, method

MATRIX = names.named("paper-0.5", 3)


def make(recipe, **options):
    """Its loss for three classes and ten images, given what it needs."""
    matrix = MATRIX if recipe.needs_transition else None
    soft_labels = np.full((10, 3), 1 / 3) if recipe.needs_soft_labels else None
    return recipe.make_loss(matrix, 3, 10, soft_labels, **options)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_a_loss_that_can_be_descended(name):
    loss = make(method(name))
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.3, -0.3]], requires_grad=True)
    value = loss(logits, torch.tensor([1, 2]))
    assert value.shape == ()
    assert torch.autograd.grad(value, logits)[0].abs().max() > 0


@pytest.mark.parametrize("name", METHODS)
def test_a_matrix_is_given_where_one_is_needed_and_nowhere_else(name):
    recipe = method(name)
    wrong, need = (None, "needs a") if recipe.needs_transition else (MATRIX, "takes no")
    with pytest.raises(InputError, match=f"{recipe.title} {need} transition matrix"):
        recipe.make_loss(wrong, 3, 10)


@pytest.mark.parametrize("name", WITH_GRAPH)
def test_soft_labels_are_needed_where_a_graph_is(name):
    recipe = method(name)
    with pytest.raises(InputError, match=f"{recipe.title} needs soft labels"):
        recipe.make_loss(MATRIX if recipe.needs_transition else None, 3, 10)


def test_soft_labels_are_given_nowhere_else():
    assert {name for name, recipe in METHODS.items() if "soft_labels" in recipe.takes} == {*WITH_GRAPH}
    with pytest.raises(InputError, match="forward takes no soft labels"):
        method("forward").make_loss(MATRIX, 3, 10, np.full((10, 3), 1 / 3))


def test_a_method_gets_the_matrix_that_it_is_given():
    torch.testing.assert_close(method("forward").make_loss(MATRIX, 3, 10).transition, torch.tensor(MATRIX).float())
    assert isinstance(method("cross-entropy").make_loss(None, 3, 10), losses.CrossEntropy)


@pytest.mark.parametrize("name", METHODS)
def test_an_options_default_is_the_losss_own_and_lies_within_its_bounds(name):
    recipe = method(name)
    parameters = inspect.signature(getattr(losses, recipe.loss)).parameters
    for option, known in recipe.options.items():
        assert known.low <= known.default <= known.high
        assert (name, option) == ("hog-forward", "share") or known.default == parameters[option].default
        assert getattr(make(recipe), option) == known.default


def test_what_a_graph_compares_is_known():
    assert {method(name).compared for name in WITH_GRAPH} <= FEATURES.keys()


def test_titles_differ():
    assert len({recipe.title for recipe in METHODS.values()}) == len(METHODS)


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match=f"Unknown method 'backwards'; use one of: {', '.join(METHODS)}"):
        method("backwards")


@pytest.mark.parametrize("name", METHODS)
def test_options_reach_the_loss_at_both_bounds(name):
    recipe = method(name)
    for bound in (0, 1):
        options = {option: known[bound] for option, known in recipe.options.items()}
        loss = make(recipe, **options)
        for option, value in options.items():
            assert getattr(loss, option) == value


def test_an_unknown_option_is_refused():
    with pytest.raises(InputError, match="mixup has no option 'beta'; use one of: alpha"):
        method("mixup").make_loss(None, 3, 10, beta=1.0)
    with pytest.raises(InputError, match="cross-entropy has no option 'beta'; it has none"):
        method("cross-entropy").make_loss(None, 3, 10, beta=1.0)
