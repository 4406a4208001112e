import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labelnoise.training import Conv3x3, MaxPool2x2


def gradients(layer, images, precision):
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
        output = layer(images)
    weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
    return [output, *torch.autograd.grad((output.float() * weights).sum(), [images, layer.weight, layer.bias])]


# bfloat16 keeps 8 bits, so a product is off by 2^-8 of its size, and a sum by that of its largest terms.
@pytest.mark.parametrize(("precision", "bits"), [(torch.float32, 18), (torch.bfloat16, 6)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_convolution_and_its_gradients_are_those_of_conv2d(precision, bits, layout, size):
    torch.manual_seed(0)
    ours, reference = Conv3x3(5, 7), nn.Conv2d(5, 7, 3, padding=1)
    reference.load_state_dict(ours.state_dict())
    images = torch.randn(4, 5, size, size).contiguous(memory_format=layout)
    for got, wanted in zip(
        gradients(ours, images, precision), gradients(reference, images, torch.float32), strict=True
    ):
        assert got.shape == wanted.shape
        assert (got.float() - wanted).abs().max() <= wanted.abs().max() * 2.0**-bits


def test_the_gradients_of_a_convolution_agree_with_finite_differences():
    torch.manual_seed(0)
    layer = Conv3x3(2, 3).double()
    images = torch.randn(2, 2, 3, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, images)
    assert torch.autograd.gradcheck(
        lambda weight, bias: torch.func.functional_call(layer, {"weight": weight, "bias": bias}, images),
        (layer.weight, layer.bias),
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 6, 28, 28), (2, 1, 2, 4), (2, 3, 5, 7)])
def test_pooling_and_its_gradient_are_those_of_max_pool2d(layout, shape):
    n = torch.Size(shape).numel()
    # All values differ, so that every window has one maximum.
    images = torch.randperm(n, generator=torch.Generator().manual_seed(0)).double().view(shape)
    images = images.contiguous(memory_format=layout).requires_grad_()
    wanted = F.max_pool2d(images, 2)
    weights = torch.linspace(1, 2, wanted.numel(), dtype=torch.double).view(wanted.shape)
    got = MaxPool2x2()(images)
    assert torch.equal(got, wanted)
    of_got, of_wanted = (torch.autograd.grad((output * weights).sum(), images)[0] for output in (got, wanted))
    assert torch.equal(of_got, of_wanted)


def test_of_equal_pixels_in_a_window_one_gets_the_gradient():
    images = torch.zeros(1, 1, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(MaxPool2x2()(images).sum(), images)
    windows = gradient.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
    assert (windows.sum(-1) == 1).all()
    assert ((windows == 0) | (windows == 1)).all()
