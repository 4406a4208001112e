"""The networks that ``labelnoise train`` trains: the book's or torchvision's by name, or those of a user's function."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelnoise import training
from labelnoise._checks import shown
from labelnoise._imports import imported, is_own, reason
from labelnoise.errors import InputError
from labelnoise.noise import derive_seed

if TYPE_CHECKING:
    from torch import nn

Make = Callable[[int], "nn.Module"]


def check_network(name: str) -> str:
    """The name of a network that `network_maker` takes; whether it can be made of images is seen there.

    Raises:
        InputError: there is none, or it can't be imported.
    """
    if not isinstance(name, str):
        raise InputError(f"network must be a name or module:function, not {shown(name)}.")
    if is_own(name):
        imported(name, "network")
    elif name not in training.MODELS and name not in torchvision_names():
        training.model(name)
    return name


def network_maker(name: str, n_classes: int, channels: int, size: int, seed: int) -> Make:
    """A function that makes networks with fresh weights, each by a number.

    Args:
        name: of a network of the book; of a classifier of torchvision's; or ``module:function`` with a function of the
            three numbers that follow.
        n_classes, channels, size: of the images, size in pixels.
        seed: of the weights.

    Raises:
        InputError: no such network, or one that does not give logits of shape (n, n_classes).
    """
    make_one: Callable[..., Any]
    if is_own(check_network(name)):
        make_one = imported(name, "network")
    elif name not in training.MODELS and name in torchvision_names():
        from labelnoise.own._torchvision import classifier

        def make_one(n_classes: int, channels: int, size: int) -> nn.Module:
            return classifier(name, n_classes, channels)
    else:
        training.build(name, n_classes, channels, size, seed=0)
        return lambda number: training.build(name, n_classes, channels, size, seed=derive_seed("own", seed, number))

    def make(number: int) -> nn.Module:
        with training.seeded(derive_seed("own", seed, number)):
            return make_one(n_classes, channels, size)

    import torch

    try:
        with training.seeded(0), torch.no_grad():
            network = make(0)
            shape = tuple(network(torch.zeros(2, channels, size, size)).shape)
            learns = any(each.requires_grad for each in network.parameters())
    except (Exception, SystemExit) as error:  # whatever their code raises
        images = (2, channels, size, size)
        raise InputError(f"The network {name} fails on images of {images}: {reason(error)}.") from error
    if not learns:
        raise InputError(f"The network {name} has no parameters that can learn; give it a layer that has some.")
    if shape != (2, n_classes):
        raise InputError(f"The network {name} gives {shape} for 2 images; it must give logits of {(2, n_classes)}.")
    return make


def torchvision_names() -> set[str]:
    """The classifiers of torchvision by its names, read from its files, as importing it takes seconds."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return set()
    files = (Path(spec.origin).parent / "models").glob("*.py")
    pattern = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)", re.MULTILINE)
    return {name for file in files for name in pattern.findall(file.read_text(encoding="utf-8"))}
