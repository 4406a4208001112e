"""LeNet, AlexNet and a linear classifier, for images from 28 x 28 up.

ReLU stands after max pooling: the two commute, and it then has a quarter of the values to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from labelnoise.training._fast import Conv3x3, MaxPool2x2
from labelnoise.training._gradients import OrientedGradients


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with torch's default generator seeded, and put its state back afterwards.

    Initial weights and dropout can draw from that generator only.
    """
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _flat_size(features: nn.Module, in_channels: int, image_size: int) -> int:
    with torch.no_grad():
        return features(torch.zeros(1, in_channels, image_size, image_size)).numel()


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling (LeCun et al. 1998, section II.B).

    Convolutions of 6 and 16 channels with 5 x 5 kernels, then dense layers of 120, 84 and
    n_classes units. The first convolution is padded by 2, so a 28 x 28 image gives the 5 x 5 maps
    of the original's 32 x 32.

    Maps (n, in_channels, image_size, image_size) to logits of shape (n, n_classes).
    """

    def __init__(self, n_classes: int, in_channels: int = 1, image_size: int = 28) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2), MaxPool2x2(), nn.ReLU(),
            nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU(),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(_flat_size(self.features, in_channels, image_size), 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, n_classes),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


class AlexNet(nn.Module):
    """AlexNet after Krizhevsky et al. 2012 (section 3.5), scaled to images from 28 x 28 up.

    Five convolutions, overlapping 3 x 3 pooling with stride 2 after the first, second and fifth,
    and three dense layers with dropout 0.5. `width` scales the channels: at 1.0 they are the
    original's 96, 256, 384, 384, 256. The first kernel is 5 x 5 with stride 2 in place of 11 x 11
    with stride 4, as the images are an eighth as wide. Local response normalisation is left out.

    The hidden layers start as in He et al. 2015 (arXiv:1502.01852, equation 10), the last one at zero, so that every
    class starts as equally likely. With torch's defaults eight layers pass on so little that training rests at chance
    for half its epochs; without the zero a corrected loss can start where it is flat.

    Maps (n, in_channels, image_size, image_size) to logits of shape (n, n_classes).
    """

    def __init__(self, n_classes: int, in_channels: int = 1, image_size: int = 28, width: float = 0.5) -> None:
        super().__init__()
        a, b, c, d, e = (int(channels * width) for channels in (96, 256, 384, 384, 256))
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, a, 5, stride=2, padding=2), nn.MaxPool2d(3, 2), nn.ReLU(),
            nn.Conv2d(a, b, 5, padding=2), nn.MaxPool2d(3, 2, padding=1), nn.ReLU(),
            Conv3x3(b, c), nn.ReLU(),
            Conv3x3(c, d), nn.ReLU(),
            Conv3x3(d, e), nn.MaxPool2d(3, 2), nn.ReLU(),
        )  # fmt: skip
        last = nn.Linear(512, n_classes)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(_flat_size(self.features, in_channels, image_size), 512), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(512, 512), nn.ReLU(),
            last,
        )  # fmt: skip
        for name, parameter in self.named_parameters():
            if name.endswith("bias") or parameter is last.weight:
                nn.init.zeros_(parameter)
            else:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


class LinearOnGradients(nn.Module):
    """A linear classifier on features that depend on no label: `oriented_gradients`, with mean 0 and deviation 1.

    After Zhu et al. 2024 (arXiv:2411.00079), who train one without regard to the noise, on features of networks that
    were trained on other images or without labels. Theirs are learned; these are fixed, and much simpler.

    Maps (n, in_channels, image_size, image_size) to logits of shape (n, n_classes).
    """

    def __init__(self, n_classes: int, in_channels: int = 1, image_size: int = 28) -> None:
        super().__init__()
        self.features = OrientedGradients()
        units = _flat_size(self.features, in_channels, image_size)
        standardised = nn.BatchNorm1d(units, affine=False)
        self.classifier = nn.Sequential(nn.Flatten(), standardised, nn.Linear(units, n_classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))


class Pair(nn.Module):
    """Two networks that learn from each other: logits of both, (2, n, n_classes), in training, else of the first."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.first(images), self.second(images)]) if self.training else self.first(images)
