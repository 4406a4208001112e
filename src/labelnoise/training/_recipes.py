"""Training by a named method: the one place that knows what a method is given and how it is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from labelnoise.training._alternation import Alternation, CrossFit, alternate, cross_fit, rounds
from labelnoise.training._gradients import oriented_gradients
from labelnoise.training._graph import by_graph
from labelnoise.training._loop import Fit, fit
from labelnoise.training._methods import method
from labelnoise.training._networks import Pair
from labelnoise.training._settings import Settings
from labelnoise.training._splits import Splits
from labelnoise.transitions import Matrix

FEATURES: dict[str, Callable[[Tensor], Tensor]] = {"gradients": oriented_gradients, "pixels": lambda images: images}


def fit_by(
    name: str,
    networks: Sequence[nn.Module],
    splits: Splits,
    matrix: Matrix | None,
    settings: Settings,
    *,
    n_classes: int,
    seed: int,
    graph_seed: int,
    warm: Mapping[str, Tensor] | None = None,
    options: Mapping[str, float] | None = None,
    refit: bool = False,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> Fit:
    """Train by a method without folds.

    Args:
        name: a name in `METHODS`.
        networks: as many as the method's ``n_networks``, with fresh weights, on the device of the splits; trained in
            place.
        splits: what to learn from, to choose the epoch by, and to measure on.
        matrix: T, shape (n_classes, n_classes), where the method needs one.
        settings: how to train.
        n_classes: the number of classes.
        seed: gives the order of the images and the dropout.
        graph_seed: gives the start of the graph's eigensolver.
        warm: weights of a cross-entropy fit at its best epoch, for a method that starts warm; others leave them alone.
        options: some of the method's own, in place of their defaults.
        refit: whether to learn from the validation images too; the last epoch then counts as the best.
        after_epoch: as `fit` takes it.

    Raises:
        InputError: as `Method.make_loss`, `by_graph` and `fit`.
    """
    recipe = method(name)
    learned = splits.noisy if refit else splits.train
    network, *others = networks
    if recipe.warm_start and warm is not None:
        network.load_state_dict(warm)
    network = Pair(network, *others) if recipe.pair else network
    soft_labels = None
    if recipe.compared and matrix is not None:
        further = splits.validation.images[: 0 if refit else None]
        soft_labels = by_graph(learned, further, FEATURES[recipe.compared], matrix, graph_seed)
    loss = recipe.make_loss(matrix, n_classes, len(learned.images), soft_labels, **(options or {}))
    loss = loss.to(learned.images.device)
    done = fit(network, loss, learned, splits.validation, splits.test, settings, seed=seed, after_epoch=after_epoch)
    if not refit:
        return done
    return dataclasses.replace(done, best_model=done.model, best_epoch=len(done.history) - 1, best_loss=loss)


def fit_folds_by(
    name: str,
    networks: Sequence[nn.Module],
    splits: Splits,
    matrix: Matrix | None,
    settings: Settings,
    *,
    n_classes: int,
    seed: int,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> CrossFit | Alternation:
    """Train one network per fold of the noisy images, by a method with folds: in turns with T where it learns that.

    Args:
        matrix: T to start from, shape (n_classes, n_classes), where the method needs one.
        seed: gives the folds, the order of the images and the dropout.
        name, networks, splits, settings, n_classes, after_epoch: as `fit_by` takes them.

    Raises:
        InputError: as `Method.make_loss` and `fit`.
    """
    recipe, noisy = method(name), splits.noisy
    loss = recipe.make_loss(matrix, n_classes, len(noisy.images))
    if recipe.learns_transition and matrix is not None:
        turns = rounds(settings)
        return alternate(networks, noisy, splits.test, matrix, turns, seed=seed, after_epoch=after_epoch)
    return cross_fit(networks, loss, noisy, splits.test, settings, folds=seed, seed=seed, after_epoch=after_epoch)
