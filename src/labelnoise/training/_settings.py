"""How a network is trained, and the default settings."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from labelnoise.data import DATASETS
from labelnoise.errors import InputError
from labelnoise.training._methods import METHODS
from labelnoise.training._models import model as checked_model

PEAKS = {"one-cycle": 0.3, "one-cycle-late": 0.5}  # of a schedule: after which share of the steps the rate is highest


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained."""

    epochs: int  # passes over the training images
    batch_size: int  # images per step
    learning_rate: float  # the peak of the one-cycle schedule, or the constant rate
    weight_decay: float  # decoupled with adamw, added to the gradient with sgd
    optimizer: str = "adamw"  # adamw | sgd (with momentum 0.9)
    schedule: str = "one-cycle"  # one-cycle | one-cycle-late (its peak after half of the steps) | constant
    precision: str = "float32"  # float32 | bfloat16 (autocast; weights stay float32)
    augmentation: str | None = None  # shift-flip (see shifted_and_flipped), or none
    averaging: float | None = None  # of the weights, exponential: what is kept of the mean at each step; or none

    def __post_init__(self) -> None:
        for field, choices in (
            ("optimizer", ("adamw", "sgd")),
            ("schedule", (*PEAKS, "constant")),
            ("precision", ("float32", "bfloat16")),
            ("augmentation", (None, "shift-flip")),
        ):
            if getattr(self, field) not in choices:
                raise InputError(
                    f"Unknown {field} {getattr(self, field)!r}; use one of: {', '.join(map(str, choices))}."
                )
        for field in ("epochs", "batch_size"):
            if type(getattr(self, field)) is not int or getattr(self, field) < 1:
                raise InputError(f"{field} must be a whole number from 1 up, not {getattr(self, field)!r}.")
        if not (isinstance(self.learning_rate, float) and 0 < self.learning_rate < math.inf):
            raise InputError(f"learning_rate must be a positive float, not {self.learning_rate!r}.")
        # -0.0 would be equal to 0.0, and have another key.
        if not (isinstance(self.weight_decay, float) and 0 <= self.weight_decay < math.inf) or (
            math.copysign(1, self.weight_decay) < 0
        ):
            raise InputError(f"weight_decay must be a float from 0.0 up, not {self.weight_decay!r}.")
        if self.averaging is not None and not (isinstance(self.averaging, float) and 0 < self.averaging < 1):
            raise InputError(f"averaging must be a float between 0 and 1, or None, not {self.averaging!r}.")


# One setting per network, for every method but those with a graph, chosen by noisy validation loss
# (benchmarks/protocol.py). What a data set has of its own stands at its entry.
PROTOCOL: dict[str, Settings] = {
    "lenet": Settings(epochs=8, batch_size=256, learning_rate=1e-3, weight_decay=1e-2, precision="bfloat16"),
    "alexnet": Settings(epochs=8, batch_size=256, learning_rate=6e-4, weight_decay=1e-2, precision="bfloat16"),
}
# LeNet's but for the weight decay: the best of ten rates, epochs and decays by noisy validation losses, on two tuning
# seeds of both of the paper's sets.
PROTOCOL["linear"] = dataclasses.replace(PROTOCOL["lenet"], weight_decay=30.0)

OURS = "hog-forward"  # our own recipe
WITH_GRAPH = [name for name, recipe in METHODS.items() if recipe.needs_soft_labels]  # this, and others like it

# Their settings, relative to the others': they see every image changed each time, so they can learn from it longer.
RECIPE_EPOCHS, RECIPE_RATE = 2.5, 2.0


def protocol(dataset: str, model: str, method: str = "cross-entropy") -> Settings:
    """The default settings of a network on a data set: the same for every method, except those with a graph.

    Args:
        dataset: a name in `data.DATASETS`; those of any other are the network's.
        model: a name in `MODELS`.
        method: a name in `METHODS`.

    Raises:
        InputError: an unknown model.
    """
    checked_model(model)
    own = DATASETS[dataset].settings.get(model, {}) if dataset in DATASETS else {}
    plain = dataclasses.replace(PROTOCOL[model], **own)
    return modern(plain) if method in WITH_GRAPH else plain


def modern(plain: Settings) -> Settings:
    """Plain training with more epochs, a higher rate, augmented images and averaged weights."""
    return dataclasses.replace(
        plain,
        epochs=round(RECIPE_EPOCHS * plain.epochs),
        learning_rate=float(f"{RECIPE_RATE * plain.learning_rate:.3g}"),
        augmentation="shift-flip",
        averaging=0.99,
    )
