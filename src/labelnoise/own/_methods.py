"""Which methods a user's images are trained by, known without what trains."""

from __future__ import annotations

from labelnoise._checks import check_choice
from labelnoise.errors import InputError
from labelnoise.training import FUNCTIONS, METHODS, OURS, method, try_method

AUTO = "auto"
PLAIN = "cross-entropy"  # what a correction is compared with
TRIED = (OURS, "forward", PLAIN)  # by `AUTO`; an earlier one is taken where the labels can't tell it from a later one
SINGLE = [name for name, recipe in METHODS.items() if not recipe.folds]  # methods that train one network

MOST_IMAGES = 70_000  # in a graph: the time for neighbours goes with the square
MOST_CLASSES = 30  # that for the evidence goes with the cube


def check_method(name: str) -> str:
    """The name of a method for one network, or `AUTO`.

    Raises:
        InputError: there is none, or it trains no single network.
    """
    if name != AUTO and method(name).folds:
        raise InputError(f"{name} trains no single network; use one of: {AUTO}, {', '.join(SINGLE)}.")
    return name


def check_device(name: str) -> str:
    """The name of a device.

    Raises:
        InputError: it is none of cpu, cuda and auto.
    """
    return check_choice(name, "device", ("cpu", "cuda", "auto"))


def why_no_graph(n_images: int, n_classes: int) -> str | None:
    """Why a set can't have a graph, as the end of a sentence; None if it can."""
    if n_images <= FUNCTIONS:
        return f"it takes more than {FUNCTIONS} images"
    if n_images > MOST_IMAGES:
        return f"it would take too long for more than {MOST_IMAGES:,} images"
    if n_classes > MOST_CLASSES:
        return f"it would take too long for more than {MOST_CLASSES} classes"
    return None


def compared(name: str, n_images: int, n_classes: int) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """The methods that are compared, in the order of preference, and those left out with the reason.

    Args:
        name: a method, which is compared with cross-entropy, or `AUTO`.
        n_images, n_classes: of the set.

    Raises:
        InputError: as `check_method`; the method named can't be had on such a set, or is an own loss that fails on it.
    """
    names = list(TRIED) if check_method(name) == AUTO else list(dict.fromkeys([name, PLAIN]))
    try_method(name, n_classes)  # an own loss comes last, after the networks that T is read from
    with_graph = [each for each in names if method(each).needs_soft_labels]
    reason = why_no_graph(n_images, n_classes) if with_graph else None
    if reason and name != AUTO:
        raise InputError(f"{name} can't be had on these images, as {reason}; use --method {AUTO}.")
    kept = [each for each in names if not (reason and each in with_graph)]
    return kept, tuple((each, str(reason)) for each in names if each not in kept)
