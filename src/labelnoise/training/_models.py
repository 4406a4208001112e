"""The networks by name. Nothing here imports what makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelnoise import training
from labelnoise._checks import check_choice
from labelnoise.errors import InputError

if TYPE_CHECKING:
    from torch import nn

SMALLEST = 28  # pixels, along each axis


@dataclass(frozen=True)
class Model:
    """A network.

    Attributes:
        title: what readers see.
        network: its class in `labelnoise.training`.
    """

    title: str
    network: str

    def make(self, n_classes: int, in_channels: int = 1, image_size: int = SMALLEST) -> nn.Module:
        """A network with weights drawn from torch's default generator."""
        return getattr(training, self.network)(n_classes, in_channels, image_size)


MODELS: dict[str, Model] = {
    "lenet": Model("LeNet", "LeNet"),
    "alexnet": Model("AlexNet", "AlexNet"),
    "linear": Model("linear, on outlines", "LinearOnGradients"),
}


def model(name: str) -> Model:
    """The network called `name`.

    Raises:
        InputError: there is none.
    """
    return MODELS[check_choice(name, "model", MODELS)]


def build(name: str, n_classes: int, in_channels: int = 1, image_size: int = SMALLEST, *, seed: int) -> nn.Module:
    """A network with its initial weights, which depend on `seed` and the shapes alone.

    Args:
        name: a name in `MODELS`.
        n_classes, in_channels, image_size: of the images; the size in pixels along each axis.
        seed: of the weights.

    Raises:
        InputError: an unknown name, an image smaller than 28 pixels, or channels other than 1 or 3.
    """
    found = model(name)
    if image_size < SMALLEST:
        raise InputError(
            f"The images are {image_size} pixels wide; {name} needs at least {SMALLEST}; make them larger."
        )
    if in_channels not in (1, 3):
        raise InputError(f"The images have {in_channels} channels; use 1 (grey) or 3 (colour).")
    with training.seeded(seed):
        return found.make(n_classes, in_channels, image_size)
