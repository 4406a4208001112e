"""The trainings on one user's set, each a task that runs beside others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from labelnoise.estimators import Floats, confident_learning
from labelnoise.own._choice import Shown
from labelnoise.own._graph import soft_labels
from labelnoise.own._settings import OwnSettings
from labelnoise.own._workers import Images, Later, Submit
from labelnoise.training import (
    METHODS,
    Alternation,
    Fit,
    Fold,
    Settings,
    alternate,
    method,
    predict_probs,
    rounds,
    train_by,
)
from labelnoise.transitions import Matrix

FOLDS = METHODS["alternating"].folds
Make = Callable[[int], nn.Module]  # a network with fresh weights by a number


@dataclass(frozen=True)
class _Task:
    """One training by a method."""

    method: str
    networks: Sequence[nn.Module]
    matrix: Matrix | None
    settings: Settings
    n_classes: int
    seed: int
    soft_labels: Floats | None = None
    warm: dict[str, torch.Tensor] | None = None

    def __call__(self, images: Images, after_epoch: Callable[[nn.Module], None], *, refit: bool = False) -> Fit:
        splits = images.splits
        soft = self.soft_labels if self.soft_labels is None or refit else self.soft_labels[: images.n_learned]
        done = train_by(
            self.method, self.networks, splits, self.matrix, self.settings, n_classes=self.n_classes, seed=self.seed,
            graph_seed=self.seed, warm=self.warm, soft_labels=soft, refit=refit, after_epoch=after_epoch,
        )  # fmt: skip
        assert isinstance(done, Fit)  # as the method has no folds
        return done


def _trained_on_all(images: Images, after_epoch: Callable[[nn.Module], None], task: _Task, epochs: int) -> nn.Module:
    """The network after so many epochs of a training on all noisy images; the rest of the training is left out."""
    kept: list[nn.Module] = []

    def keep(shown: nn.Module) -> None:
        after_epoch(shown)
        kept.append(copy.deepcopy(shown) if len(kept) == epochs - 1 else shown)

    task(images, keep, refit=True)
    return kept[epochs - 1]


def _in_a_fold(images: Images, after_epoch: Callable[[nn.Module], None], fold: Fold) -> Fit:
    return fold.fit(images.noisy, images.nothing, after_epoch)


@dataclass(frozen=True)
class Trainings:
    """What all trainings on one set share."""

    images: Images
    make: Make
    settings: OwnSettings
    n_classes: int
    seed: int
    device: str
    submit: Submit

    def fit(self, name: str, how: Settings, **needs: Any) -> Later:
        """By a method, on the images that are learned from: a `Fit`."""
        return self.submit(self._task(name, how, **needs))

    def on_all(self, taken: Shown, **needs: Any) -> nn.Module:
        """The network that is handed over, by the method and up to the epoch that were taken."""
        task = self._task(taken.method, self.settings.modern, **needs)
        return self.submit(_trained_on_all, task, taken.epoch + 1).result()

    def alternation(self, plain: Fit) -> Alternation:
        """T by `alternate`, which starts from confident learning on a plain fit."""
        noisy = self.images.noisy
        start = confident_learning(predict_probs(plain.best_model, noisy.images), noisy.noisy_labels.cpu().numpy())
        return alternate(
            [self.make(1 + fold).to(self.device) for fold in range(FOLDS)], noisy, self.images.nothing, start,
            rounds(self.settings.plain), seed=self.seed,
            run=lambda folds: [done.result() for done in [self.submit(_in_a_fold, fold) for fold in folds]],
        )  # fmt: skip

    def needs(self, name: str, matrix: Matrix, plain: Later, smooth: Later | None) -> dict[str, Any]:
        """What a method takes beside images and labels, as `_Task` names it."""
        recipe = method(name)
        found: dict[str, Any] = {"matrix": matrix} if recipe.needs_transition else {}
        if recipe.warm_start:
            found["warm"] = plain.result().best_model.state_dict()
        if recipe.needs_soft_labels:
            assert smooth is not None
            told = (smooth.result(), found.get("matrix"), self.n_classes, self.seed)
            found["soft_labels"] = self.submit(soft_labels, *told).result()
        return found

    def _task(self, name: str, how: Settings, matrix: Matrix | None = None, **needs: Any) -> _Task:
        # The networks of the folds have the numbers between those of a pair.
        networks = [self.make(FOLDS + k if k else 0).to(self.device) for k in range(method(name).n_networks)]
        return _Task(name, networks, matrix, how, self.n_classes, self.seed, **needs)
