"""The trainings on one user's set, each a task that runs beside others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import nn

from labelnoise._threads import one_thread
from labelnoise.errors import MismatchError
from labelnoise.estimators import Floats, clean_posterior, confident_learning
from labelnoise.noise import derive_seed
from labelnoise.own._choice import Shown
from labelnoise.own._methods import OwnSettings
from labelnoise.own._network import Make
from labelnoise.own._workers import Images, Later, Submit
from labelnoise.training import (
    METHODS,
    Alternation,
    Fit,
    Fold,
    Settings,
    Smooth,
    alternate,
    method,
    oriented_gradients,
    predict_probs,
    rounds,
    smooth_functions,
    smooth_probs,
    train_by,
)
from labelnoise.transitions import Matrix

FOLDS = METHODS["alternating"].folds
MOST_LABELS = 10_000  # from which the probabilities are read; more change them little
LARGEST_SIDE = 32  # pixels, along each axis, in which outlines are compared


def graph_of(images: Images, _: Callable[[nn.Module], None], seed: int) -> Smooth:
    """The smoothest functions on the graph of all images by their outlines (see `smooth_functions`)."""
    pixels = images.noisy.images
    if pixels.shape[2] > LARGEST_SIDE:
        pixels = F.adaptive_avg_pool2d(pixels, LARGEST_SIDE)
    with one_thread():
        return smooth_functions(oriented_gradients(pixels).cpu().numpy(), seed=seed)


def soft_labels(
    images: Images, _: Callable[[nn.Module], None], smooth: Smooth, matrix: Matrix | None, n_classes: int, seed: int
) -> Floats:
    """P(clean | x, noisy) of all images, shape (n, n_classes); without T, P(noisy | x) as `by_graph` has it.

    P(clean | x) is read from the labels that are learned from, or from `MOST_LABELS` of them; that of another image
    has no label in it but its own.
    """
    labels = images.noisy.noisy_labels.cpu().numpy()
    generator = np.random.default_rng(derive_seed("own graph", seed))
    rows = np.sort(generator.permutation(images.n_learned)[:MOST_LABELS])
    with one_thread():
        probs = smooth_probs(smooth, rows, labels[rows], np.eye(n_classes) if matrix is None else matrix)
    return probs if matrix is None else clean_posterior(probs, labels, matrix)


def _fitted(images: Images, after_epoch: Callable[[nn.Module], None], training: Callable[..., Any]) -> Fit:
    return training(splits=images.splits, after_epoch=after_epoch)


def _trained_on_all(
    images: Images, after_epoch: Callable[[nn.Module], None], training: Callable[..., Any], epochs: int
) -> nn.Module:
    """The network after so many epochs of a training on all noisy images; the rest of the training is left out."""
    kept: list[nn.Module] = []

    def keep(shown: nn.Module) -> None:
        after_epoch(shown)
        kept.append(copy.deepcopy(shown) if len(kept) == epochs - 1 else shown)

    training(splits=images.splits, after_epoch=keep, refit=True)
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

    def fit(self, name: str, how: Settings, soft_labels: Floats | None = None, **needs: Any) -> Later:
        """By a method, on the images that are learned from: a `Fit`."""
        learned = None if soft_labels is None else soft_labels[: self.images.n_learned]
        return self.submit(_fitted, self._training(name, how, soft_labels=learned, **needs))

    def on_all(self, taken: Shown, **needs: Any) -> nn.Module:
        """The network that is handed over, by the method and up to the epoch that were taken."""
        training = self._training(taken.method, self.settings.modern, **needs)
        return self.submit(_trained_on_all, training, taken.epoch + 1)()

    def alternation(self, plain: Fit) -> Alternation:
        """T by `alternate`, which starts from confident learning on a plain fit."""
        noisy = self.images.noisy
        probs = predict_probs(plain.best_model, noisy.images)
        if not np.isfinite(probs).all():
            raise MismatchError("It gives logits that are not finite; scale its layers, or use another network.")
        start = confident_learning(probs, noisy.noisy_labels.cpu().numpy())
        return alternate(
            [self.make(1 + fold).to(self.device) for fold in range(FOLDS)], noisy, self.images.nothing, start,
            rounds(self.settings.plain), seed=self.seed,
            run=lambda folds: [done() for done in [self.submit(_in_a_fold, fold) for fold in folds]],
        )  # fmt: skip

    def needs(self, name: str, matrix: Matrix, plain: Later, smooth: Later | None) -> dict[str, Any]:
        """What a method takes beside images and labels, as `train_by` names it."""
        recipe = method(name)
        found: dict[str, Any] = {"matrix": matrix} if recipe.needs_transition else {}
        if recipe.warm_start:
            found["warm"] = plain().best_model.state_dict()
        if recipe.needs_soft_labels:
            assert smooth is not None
            told = (smooth(), found.get("matrix"), self.n_classes, self.seed)
            found["soft_labels"] = self.submit(soft_labels, *told)()
        return found

    def _training(self, name: str, how: Settings, matrix: Matrix | None = None, **needs: Any) -> Callable[..., Any]:
        """`train_by` with all but the images."""
        # The networks of the folds have the numbers between those of a pair.
        networks = [self.make(FOLDS + k if k else 0).to(self.device) for k in range(method(name).n_networks)]
        needs |= {"n_classes": self.n_classes, "seed": self.seed, "graph_seed": self.seed}
        return partial(train_by, name, networks, matrix=matrix, settings=how, **needs)
