"""Which methods a user's images are trained by, and by what settings, known without what trains."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from labelnoise.errors import InputError
from labelnoise.training import FUNCTIONS, METHODS, OURS, PROTOCOL, Settings, method, protocol, try_method
from labelnoise.training import VALIDATION_SHARE as HELD_OUT

AUTO = "auto"
PLAIN = "cross-entropy"  # what a correction is compared with
TRIED = (OURS, "forward", PLAIN)  # by `AUTO`; an earlier one is taken where the labels can't tell it from a later one
SINGLE = [name for name, recipe in METHODS.items() if not recipe.folds]  # methods that train one network

MOST_IMAGES = 70_000  # in a graph: the time for neighbours goes with the square
MOST_CLASSES = 30  # that for the evidence goes with the cube

BATCHES = (32, 256)  # images of the smallest and the largest
BATCHES_PER_EPOCH = 32  # where the batch is neither
LEAST_STEPS = {"plain": 100, "modern": 250}
# Of LeNet, in place of the default ones, which are for more steps: by noisy labels held out of small sets.
RATES = {"plain": 3e-3, "modern": 4e-3}
VISITS = 300_000  # images seen by one training, after which more epochs bring little
SHORTEST = 12  # epochs of modern training, however many images there are


def check_method(name: str) -> str:
    """The name of a method for one network, or `AUTO`.

    Raises:
        InputError: there is none, or it trains no single network.
    """
    if name != AUTO and method(name).folds:
        raise InputError(f"{name} trains no single network; use one of: {AUTO}, {', '.join(SINGLE)}.")
    return name


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


@dataclass(frozen=True)
class OwnSettings:
    """How to train on a set.

    Attributes:
        plain: for the networks that T is read from.
        modern: for those that may be handed over: augmented images, averaged weights, more epochs.
    """

    plain: Settings
    modern: Settings


def scaled_settings(network: str, n_images: int) -> OwnSettings:
    """The default settings of a network for so many images; a network of one's own has LeNet's.

    Few images come in smaller batches, and in as many epochs as `LEAST_STEPS` takes; very many in fewer epochs. No
    batch ends up with a single image, as networks that normalise over a batch can't take that.
    """
    known = network if network in PROTOCOL else "lenet"
    learned = round((1 - HELD_OUT) * n_images)
    smallest, largest = BATCHES
    batch = 2 ** round(math.log2(max(learned / BATCHES_PER_EPOCH, 1)))
    batch = min(max(batch, smallest), largest)
    # What is learned from: all, all but those held out, and all but a fold.
    sizes = {n_images, learned, n_images - n_images // 3, n_images - -(-n_images // 3)}
    while any(size % batch == 1 for size in sizes):
        batch += 1
    found = {}
    for kind, default in (("plain", protocol("", known)), ("modern", protocol("", known, OURS))):
        steps = math.ceil(learned / batch)
        fewest = max(1, round(default.epochs * SHORTEST / protocol("", known, OURS).epochs))
        epochs = min(default.epochs, max(fewest, math.ceil(VISITS / learned)))
        epochs = max(epochs, math.ceil(LEAST_STEPS[kind] / steps))
        rate = RATES[kind] if network == "lenet" else default.learning_rate
        found[kind] = dataclasses.replace(default, epochs=epochs, batch_size=batch, learning_rate=rate)
    return OwnSettings(**found)
