"""torchvision's classifiers for images with any number of channels."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision import models


class Coloured(nn.Module):
    """A network for three channels that takes grey images too.

    Maps (n, 1 or 3, height, width) to what the network gives.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images.expand(-1, 3, -1, -1))
        return logits


def classifier(name: str, n_classes: int, channels: int, _: int) -> nn.Module:
    """One of torchvision's by its name there, with random weights and an output for each class; for any image size."""
    network: nn.Module = models.get_model(name, weights=None, num_classes=n_classes)
    return network if channels == 3 else Coloured(network)
