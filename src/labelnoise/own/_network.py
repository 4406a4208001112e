"""The networks of ``labelnoise train``: made by name or by a user's function, and one that was trained with its file.

PyTorch is imported once one is made.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise import training
from labelnoise._checks import as_array, check_number, check_size, check_whole, shown
from labelnoise._files import check_file, check_target, write_whole
from labelnoise._imports import imported, is_own, reason
from labelnoise._weights import described, sealed
from labelnoise.errors import InputError
from labelnoise.noise import derive_seed
from labelnoise.own._pixels import as_pixels

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 4096  # images
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
    if not is_own(check_network(name)):
        # About what the first layer of such a network gives for two images, and the first dense one of LeNet has.
        check_size(f"The network {name} for images of {size:,} pixels", size, size, copies=64)
    if is_own(name):
        make_one = imported(name, "network")
    elif name in training.MODELS:
        training.build(name, n_classes, channels, size, seed=0)  # which refuses images that it can't take
        make_one = training.model(name).make
    else:
        make_one = partial(_of_torchvision, name)

    def make(number: int) -> nn.Module:
        with training.seeded(derive_seed("own", seed, number)):
            return make_one(n_classes, channels, size)

    import torch

    try:
        with training.seeded(0), torch.no_grad():
            network = make(0)
            shape = tuple(network(torch.zeros(2, channels, size, size)).shape)
            learns = any(each.requires_grad for each in network.parameters())
            odd = [key for key, value in network.state_dict().items() if not isinstance(value, torch.Tensor)]
    except (Exception, SystemExit) as error:  # whatever their code raises
        images = (2, channels, size, size)
        raise InputError(f"The network {name} fails on images of {images}: {reason(error)}.") from error
    if not learns:
        raise InputError(f"The network {name} has no parameters that can learn; give it a layer that has some.")
    if odd:
        raise InputError(
            f"The network {name} keeps {odd[0]!r}, which is no tensor; a file of weights has no room for it."
        )
    if shape != (2, n_classes):
        raise InputError(f"The network {name} gives {shape} for 2 images; it must give logits of {(2, n_classes)}.")
    return make


def _of_torchvision(name: str, n_classes: int, channels: int, _: int) -> nn.Module:
    """A classifier with random weights and an output for each class, which takes grey images too."""
    from torch import nn
    from torchvision.models import get_model
    from torchvision.transforms import v2

    network: nn.Module = get_model(name, weights=None, num_classes=n_classes)
    return network if channels == 3 else nn.Sequential(OrderedDict(colour=v2.RGB(), network=network))


def torchvision_names() -> set[str]:
    """The classifiers of torchvision by its names, read from its files, as importing it takes seconds."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return set()
    files = (Path(spec.origin).parent / "models").glob("*.py")
    pattern = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)", re.MULTILINE)
    return {name for file in files for name in pattern.findall(file.read_text(encoding="utf-8"))}


@dataclass(frozen=True)
class TrainedNetwork:
    """A network that was trained on noisy labels, as a classifier of images.

    Attributes:
        module: maps images of shape (n, channels, height, width) on its own scale to logits of shape (n, n_classes).
        about: its name or own function, the channels and the size in pixels of its images, the names of its classes,
            and the mean and deviation of pixels that it was trained by.
    """

    module: nn.Module
    about: dict[str, Any]

    @property
    def class_names(self) -> tuple[str, ...]:
        """One per class, in the order of the probabilities."""
        return tuple(self.about["class_names"])

    def predict_proba(self, images: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class.

        Of the clean class, or, where the network was trained by cross-entropy, of the noisy label.

        Args:
            images: shape (n, height, width[, channels]) or (n, channels, height, width), numbers from 0 to 255 or from
                0 to 1, of the size of those that it was trained on; of any size if those were resized.

        Returns:
            Shape (n, n_classes), rows sum to 1.

        Raises:
            InputError: other images.
        """
        pixels, _ = as_pixels(as_array(images, "images"), "images", self.about.get("resized"))
        expected = (self.about["in_channels"], self.about["image_size"], self.about["image_size"])
        if pixels.shape[1:] != expected:
            raise InputError(
                f"The network takes images of {expected} (channels, height, width), not {pixels.shape[1:]}."
            )
        import torch

        self.module.eval()
        parts = (torch.from_numpy(pixels[first : first + AT_ONCE]).float() for first in range(0, len(pixels), AT_ONCE))
        scale = (self.about["mean"], self.about["deviation"])
        found = [training.predict_probs(self.module, (part - scale[0]) / scale[1]) for part in parts]
        return np.concatenate(found) if found else np.empty((0, len(self.class_names)))

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """The likeliest class of each image, shape (n,), as its place in `class_names`; as `predict_proba`."""
        return self.predict_proba(images).argmax(axis=1)

    def as_bytes(self) -> bytes:
        """Its file, in the format safetensors, with a digest by which `load_network` notices a changed byte."""
        import torch
        from safetensors.torch import save

        # Each a copy, as the format refuses two that share memory, such as tied weights.
        state = self.module.state_dict()
        weights = {key: value.clone(memory_format=torch.contiguous_format) for key, value in state.items()}
        return sealed(partial(save, weights), self.about)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write its file, whole or not at all, for `load_network`.

        Raises:
            InputError: the path is that of no file.
            OSError: it can't be written, such as to a full disk.
        """
        write_whole(check_target(path), self.as_bytes())


def load_network(path: str | os.PathLike[str]) -> TrainedNetwork:
    """The network in a file that ``labelnoise train`` or `TrainedNetwork.save` has written.

    One of a function of your own is made by that function again, which is imported from the current folder.

    Returns:
        The network, whose ``predict_proba`` maps images to probabilities of shape (n, n_classes).

    Raises:
        InputError: no such file, of something else, or changed since it was written.

    >>> import tempfile
    >>> about = {"network": "lenet", "in_channels": 1, "image_size": 28, "mean": 0.5, "deviation": 0.2}
    >>> network = TrainedNetwork(network_maker("lenet", 2, 1, 28, 0)(0), about | {"class_names": ["cat", "dog"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     network.save(f"{folder}/network.safetensors")
    ...     load_network(f"{folder}/network.safetensors").class_names
    ('cat', 'dog')
    """
    about = described(check_file(path))
    try:
        n_classes = check_whole(len(about["class_names"]), "classes", 2)
        channels, size = (check_whole(about[key], key, 1) for key in ("in_channels", "image_size"))
        check_number(about["mean"], "mean", lambda value: 0 <= value <= 255)  # of bytes, as below
        check_number(about["deviation"], "deviation", lambda value: 1e-6 <= value <= 255)
        texts = isinstance(about["class_names"], list) and all(isinstance(each, str) for each in about["class_names"])
        if not (isinstance(name := about["network"], str) and texts and about.get("resized") in (None, size)):
            raise TypeError
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} holds weights without what labelnoise train says of them.") from None
    from safetensors.torch import load_file

    module = network_maker(name, n_classes, channels, size, 0)(0)
    try:
        module.load_state_dict(load_file(path))
    except RuntimeError:
        raise InputError(f"The weights in {path} are of another network than {name} makes now.") from None
    return TrainedNetwork(module.eval(), about)
