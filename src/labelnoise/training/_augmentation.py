"""Random changes of images that leave their class as it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST_SHIFT = 2  # pixels, along each axis


def shifted_and_flipped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `LARGEST_SHIFT` pixels along each axis, half of them mirrored left to right.

    What comes in at the edges repeats the outermost pixels.

    Args:
        images: shape (n, channels, height, width).
        generator: draws a shift and a side for each image, on the CPU.

    Returns:
        A new tensor of the same shape and memory layout.
    """
    n, _, height, width = images.shape
    reach = 2 * LARGEST_SHIFT + 1
    down, right = torch.randint(reach, (2, n, 1), generator=generator).to(images.device)
    mirrored = (torch.rand(n, 1, generator=generator) < 0.5).to(images.device)
    rows = down + torch.arange(height, device=images.device)  # (n, height)
    columns = right + torch.arange(width, device=images.device)
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, (LARGEST_SHIFT,) * 4, mode="replicate").permute(0, 2, 3, 1)
    every = torch.arange(n, device=images.device)
    changed = padded[every[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return changed.contiguous(memory_format=torch.channels_last)
