"""Training on noisy labels alone, with a T estimated from them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from labelnoise.data import NoisySet
from labelnoise.errors import InputError
from labelnoise.estimators import Floats, clean_posterior, confident_learning
from labelnoise.estimators.rule import predicted_gain
from labelnoise.noise import Labels, derive_seed
from labelnoise.statistics import Interval
from labelnoise.training import (
    METHODS,
    Alternation,
    Fit,
    Pair,
    Settings,
    Split,
    alternate,
    by_graph,
    fit,
    method,
    normalised,
    parted,
    predict_probs,
    rounds,
    scale_of,
)

AUTO = "forward"  # with T by alternating likelihood, the estimator of least error in the book
LEAST_STEPS = 400  # about as many as the published settings are on the paper's data
FOLDS = METHODS["alternating"].folds

Make = Callable[[int], nn.Module]  # a network with fresh weights by a number


@dataclass(frozen=True)
class Trained:
    """What came of training on noisy labels.

    Attributes:
        alternation: T by alternating likelihood, with its deviation.
        posterior: P(clean | x, noisy) of each image by networks that did not see its label, shape (n, n_classes).
        pred_probs: P(noisy | x) by the same networks and T, shape (n, n_classes).
        fit: of the network that is handed over.
        gain: in accuracy over cross-entropy with the same settings, by the noisy labels that are held out; None if
            that is the method, or if T lets these labels tell nothing.
        scale: the mean and deviation by which images were normalised.
    """

    alternation: Alternation
    posterior: Floats
    pred_probs: Floats
    fit: Fit
    gain: Interval | None
    scale: tuple[float, float]


def scaled_settings(settings: Settings, n_images: int) -> Settings:
    """Settings with so many epochs that there are `LEAST_STEPS` steps or more."""
    steps = math.ceil(n_images / settings.batch_size)
    return dataclasses.replace(settings, epochs=max(settings.epochs, math.ceil(LEAST_STEPS / steps)))


def epochs_in_all(settings: Settings) -> int:
    """How many epochs `train` takes, of all its networks together."""
    return 2 * settings.epochs + FOLDS * sum(each.epochs for each in rounds(settings))


def check_method(name: str) -> str:
    """The method that a name stands for, "auto" being `AUTO`.

    Raises:
        InputError: there is none, or it trains no single network.
    """
    chosen = AUTO if name == "auto" else name
    if method(chosen).folds:
        single = [known for known, recipe in METHODS.items() if not recipe.folds]
        raise InputError(f"{name} trains no single network; use one of: auto, {', '.join(single)}.")
    return chosen


def train(
    data: NoisySet,
    make: Make,
    name: str,
    settings: Settings,
    *,
    seed: int = 0,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> Trained:
    """Estimate T, then train a network by a method of the book with that T.

    T begins with confident learning on a cross-entropy fit and is found by `alternate`. A fifth of the images is held
    out at random; their noisy labels choose the epoch. Clean test labels are only measured against.

    Args:
        data: images and noisy labels.
        make: networks that map (n, channels, height, width) to logits of shape (n, n_classes).
        name: a name in `METHODS` of a method without folds.
        settings: how to train.
        seed: of the split, the folds and the order of the images.
        after_epoch: called after each epoch of each network.
    """
    labels, n_classes = data.noisy_labels, int(data.noisy_labels.max()) + 1
    order = np.random.default_rng(derive_seed("own split", seed)).permutation(len(labels))
    parts = parted(order)
    scale = scale_of(data.train_images[parts[0]])
    images = data.train_images
    training, validation = (normalised(images[rows], labels[rows], labels[rows], scale) for rows in parts)
    rows = np.concatenate(parts)
    noisy = normalised(images[rows], labels[rows], labels[rows], scale)
    test = _test_split(data, scale)
    recipe, run_seed = method(name), derive_seed("own order", seed)

    def fitted(network: nn.Module, loss: nn.Module) -> Fit:
        return fit(network, loss, training, validation, test, settings, seed=run_seed, after_epoch=after_epoch)

    def predictions(done: Fit) -> Labels:
        return predict_probs(done.best_model, validation.images).argmax(axis=1)

    plain = fitted(make(0), METHODS["cross-entropy"].make_loss(None, n_classes, len(training.images)))
    before = predictions(plain)  # a warm start trains the network on
    start = confident_learning(predict_probs(plain.best_model, noisy.images), labels[rows])
    networks = [make(1 + fold) for fold in range(FOLDS)]
    turns = alternate(networks, noisy, test, start, rounds(settings), seed=run_seed, after_epoch=after_epoch)
    matrix = turns.transition_matrix
    posterior, pred_probs = np.empty((2, len(labels), n_classes))
    pred_probs[rows] = turns.probs @ matrix
    posterior[rows] = clean_posterior(turns.probs, labels[rows], matrix)

    network = plain.best_model if recipe.warm_start else make(0)
    network = Pair(network, make(1 + FOLDS)) if recipe.pair else network
    compared = recipe.compared(noisy.images) if recipe.compared else None
    soft = None if compared is None else by_graph(compared, training.noisy_labels, matrix, run_seed)
    given = matrix if recipe.needs_transition else None
    done = fitted(network, recipe.make_loss(given, n_classes, len(training.images), soft))
    gain = None
    if name != "cross-entropy":
        with contextlib.suppress(InputError):  # a T by which noisy labels rank nothing
            gain = predicted_gain(predictions(done), before, labels[parts[1]], matrix)
    return Trained(turns, posterior, pred_probs, done, gain, (scale[0].item(), scale[1].item()))


def _test_split(data: NoisySet, scale: tuple[Tensor, Tensor]) -> Split:
    if data.test_images is None or data.test_labels is None:
        nothing = data.noisy_labels[:0]
        return normalised(data.train_images[:0], nothing, nothing, scale)
    return normalised(data.test_images, data.test_labels, data.test_labels, scale)
