"""Two layers that PyTorch's own are slow at on a CPU and small images, with the same outputs and gradients.

The chapter on performance says what they gain. On other devices they are PyTorch's own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return F.conv2d(images, weight, bias, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images, weight = ctx.saved_tensors
        n, channels, height, width = images.shape
        of_images = conv2d_input(images.shape, weight, gradient, padding=1)
        windows = F.pad(images, (1, 1, 1, 1)).permute(0, 2, 3, 1).unfold(1, 3, 1).unfold(2, 3, 1)
        columns = windows.permute(0, 1, 2, 4, 5, 3).reshape(n * height * width, 9 * channels)
        of_outputs = gradient.permute(0, 2, 3, 1).reshape(n * height * width, -1)
        of_weight = (of_outputs.T @ columns).view(-1, 3, 3, channels).permute(0, 3, 1, 2)
        return of_images, of_weight, of_outputs.sum(dim=0)


class Conv3x3(nn.Conv2d):
    """``nn.Conv2d(in_channels, out_channels, 3, padding=1)``.

    On maps of a few pixels a bfloat16 step spends most of its time on the gradient of the weights;
    here that is one matrix product over all 3 x 3 windows.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        assert self.bias is not None
        if images.device.type != "cpu":
            return super().forward(images)
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        output: Tensor = _Convolve.apply(images.to(kind), self.weight.to(kind), self.bias.to(kind))
        return output


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        n, channels, height, width = images.shape
        rows = images.permute(0, 2, 3, 1).reshape(n, height // 2, 2, width * channels)
        upper, lower = rows.unbind(2)
        left, right = torch.maximum(upper, lower).view(n, height // 2, width // 2, 2, channels).unbind(3)
        ctx.save_for_backward(upper >= lower, left >= right)
        return torch.maximum(left, right).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        from_upper, from_left = ctx.saved_tensors
        gradient = gradient.permute(0, 2, 3, 1)
        left = gradient * from_left
        of_rows = torch.stack((left, gradient - left), dim=3).view(from_upper.shape)
        upper = of_rows * from_upper
        n, half_height, half_width, channels = from_left.shape
        of_images = torch.stack((upper, of_rows - upper), dim=2)
        return of_images.view(n, 2 * half_height, 2 * half_width, channels).permute(0, 3, 1, 2)


class MaxPool2x2(nn.MaxPool2d):
    """``nn.MaxPool2d(2)``, for maps with fewer channels than a vector register has places.

    The maximum of two neighbouring rows, then of two neighbouring columns. Of equal pixels in a
    window, only one gets the gradient, as in PyTorch, but it may be another one.
    """

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, images: Tensor) -> Tensor:
        if images.device.type != "cpu" or images.shape[2] % 2 or images.shape[3] % 2:
            return super().forward(images)
        output: Tensor = _Pool.apply(images)
        return output
