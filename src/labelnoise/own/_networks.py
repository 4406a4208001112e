"""The networks that ``labelnoise train`` trains: the book's by name, or those of a function of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labelnoise import training
from labelnoise._imports import imported
from labelnoise.errors import InputError
from labelnoise.noise import derive_seed

if TYPE_CHECKING:
    from torch import nn


def network_maker(name: str, n_classes: int, channels: int, size: int, seed: int) -> Callable[[int], nn.Module]:
    """A function that makes networks with fresh weights, each by a number.

    Args:
        name: of a network of the book, or ``module:function`` with a function of the three numbers that follow.
        n_classes, channels, size: of the images, size in pixels.
        seed: of the weights.

    Raises:
        InputError: no such network, or one that does not give logits of shape (n, n_classes).
    """
    if ":" not in name:
        training.build(name, n_classes, channels, size, seed=0)
        return lambda number: training.build(name, n_classes, channels, size, seed=derive_seed("own", seed, number))
    factory = imported(name, "network")

    def make(number: int) -> nn.Module:
        with training.seeded(derive_seed("own", seed, number)):
            return factory(n_classes, channels, size)

    import torch

    try:
        shape = tuple(make(0).eval()(torch.zeros(2, channels, size, size)).shape)
    except Exception as error:
        raise InputError(f"The network {name} fails on images of {(2, channels, size, size)}: {error}.") from None
    if shape != (2, n_classes):
        raise InputError(f"The network {name} gives {shape} for 2 images; it must give logits of {(2, n_classes)}.")
    return make
