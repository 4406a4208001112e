"""A network and T by turns, each from the other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
import torch
from numpy.typing import NDArray
from torch import nn

from labelnoise.estimators import Floats, likelihood_deviation, maximum_likelihood, scaled, tempered_likelihood
from labelnoise.losses import Forward
from labelnoise.training._loop import Epoch, Fit, fit, predict_probs
from labelnoise.training._settings import Settings
from labelnoise.training._splits import Split
from labelnoise.transitions import Matrix

ROUNDS = (0.75, 0.375, 0.375)  # epochs of each round, as shares of the settings'


@dataclass(frozen=True)
class Fold:
    """One training of `cross_fit`, on all images but a fold.

    Attributes:
        network: trained in place.
        loss: as `cross_fit` takes it.
        learned, apart: rows of the images, shape (n,), to learn from and to choose the epoch by.
        settings: how to train.
        seed: gives the order of the images.
    """

    network: nn.Module
    loss: nn.Module
    learned: NDArray[np.int64]
    apart: NDArray[np.int64]
    settings: Settings
    seed: int

    def fit(self, noisy: Split, test: Split, after_epoch: Callable[[nn.Module], None] | None = None) -> Fit:
        """Train on some of `noisy`; the rest is as in `cross_fit`."""
        learned, apart = (noisy[torch.from_numpy(rows).to(noisy.images.device)] for rows in (self.learned, self.apart))
        return fit(
            self.network, self.loss, learned, apart, test, self.settings, seed=self.seed, after_epoch=after_epoch
        )


@dataclass(frozen=True)
class CrossFit:
    """Networks that each were trained without a fold of the images.

    Attributes:
        probs: what the network that did not see an image says of it, shape (n, n_classes).
        networks: after their best epoch, one per fold.
        history: the mean over the networks.
    """

    probs: NDArray[np.float64]
    networks: list[nn.Module]
    history: tuple[Epoch, ...]


@dataclass(frozen=True)
class Alternation:
    """What `alternate` found.

    Attributes:
        transition_matrix: T by what all rounds say together, shape (n_classes, n_classes).
        deviation: of each of its entries over draws of the examples, and from round to round for what another
            training would say, together; shape (n_classes, n_classes).
        probs: P(clean | x) that it is read from, shape (n, n_classes).
        matrices: T after each round alone, shape (n_rounds, n_classes, n_classes).
        fit: of the last round.
    """

    transition_matrix: Matrix
    deviation: Matrix
    probs: Floats
    matrices: Matrix
    fit: CrossFit


def cross_fit(
    networks: Sequence[nn.Module],
    loss: nn.Module,
    noisy: Split,
    test: Split,
    settings: Settings,
    *,
    fold_seed: int,
    seed: int,
    held_out: bool = True,
    after_epoch: Callable[[nn.Module], None] | None = None,
    run: Callable[[Sequence[Fold]], Sequence[Fit]] | None = None,
) -> CrossFit:
    """Train one network per fold, on the other folds, and have it predict the fold that it was held out from.

    The fold also chooses the best epoch, by its noisy labels: one of a few numbers, which tells
    next to nothing of any one label.

    Args:
        networks: one per fold, two or more; trained in place.
        loss: maps logits and noisy labels to a mean loss; without parameters, as the folds share it.
        noisy: the images and noisy labels to learn from; the clean labels are measured against.
        test: measured against.
        settings: how to train.
        fold_seed: gives the folds.
        seed: gives the order of the images.
        held_out: whether a fold is predicted by the network that was trained without it; else by the next network,
            which was trained on it, to see what that costs.
        after_epoch: as `fit` takes it.
        run: makes the fits, in their order, such as side by side; one after the other by default.
    """
    n = len(noisy.images)
    parts = np.array_split(np.random.default_rng(fold_seed).permutation(n), len(networks))
    probs: list[NDArray[np.float64]] = []
    loss = loss.to(noisy.images.device)
    tasks = [
        Fold(network, loss, np.concatenate([*parts[:k], *parts[k + 1 :]]), parts[k], settings, seed)
        for k, network in enumerate(networks)
    ]
    fits = run(tasks) if run else [task.fit(noisy, test, after_epoch) for task in tasks]
    models = [done.best_model for done in fits]
    for part, model in zip(parts, models if held_out else [*models[1:], models[0]], strict=True):
        probs.append(predict_probs(model, noisy.images[torch.from_numpy(part).to(noisy.images.device)]))
    back = np.argsort(np.concatenate(parts))
    history = tuple(Epoch(*np.mean([dataclasses.astuple(epoch) for epoch in epochs], axis=0).tolist())
                    for epochs in zip(*(done.history for done in fits), strict=True))  # fmt: skip
    return CrossFit(np.concatenate(probs)[back], models, history)


def alternate(
    networks: Sequence[nn.Module],
    noisy: Split,
    test: Split,
    start: Matrix,
    rounds: Sequence[Settings],
    *,
    seed: int,
    held_out: bool = True,
    tempered: bool = True,
    pooled: bool = True,
    after_epoch: Callable[[nn.Module], None] | None = None,
    run: Callable[[Sequence[Fold]], Sequence[Fit]] | None = None,
) -> Alternation:
    """Estimate T by training with forward correction and by maximum likelihood in turns.

    A network and T by maximum likelihood, each given the other, are Bekker and Goldberger 2016
    (doi:10.1109/icassp.2016.7472164). Near it are T as a layer that is learned with the network (Sukhbaatar et al.
    2014, arXiv:1406.2080) and as a softmax layer with the same likelihood (Goldberger and Ben-Reuven 2017). What is
    added here is that no network speaks of a label that it learned from, one temperature for what they say, T from all
    rounds together, and a deviation.

    Each round trains the networks further with forward correction by the current T (Patrini et
    al. 2017, arXiv:1609.03683), each without a fold of the images that it keeps from the first
    round to the last. On that fold it then says P(clean | x), and the next T is the one under
    which all noisy labels are most likely given these (`labelnoise.estimators.tempered_likelihood`).
    The T to be used is read from the geometric mean of what the rounds say.

    Networks that had seen the labels they speak of would take T for nearer to the identity than
    it is, and more so in each round. A round corrects a T that is too noisy, as counts give it: no
    network can reach what such a T asks for, and the likelihood says so. It can't correct one
    that is too clean, with which a less sure network explains the labels as well; so start from
    counts, and take few rounds.

    Args:
        networks: one per fold, two or more; trained in place in the first round.
        noisy: the images and noisy labels to learn from; the clean labels are measured against.
        test: measured against.
        start: T to start from, shape (n_classes, n_classes).
        rounds: how to train in each round.
        seed: gives the folds and the order of the images.
        held_out, tempered, pooled: False leaves one of these parts out, to see what it brings: networks speak of images
            that they were trained on (see `cross_fit`), there is no temperature, or the last round alone counts.
        after_epoch: as `fit` takes it.
        run: as `cross_fit` takes it.
    """

    def likeliest(probs: Floats) -> tuple[Matrix, float]:
        if tempered:
            return tempered_likelihood(probs, noisy_labels)
        return maximum_likelihood(probs, noisy_labels), 1.0

    noisy_labels = noisy.noisy_labels.cpu().numpy()
    matrix, matrices, logs = start, [], []
    for number, settings in enumerate(rounds):
        done = cross_fit(
            networks, Forward(matrix), noisy, test, settings,
            fold_seed=seed, seed=seed + number, held_out=held_out, after_epoch=after_epoch, run=run,
        )  # fmt: skip
        networks = done.networks
        matrix, _ = likeliest(done.probs)
        matrices.append(matrix)
        logs.append(np.log(np.maximum(done.probs, np.finfo(np.float32).tiny)))
    together = scipy.special.softmax(np.mean(logs if pooled else logs[-1:], axis=0), axis=1)
    matrix, temperature = likeliest(together)
    probs = scaled(together, temperature)
    of_examples = likelihood_deviation(probs, noisy_labels, matrix)
    of_rounds = np.std(matrices, axis=0, ddof=1) if len(matrices) > 1 else 0.0
    return Alternation(matrix, np.hypot(of_examples, of_rounds), probs, np.array(matrices), done)


def rounds(settings: Settings) -> list[Settings]:
    """How to train in each round of a method that alternates."""
    return [dataclasses.replace(settings, epochs=math.ceil(share * settings.epochs)) for share in ROUNDS]
