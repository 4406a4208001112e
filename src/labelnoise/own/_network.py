"""A trained network with what it takes images by, and its file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import load_file, save

from labelnoise._checks import as_array, check_whole
from labelnoise._files import check_file, check_target, write_whole
from labelnoise._weights import described, sealed
from labelnoise.errors import InputError
from labelnoise.own._networks import network_maker
from labelnoise.own._pixels import as_pixels
from labelnoise.training import predict_probs

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 4096  # images


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
        self.module.eval()
        parts = (torch.from_numpy(pixels[first : first + AT_ONCE]).float() for first in range(0, len(pixels), AT_ONCE))
        scale = (self.about["mean"], self.about["deviation"])
        found = [predict_probs(self.module, (part - scale[0]) / scale[1]) for part in parts]
        return np.concatenate(found) if found else np.empty((0, len(self.class_names)))

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """The likeliest class of each image, shape (n,), as its place in `class_names`; as `predict_proba`."""
        return self.predict_proba(images).argmax(axis=1)

    def as_bytes(self) -> bytes:
        """Its file, in the format safetensors, with a digest by which `load_network` notices a changed byte."""
        weights = {key: value.contiguous() for key, value in self.module.state_dict().items()}
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
        n_classes, _ = check_whole(len(about["class_names"]), "classes", 2), float(about["mean"])
        channels, size = (check_whole(about[key], key, 1) for key in ("in_channels", "image_size"))
        if not (isinstance(name := about["network"], str) and float(about["deviation"]) > 0):
            raise TypeError
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} holds weights without what labelnoise train says of them.") from None
    module = network_maker(name, n_classes, channels, size, 0)(0)
    try:
        module.load_state_dict(load_file(path))
    except RuntimeError:
        raise InputError(f"The weights in {path} are of another network than {name} makes now.") from None
    return TrainedNetwork(module.eval(), about)
