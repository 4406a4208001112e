"""Methods of a reader's own: a loss ``module:name`` that is trained as the book's are."""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from labelnoise._imports import imported, is_own, pinned, reason, without_hash
from labelnoise.errors import InputError
from labelnoise.training._methods import Method
from labelnoise.transitions import symmetric, validate

if TYPE_CHECKING:
    from labelnoise.training._loop import Fit

TAKES = ("transition_matrix", "soft_labels", "n_samples", "n_classes")
SAMPLES = 4  # of each class in the batch that an own loss is tried on


def own_method(name: str) -> Method:
    """The method that trains with the reader's own loss, a class of `torch.nn.Module` or a function that makes one.

    It is made from those of `TAKES` that its arguments are named after; other arguments need defaults. It learns T if
    its class has a `transition_matrix` of its own.

    Args:
        name: ``module:name``.

    Raises:
        InputError: it can't be imported, or takes something else.
    """
    return _own(pinned(name, "method"))


@functools.cache
def _own(name: str) -> Method:
    title, make = without_hash(name), imported(name, "method")
    try:
        arguments = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        raise InputError(f"The method {title} must be a class of torch.nn.Module, not {make!r}.") from None
    named = [each for each in arguments if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if unknown := [each.name for each in named if each.name not in TAKES and each.default is each.empty]:
        raise InputError(
            f"The method {title} takes {unknown[0]!r}, which no loss is given; give it a default, or take some of: "
            f"{', '.join(TAKES)}."
        )
    takes = tuple(each for each in TAKES if each in {one.name for one in named})
    if "soft_labels" in takes and "transition_matrix" not in takes:
        raise InputError(f"The method {title} takes soft_labels, which are made by T; it must take transition_matrix.")
    compared = "gradients" if "soft_labels" in takes else None
    return Method(title, name, takes, compared, learns_transition=hasattr(make, "transition_matrix"))


def try_method(name: str, n_classes: int) -> None:
    """Try an own loss on a small made-up batch; those of the book need no trial.

    Raises:
        InputError: as `own_method`; one that fails, or whose loss is no finite number with a gradient.
    """
    if is_own(name):
        _try(pinned(name, "method"), n_classes)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Report what own code raises as a mistake in that code."""
    title = without_hash(name)
    try:
        yield
    except Exception as error:  # whatever their code raises
        if not is_own(name) or (isinstance(error, InputError) and title in str(error)):
            raise
        raise InputError(f"The method {title} fails: {reason(error)}.") from error


def check_finite(name: str, done: Fit) -> None:
    """Refuse a training by an own loss that did not stay finite.

    Raises:
        InputError: the mean of an epoch is infinite or NaN.
    """
    if is_own(name):
        for epoch, measured in enumerate(done.history, 1):
            if not math.isfinite(measured.noisy_train_loss + measured.noisy_validation_loss):
                raise InputError(f"The loss of the method {without_hash(name)} is not finite in epoch {epoch}.")


@functools.cache
def _try(name: str, n_classes: int) -> None:
    import torch

    title, n = without_hash(name), SAMPLES * n_classes
    recipe = own_method(name)
    matrix, soft_labels = symmetric(n_classes, 0.3), np.full((n, n_classes), 1 / n_classes)
    with torch.random.fork_rng(devices=[]), told(name):
        loss = recipe.make_loss(
            matrix if recipe.needs_transition else None, n_classes, n, soft_labels if recipe.compared else None
        )
        if not isinstance(loss, torch.nn.Module):
            raise InputError(f"The method {title} must make a torch.nn.Module, not {loss!r}.")
        value, validated = _values(loss, n_classes, n)
        for mode, each in (("training", value), ("evaluation", validated)):
            if not isinstance(each, torch.Tensor) or each.shape != () or not bool(torch.isfinite(each)):
                raise InputError(f"The method {title} must give a finite mean loss in {mode}, not {_shown(each)}.")
        if not value.requires_grad:
            raise InputError(f"The loss of the method {title} has no gradient; make it of the logits by torch alone.")
        value.backward()
        copy.deepcopy(loss)  # as it is kept at the best epoch
        if recipe.learns_transition:
            learned = loss.transition_matrix
            if not isinstance(learned, torch.Tensor):
                raise InputError(f"The transition_matrix of the method {title} must be a tensor, not {learned!r}.")
            validate(learned.detach().double(), n_classes)


def _values(loss: Any, n_classes: int, n: int) -> tuple[Any, Any]:
    """The losses of the first batch of a training, on logits of a network that is made up, and of a validation."""
    import torch

    from labelnoise.losses import Batch

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, n_classes))
    images, rows = torch.randn(n, 1, 2, 2), torch.arange(n)
    noisy_labels = rows % n_classes
    loss.train()
    if hasattr(loss, "on_batch"):
        value = loss.on_batch(network, Batch(images, noisy_labels, rows, 0.0))
    else:
        value = loss(network(images), noisy_labels)
    loss.eval()
    with torch.no_grad():
        validated = loss(torch.randn(n + 1, n_classes), torch.arange(n + 1) % n_classes)
    loss.train()
    return value, validated


def _shown(value: Any) -> str:
    """A tensor by its shape, or by its value if it is a number."""
    shape = getattr(value, "shape", None)
    return f"shape {tuple(shape)}" if shape else repr(value.item() if shape == () else value)
