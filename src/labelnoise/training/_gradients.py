"""What outlines an image has, and where: features in which images of one class resemble each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ORIENTATIONS = 8
CELL_SIDE = 4  # pixels, along each axis
AT_ONCE = 1000  # images; it bounds the memory


def oriented_gradients(images: Tensor) -> Tensor:
    """Histograms of oriented gradients (Dalal and Triggs 2005, CVPR, section 6), one for each cell of an image.

    A gradient, by central differences, counts for the two orientations next to its own, in proportion to its length;
    opposite ones are the same, so it does not matter which side of an edge is the brighter one. The histograms of an
    image have unit length together, in place of overlapping blocks. Of each number the root is then taken, so that a
    strong edge does not outweigh the others (as Arandjelović and Zisserman 2012, CVPR, section 3, who make the sum 1).

    Args:
        images: shape (n, channels, height, width), on any scale.

    Returns:
        Shape (n, channels * ORIENTATIONS * cells), from 0 to 1; zeros for an image without any gradient.
    """
    return torch.cat([_histograms(part) for part in images.split(AT_ONCE)])


class OrientedGradients(nn.Module):
    """`oriented_gradients` as a layer that has nothing to learn.

    Maps images to one pixel with a channel for each feature, (n, features, 1, 1), and leaves such pixels as they are,
    so that features which don't change can be computed once, before training.
    """

    def forward(self, images: Tensor) -> Tensor:
        return images if images.shape[-1] == 1 else oriented_gradients(images)[:, :, None, None]


def _histograms(images: Tensor) -> Tensor:
    n, _, height, width = images.shape
    padded = F.pad(images.float(), (1, 1, 1, 1), mode="replicate").flatten(0, 1)
    right = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    place = torch.atan2(down, right) % torch.pi * (ORIENTATIONS / torch.pi)
    below = place.floor()
    share, length = place - below, torch.hypot(right, down)
    first = below.long() % ORIENTATIONS  # rounding can give an angle of just under π the next place
    counts = torch.zeros(len(padded), ORIENTATIONS, height, width, device=images.device)
    counts.scatter_add_(1, first[:, None], (length * (1 - share))[:, None])
    counts.scatter_add_(1, ((first + 1) % ORIENTATIONS)[:, None], (length * share)[:, None])
    cells = F.avg_pool2d(counts, CELL_SIDE, ceil_mode=True)
    per_image = images.shape[1] * cells.shape[1:].numel()  # which -1 can't tell where there are no images
    return F.normalize(cells.reshape(n, per_image)).sqrt()
