"""How long and in what batches networks train on a user's images: settings that go with the number of these."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from labelnoise.training import OURS, PROTOCOL, Settings, protocol
from labelnoise.training import VALIDATION_SHARE as HELD_OUT

BATCHES = (32, 256)  # images of the smallest and the largest
BATCHES_PER_EPOCH = 32  # where the batch is neither
LEAST_STEPS = {"plain": 100, "modern": 250}
# Of LeNet, in place of the default ones, which are for more steps: by noisy labels held out of small sets.
RATES = {"plain": 3e-3, "modern": 4e-3}
VISITS = 300_000  # images seen by one training, after which more epochs bring little
SHORTEST = 12  # epochs of modern training, however many images there are


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
