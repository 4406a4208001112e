"""Losses that resist noise without correcting by T, each an ``nn.Module``.

Called as they stand, they map logits of shape (n, n_classes) and noisy labels of shape (n,) to
their mean loss, like those that correct by T. The last three need more than that to learn
from: a training loop calls their ``on_batch`` (see `labelnoise.losses.Batch`), and what they are
called with as they stand is plain cross-entropy, to validate by.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelnoise._checks import check_number, check_size, check_whole
from labelnoise.losses._corrected import Batch, CrossEntropy, checked, widened
from labelnoise.transitions import check_n_classes

LEAST_POWER = 1e-20  # to float32 cross-entropy itself; far smaller ones it takes for 0
Predict = Callable[[Tensor], Tensor]  # images to logits, in training mode


def _positive(name: str, value: float) -> float:
    return check_number(value, f"{name} must be a number above 0 and finite", lambda number: number > 0)


def _share(name: str, value: float) -> float:
    return check_number(value, f"{name} must be a number above 0 up to 1", lambda number: 0 < number <= 1)


class GeneralisedCrossEntropy(nn.Module):
    """``(1 - q[noisy] ** power) / power``, between cross-entropy (power to 0) and the absolute error (1).

    Zhang and Sabuncu 2018 (arXiv:1805.07836, equation 6): its gradient is cross-entropy's times
    ``q[noisy] ** power``, so labels that the network doubts weigh less.

    Args:
        power: above 0 and up to 1; 0.7 in the paper.

    Raises:
        InputError: a power outside that range.

    >>> GeneralisedCrossEntropy(power=1.0)(torch.zeros(1, 4), torch.tensor([0])).item()  # 1 - 1 / 4
    0.75
    """

    def __init__(self, power: float = 0.7) -> None:
        super().__init__()
        self.power = max(_share("power", power), LEAST_POWER)

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        log_likelihood = -F.cross_entropy(widened(logits), checked(noisy_labels, logits), reduction="none")
        # expm1, as the difference from 1 is lost to rounding where the power is small.
        return -torch.expm1(self.power * log_likelihood).mean() / self.power


class SymmetricCrossEntropy(nn.Module):
    """``alpha * -log q[noisy] + beta * -log_of_zero * (1 - q[noisy])``: cross-entropy and its reverse.

    Wang et al. 2019 (arXiv:1908.06112, equations 6 and 7): the reverse, the cross-entropy of the
    label relative to q, needs the logarithm of 0, which the paper sets to -4; what is left is four times
    one minus the likelihood, which bounds what a wrong label can do.

    The public codes, the authors' own among them, clip the label at 1e-4 in place of that, so that the logarithm
    is -9.21, which is ``math.log(1e-4)`` for `log_of_zero`. With -4 their beta of 1 is a beta of 2.3: 0.1 and 1 do not
    repeat what they ran, 0.1 and 2.3 do.

    Args:
        alpha, beta: above 0; 0.1 and 1 in the paper for CIFAR-10, with alpha the one to tune.
        log_of_zero: below 0.

    Raises:
        InputError: a weight that is not positive, or a logarithm that is not negative.

    >>> loss = SymmetricCrossEntropy(alpha=1.0, beta=1.0)
    >>> round(loss(torch.zeros(1, 2), torch.tensor([0])).item(), 3)  # log 2 + 4 / 2
    2.693
    """

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, log_of_zero: float = -4.0) -> None:
        super().__init__()
        self.alpha, self.beta = _positive("alpha", alpha), _positive("beta", beta)
        message = "log_of_zero must be a number below 0 and finite"
        self.log_of_zero = check_number(log_of_zero, message, lambda number: number < 0)

    def forward(self, logits: Tensor, noisy_labels: Tensor) -> Tensor:
        losses = F.cross_entropy(widened(logits), checked(noisy_labels, logits), reduction="none")
        reverse = self.log_of_zero * torch.expm1(-losses)
        return (self.alpha * losses + self.beta * reverse).mean()


class EarlyLearning(CrossEntropy):
    """Early-learning regularisation: cross-entropy plus ``weight * log(1 - q . t)``, t being the running mean of q.

    Liu et al. 2020 (arXiv:2007.00151, equations 6 and 9): each training image keeps a mean of what
    the network said of it, ``t = memory * t + (1 - memory) * q``. The term pulls q there, and so
    to what was learnt early, before labels were memorised.

    Args:
        n_samples: the number of training images.
        n_classes: the number of classes.
        weight: above 0; 3 in the paper for CIFAR-10.
        memory: above 0 and up to 1; 0.7 in the paper.

    Raises:
        InputError: an argument outside its range, or more samples than there is memory for.

    >>> loss = EarlyLearning(n_samples=2, n_classes=2)
    >>> batch = Batch(torch.zeros(1, 1, 28, 28), noisy_labels=torch.tensor([0]), rows=torch.tensor([1]), progress=0.0)
    >>> value = loss.on_batch(lambda images: torch.zeros(len(images), 2), batch)
    >>> loss.targets  # of the image in row 1 alone: 0.3 of what was said of it, which is 0.5
    tensor([[0.0000, 0.0000],
            [0.1500, 0.1500]])
    """

    targets: Tensor

    def __init__(self, n_samples: int, n_classes: int, weight: float = 3.0, memory: float = 0.7) -> None:
        super().__init__()
        self.weight, self.memory = _positive("weight", weight), _share("memory", memory)
        shape = check_whole(n_samples, "n_samples", 1), check_n_classes(n_classes)
        check_size(f"Targets for n_samples = {n_samples:,}", *shape)
        self.register_buffer("targets", torch.zeros(shape))

    def on_batch(self, predict: Predict, batch: Batch) -> Tensor:
        logits = predict(batch.images)
        # As in the paper's code: away from 0 and 1, where the logarithm below has no end.
        q = widened(logits).softmax(dim=1).clamp(1e-4, 1 - 1e-4)
        said = q.detach() / q.detach().sum(dim=1, keepdim=True)
        targets = self.memory * self.targets[batch.rows] + (1 - self.memory) * said
        self.targets[batch.rows] = targets.to(self.targets.dtype)
        agreement = (q * self.targets[batch.rows]).sum(dim=1)
        return self(logits, batch.noisy_labels) + self.weight * (1 - agreement).log().mean()


class Mixup(CrossEntropy):
    """Cross-entropy on mixed pairs of images, weighed between both labels as the images are mixed.

    Zhang et al. 2018 (arXiv:1710.09412, equation 1): the share of the first image is drawn from
    Beta(alpha, alpha), once per batch. It draws from torch's default generator.

    Args:
        alpha: from 1e-6 to 1e6; 0.1 to 0.4 in the paper for clean labels, up to 32 for noisy ones.

    Raises:
        InputError: an alpha outside that range, beyond which torch's draws are not those of Beta.

    >>> images = torch.tensor([[9.0, 0.0], [0.0, 9.0]])  # and logits at once, of a network that changes nothing
    >>> batch = Batch(images, noisy_labels=torch.tensor([0, 1]), rows=torch.arange(2), progress=0.0)
    >>> round(Mixup(alpha=1e6).on_batch(torch.nn.Identity(), batch).item(), 2)  # about half of each image: log 2
    0.69
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        rule = "alpha must be a number from 1e-6 to 1e6"
        self.alpha = check_number(alpha, rule, lambda number: 1e-6 <= number <= 1e6)

    def on_batch(self, predict: Predict, batch: Batch) -> Tensor:
        share = torch.distributions.Beta(self.alpha, self.alpha).sample().item()
        # A batch is in random order, so an image and the next are a random pair.
        logits = predict(share * batch.images + (1 - share) * batch.images.roll(1, dims=0))
        labels = batch.noisy_labels
        return share * self(logits, labels) + (1 - share) * self(logits, labels.roll(1))


class CoTeaching(CrossEntropy):
    """Two networks that each learn from the images whose labels the other finds likeliest.

    Han et al. 2018 (arXiv:1804.06872, algorithm 1): in each batch either network learns from the
    share of images on which the other's loss is smallest. That share falls from 1 in a straight
    line to ``1 - forget``, which it reaches after the fraction `ramp` of the training. The number of
    images is rounded here, where the authors' code cuts it off.

    Its networks are those of a `labelnoise.training.Pair`, which gives the logits of both while it trains.

    Args:
        forget: the share of labels to leave out, above 0 and up to 1; in the paper the noise rate.
        ramp: above 0 and up to 1; in the paper 10 of 200 epochs.

    Raises:
        InputError: a share outside its range.

    >>> loss, both = CoTeaching(forget=0.5), torch.tensor([[[9.0, 0.0], [9.0, 0.0]]] * 2)  # logits of two networks
    >>> images, labels, rows = torch.zeros(2, 1, 28, 28), torch.tensor([0, 1]), torch.arange(2)
    >>> batches = [Batch(images, labels, rows, progress) for progress in (0.0, 0.9)]
    >>> [round(loss.on_batch(lambda images: both, batch).item(), 2) for batch in batches]  # at last without label 1
    [9.0, 0.0]
    """

    def __init__(self, forget: float = 0.2, ramp: float = 0.5) -> None:
        super().__init__()
        self.forget, self.ramp = _share("forget", forget), _share("ramp", ramp)

    def on_batch(self, predict: Predict, batch: Batch) -> Tensor:
        both = widened(predict(batch.images))  # (2, n, n_classes)
        labels = checked(batch.noisy_labels, both[0])
        losses = torch.stack([F.cross_entropy(logits, labels, reduction="none") for logits in both])
        left_out = self.forget * min(batch.progress / self.ramp, 1.0)
        kept = max(1, round((1 - left_out) * len(batch.images)))
        chosen = losses.detach().argsort(dim=1, stable=True)[:, :kept].flip(0)  # each by the other's losses
        return losses.gather(1, chosen).mean(dim=1).sum()
