"""Every loss on logits of half precision, and where numbers are extreme."""

import contextlib
import inspect

import numpy as np
import pytest
import torch

import labelnoise.losses
from labelnoise.errors import InputError
from labelnoise.losses import (
    Backward,
    Batch,
    CoTeaching,
    Mixup,
    Resampled,
    Revised,
    Reweighted,
)

T = np.array([[0.7, 0.2, 0.1], [0.0, 0.6, 0.4], [0.15, 0.05, 0.8]])
SWAPPED = np.array([[0.0, 1.0], [1.0, 0.0]])
N = 12
GIVEN = {"transition_matrix": T, "n_samples": N, "n_classes": 3, "soft_labels": np.full((N, 3), 1 / 3)}
PUBLIC = [getattr(labelnoise.losses, name) for name in labelnoise.losses.__all__]
LOSSES = [each for each in PUBLIC if isinstance(each, type) and issubclass(each, torch.nn.Module)]


def make(loss):
    """A loss of the class, with what it is given by name and its own options at their defaults."""
    return loss(**{name: GIVEN[name] for name in inspect.signature(loss).parameters if name in GIVEN})


def drawn(gap, dtype):
    """Logits, (N, 3), of which each row has a class that leads by the gap, exact in both half precisions."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (N,), generator=generator)
    logits = torch.zeros(N, 3)
    logits[torch.arange(N), torch.randint(3, (N,), generator=generator)] = gap
    return logits.to(dtype).requires_grad_(), labels


def values(loss, logits, labels):
    """The loss in train and in eval mode, and two batches in turn of a loss that has them."""
    yield loss.train()(logits, labels)
    yield loss.eval()(logits, labels)
    if hasattr(loss, "on_batch"):
        pair = isinstance(loss, CoTeaching)
        for progress in (0.5, 0.75):
            batch = Batch(logits, labels, torch.arange(N), progress)
            predict = (lambda images: torch.stack([images, images.flip(1)])) if pair else lambda images: images
            yield loss.train().on_batch(predict, batch)


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("autocast", [False, True], ids=["plain", "autocast"])
def test_logits_of_half_precision_have_the_loss_and_gradient_of_the_same_in_float32(kind, dtype, autocast):
    for gap in (0.0, 1.0, 7.0, 12.0, 30.0, 100.0):
        found = []
        for precision in (torch.float32, dtype):
            logits, labels = drawn(gap, precision)
            inside = autocast and precision == dtype
            context = torch.autocast("cpu", dtype=dtype) if inside else contextlib.nullcontext()
            with torch.random.fork_rng(), context:
                torch.manual_seed(0)
                loss = make(kind)
                results = []
                for value in values(loss, logits, labels):
                    assert value.dtype == torch.float32
                    inputs = [logits, *loss.parameters()]
                    gradients = torch.autograd.grad(value, inputs, allow_unused=True, retain_graph=True)
                    results.append([value.detach(), *(each.float() for each in gradients if each is not None)])
            found.append(results)
        # Mixup mixes what it is given, here the logits, in their own precision.
        rounding = torch.finfo(dtype).eps
        rtol, atol = (1e-5, 1e-5) if kind is not Mixup else (4 * rounding, 4 * rounding)
        for (expected, *slopes), (value, *others) in zip(*found, strict=True):
            assert value.isfinite()
            torch.testing.assert_close(value, expected, rtol=rtol, atol=atol)
            for slope, other in zip(slopes, others, strict=True):
                assert other.isfinite().all()
                torch.testing.assert_close(other, slope, rtol=rtol + rounding, atol=atol + rounding * slope.abs().max())


@pytest.mark.parametrize("difference", [0.3, 1e-3, 1e-5, 3e-8])
def test_the_inverse_of_a_nearly_singular_matrix_is_that_of_the_matrix_as_given(difference):
    matrix = np.array([[0.5 + difference, 0.5 - difference], [0.5 - difference, 0.5 + difference]])
    # Its inverse is known: half the sum of the all-ones matrix and of one with +-1, over twice the difference.
    exact = 0.5 + np.array([[1, -1], [-1, 1]]) / (4 * difference)
    inverse = Backward(matrix).inverse.double().numpy()
    np.testing.assert_allclose(inverse, exact, rtol=1.2e-7)
    assert np.abs(inverse @ matrix - np.eye(2)).max() < (1e-6 if difference > 1e-4 else 1e-2)


@pytest.mark.parametrize("difference", [0.0, 1e-17, 1e-12, 1e-10, 1e-8])
def test_a_matrix_whose_inverse_float32_can_not_hold_is_refused(difference):
    matrix = [[0.5 + difference, 0.5 - difference], [0.5 - difference, 0.5 + difference]]
    with pytest.raises(InputError, match="Backward correction needs an invertible transition matrix"):
        Backward(matrix)


@pytest.mark.parametrize("kind", [Reweighted, Resampled, Revised])
@pytest.mark.parametrize("training", [True, False])
def test_a_class_whose_label_is_never_kept_has_a_bounded_weight(kind, training):
    for logits in ([[200.0, -200.0]], [[-200.0, 200.0]], [[200.0, -200.0], [0.0, 1.0]]):
        for label in (0, 1):
            z = torch.tensor(logits, requires_grad=True)
            loss = kind(SWAPPED).train(training)
            value = loss(z, torch.full((len(logits),), label))
            value.backward()
            assert value.isfinite()
            assert all(each.grad.isfinite().all() for each in (z, *loss.parameters()) if each.grad is not None)


def test_a_weight_of_reweighting_is_at_most_what_the_type_of_the_logits_holds():
    # Found by 2,000 examples: the gradient for a logit in half precision was infinite.
    for dtype, most in ((torch.float16, 65504.0), (torch.bfloat16, 1e8), (torch.float32, 1e8)):
        z = torch.tensor([[0.0, 40.0]], dtype=dtype, requires_grad=True)
        loss = Reweighted([[0.0, 1.0], [1.0, 0.0]])
        weight = loss.weights(z, torch.tensor([1]))
        torch.testing.assert_close(weight, torch.tensor([most]), rtol=1e-5, atol=0)
        loss(z, torch.tensor([1])).backward()
        assert z.grad.isfinite().all()


def test_a_matrix_of_which_two_rows_alone_are_too_alike_is_refused():
    near = 1e-8
    with pytest.raises(InputError, match="Backward correction needs an invertible transition matrix"):
        Backward([[0.5 + near, 0.5 - near, 0], [0.5 - near, 0.5 + near, 0], [0, 0, 1]])
