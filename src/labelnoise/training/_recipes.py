"""Training by a named method: the one place that knows what a method is given and how it is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from labelnoise.estimators import Floats
from labelnoise.training._alternation import Alternation, CrossFit, alternate, cross_fit, rounds
from labelnoise.training._gradients import oriented_gradients
from labelnoise.training._graph import by_graph
from labelnoise.training._ideas import check_finite, told
from labelnoise.training._loop import Fit, fit
from labelnoise.training._methods import method
from labelnoise.training._networks import LinearOnGradients, Pair
from labelnoise.training._settings import Settings
from labelnoise.training._splits import Splits
from labelnoise.transitions import Matrix

FEATURES: dict[str, Callable[[Tensor], Tensor]] = {"gradients": oriented_gradients, "pixels": lambda images: images}


def train_by(
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
    soft_labels: Floats | None = None,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> Fit | CrossFit | Alternation:
    """Train by a method: one network or a pair, or one network per fold of all noisy images.

    Args:
        name: a name in `METHODS`, or ``module:name`` of an own loss.
        networks: the method's ``n_networks``, with fresh weights, on the device of the splits; trained in place.
        splits: what to learn from, to choose the epoch by, and to measure on.
        matrix: T, shape (n_classes, n_classes), where the method needs one.
        settings: how to train.
        n_classes: the number of classes.
        seed: gives the order of the images, the dropout and the folds.
        graph_seed: gives the start of the graph's eigensolver.
        warm: weights of a cross-entropy fit at its best epoch, for a method that starts warm; others leave them alone.
        options: some of the method's own, in place of their defaults.
        refit: whether to learn from the validation images too; the last epoch then counts as the best. Not with folds.
        soft_labels: P(clean | x, noisy) of what is learned from, shape (n, n_classes), for a method that needs them; by
            a graph of the images if there are none.
        after_epoch: as `fit` takes it.

    Returns:
        A `Fit`; with folds a `CrossFit`, or an `Alternation` where the method learns T.

    Raises:
        InputError: as `Method.make_loss`, `by_graph` and `fit`; an own loss that fails, or is not finite.
    """
    recipe = method(name)
    learned = splits.noisy if refit or recipe.folds else splits.train
    if not recipe.needs_soft_labels:
        soft_labels = None
    elif recipe.compared and soft_labels is None:
        others = splits.validation.images[: 0 if refit else None]
        soft_labels = by_graph(learned, others, FEATURES[recipe.compared], matrix, n_classes, graph_seed)
    with told(name):
        loss = recipe.make_loss(matrix, n_classes, len(learned.images), soft_labels, **(options or {}))
    loss = loss.to(learned.images.device)
    if recipe.folds and recipe.learns_transition and matrix is not None:
        turns = rounds(settings)
        return alternate(networks, learned, splits.test, matrix, turns, seed=seed, after_epoch=after_epoch)
    if recipe.folds:
        task = (networks, loss, learned, splits.test, settings)
        return cross_fit(*task, fold_seed=seed, seed=seed, after_epoch=after_epoch)
    network = Pair(*networks) if recipe.pair else networks[0]
    if recipe.warm_start and warm is not None:
        network.load_state_dict(warm)
    train, validation, test = learned, splits.validation, splits.test
    if isinstance(network, LinearOnGradients) and not settings.augmentation:  # what it reads is the same in each epoch
        parts = (train, validation, test)
        train, validation, test = (dataclasses.replace(each, images=network.features(each.images)) for each in parts)
    with told(name):
        done = fit(network, loss, train, validation, test, settings, seed=seed, after_epoch=after_epoch)
        check_finite(name, done)
    if not refit:
        return done
    return dataclasses.replace(done, best_model=done.model, best_epoch=len(done.history) - 1, best_loss=loss)
