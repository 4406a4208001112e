"""One training loop, over tensors that are in memory already."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from labelnoise.errors import InputError
from labelnoise.losses import Batch
from labelnoise.training._augmentation import shifted_and_flipped
from labelnoise.training._networks import seeded
from labelnoise.training._optimizers import optimizer
from labelnoise.training._precision import autocast
from labelnoise.training._settings import PEAKS, Settings
from labelnoise.training._splits import Split

EVALUATION_BATCH = 256  # images; it changes speed and memory only


@dataclass(frozen=True)
class Epoch:
    """What is measured after one pass over the training images. Losses are in nats."""

    noisy_train_loss: float  # mean of the training loss over the pass
    noisy_validation_loss: float
    noisy_validation_accuracy: float
    clean_test_accuracy: float
    memorised: float  # share of the flipped training labels that the network predicts as they stand


@dataclass(frozen=True)
class Fit:
    """A finished training: the network, with averaged weights if the settings say so, after its last and best epoch."""

    model: nn.Module  # after the last epoch
    best_model: nn.Module  # after the epoch with the lowest noisy validation loss
    best_epoch: int  # its index, from 0
    best_loss: nn.Module  # as after that epoch, where it learns too
    history: tuple[Epoch, ...]


@torch.no_grad()
def predict_logits(model: nn.Module, images: Tensor, precision: str = "float32") -> Tensor:
    """Logits of shape (n, n_classes), float32, in evaluation mode, for images of shape (n, c, h, w).

    Products are computed in what `effective` makes of `precision` here.
    """
    training = model.training
    model.eval()
    with autocast(precision, images.device.type):
        logits = torch.cat([model(batch).float() for batch in images.split(EVALUATION_BATCH)])
    model.train(training)
    return logits


def predict_probs(model: nn.Module, images: Tensor, precision: str = "float32") -> NDArray[np.float64]:
    """Softmax of the logits: shape (n, n_classes), float64, rows sum to 1."""
    return predict_logits(model, images, precision).double().softmax(dim=1).cpu().numpy()


def predict_features(model: nn.Module, images: Tensor) -> NDArray[np.float32]:
    """What the last layer of a network of the book reads: shape (n, units), float32, in evaluation mode."""
    assert isinstance(model.features, nn.Module)
    assert isinstance(model.classifier, nn.Sequential)
    headless = nn.Sequential(model.features, nn.Flatten(), *list(model.classifier)[:-1])
    return predict_logits(headless.train(model.training), images).cpu().numpy()


class _Steps:
    """Takes one step after another: by the optimizer, on its schedule, into the average of the weights."""

    def __init__(self, model: nn.Module, loss: nn.Module, settings: Settings, n_steps: int) -> None:
        self._model, self._settings, self._n_steps, self._done = model, settings, n_steps, 0
        self._on_batch = getattr(
            loss, "on_batch", lambda predict, batch: loss(predict(batch.images), batch.noisy_labels)
        )
        self._optimizer = optimizer(model, loss, settings)
        self._schedule, self._average = None, None
        if settings.schedule in PEAKS and n_steps > 2:  # fewer have no way up
            peaks = [group["lr"] for group in self._optimizer.param_groups]
            self._schedule = torch.optim.lr_scheduler.OneCycleLR(
                self._optimizer, peaks, total_steps=n_steps, pct_start=PEAKS[settings.schedule]
            )
        if settings.averaging:
            kept = get_ema_multi_avg_fn(settings.averaging)
            self._average = AveragedModel(model, multi_avg_fn=kept, use_buffers=True)

    @property
    def shown(self) -> nn.Module:
        """The network with averaged weights, if the settings say so."""
        return self._average.module if self._average else self._model

    def _predict(self, images: Tensor) -> Tensor:
        with autocast(self._settings.precision, images.device.type):
            return self._model(images).float()

    def take(self, images: Tensor, noisy_labels: Tensor, rows: Tensor) -> Tensor:
        """Learn from one batch, and return its mean loss."""
        value: Tensor = self._on_batch(self._predict, Batch(images, noisy_labels, rows, self._done / self._n_steps))
        self._optimizer.zero_grad()
        value.backward()
        self._optimizer.step()
        if self._schedule:
            self._schedule.step()
        if self._average:
            self._average.update_parameters(self._model)
        self._done += 1
        return value.detach()


def _pass_over(train: Split, steps: _Steps, settings: Settings, order: torch.Generator) -> float:
    """Learn from every image once, in a new order, and return the mean loss."""
    n, device = len(train.images), train.images.device
    shuffled = torch.randperm(n, generator=order).to(device)
    images = train.images[shuffled].contiguous(memory_format=torch.channels_last)
    total = torch.zeros((), device=device)
    parts = (each.split(settings.batch_size) for each in (images, train.noisy_labels[shuffled], shuffled))
    for x, y, rows in zip(*parts, strict=True):
        x = shifted_and_flipped(x, order) if settings.augmentation else x
        total += steps.take(x, y, rows) * len(x)
    return total.item() / n


def _measured(
    shown: nn.Module, loss: nn.Module, train_loss: float, validation: Split, test: Split, flipped: Split, precision: str
) -> Epoch:
    held_out = predict_logits(shown, validation.images, precision)
    with torch.no_grad():
        validation_loss = loss(held_out, validation.noisy_labels).item()

    def share(logits: Tensor, labels: Tensor) -> float:
        return (logits.argmax(1) == labels).double().mean().item()

    def share_of(images: Tensor, labels: Tensor) -> float:
        # Not every network takes no images.
        return share(predict_logits(shown, images, precision), labels) if len(labels) else 0.0

    return Epoch(
        noisy_train_loss=train_loss,
        noisy_validation_loss=validation_loss,
        noisy_validation_accuracy=share(held_out, validation.noisy_labels) if len(held_out) else 0.0,
        clean_test_accuracy=share_of(test.images, test.clean_labels),
        memorised=share_of(flipped.images, flipped.noisy_labels),
    )


def fit(
    model: nn.Module,
    loss: nn.Module,
    train: Split,
    validation: Split,
    test: Split,
    settings: Settings,
    *,
    seed: int,
    memorised_sample: int = 2000,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> Fit:
    """Train `model` in place on the noisy labels of `train`.

    The clean labels of `train` and `test` are measured against and choose nothing: the best epoch
    is the one with the lowest validation loss on noisy labels.

    Args:
        model: maps images to logits of shape (n, n_classes); on the device of the images.
        loss: maps logits and noisy labels to a mean loss; one with ``on_batch`` learns by that
            (see `labelnoise.losses`). Parameters of its own are learned with the network, at
            `relative_rate` times its rate if the loss has that.
        train, validation, test: the three splits.
        settings: how to train, with products in what `effective` makes of its precision here.
        seed: gives the order of the images and the dropout.
        after_epoch: called with the network after each epoch; it may look, not change.
        memorised_sample: how many flipped training labels the memorised share is measured on.

    Raises:
        InputError: the training split is empty.
    """
    if len(train.images) == 0:
        raise InputError("There are no training images; pass at least one.")
    model.to(memory_format=torch.channels_last)
    steps = _Steps(model, loss, settings, settings.epochs * -(-len(train.images) // settings.batch_size))
    order = torch.Generator().manual_seed(seed)
    flipped = train[(train.noisy_labels != train.clean_labels).nonzero().squeeze(1)[:memorised_sample]]
    history: list[Epoch] = []
    best_epoch, best_model, best_loss = 0, model, loss
    with seeded(seed):
        for epoch in range(settings.epochs):
            model.train()
            loss.train()
            train_loss = _pass_over(train, steps, settings, order)
            loss.eval()
            history.append(_measured(steps.shown, loss, train_loss, validation, test, flipped, settings.precision))
            if after_epoch:
                after_epoch(steps.shown)
            lowest = history[best_epoch].noisy_validation_loss
            if epoch == 0 or history[-1].noisy_validation_loss < lowest:  # the first one counts even if it is NaN
                best_epoch, best_model, best_loss = epoch, copy.deepcopy(steps.shown), copy.deepcopy(loss)
    return Fit(steps.shown, best_model, best_epoch, best_loss, tuple(history))


def as_columns(history: tuple[Epoch, ...]) -> dict[str, list[float]]:
    """The history by measurement: name to one value per epoch."""
    return {f.name: [getattr(epoch, f.name) for epoch in history] for f in dataclasses.fields(Epoch)}
