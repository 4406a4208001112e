"""Training on noisy labels alone, with a T estimated from them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from labelnoise.data import NoisySet
from labelnoise.errors import InputError
from labelnoise.estimators import Floats, clean_posterior, confident_learning
from labelnoise.estimators.rule import predicted_gain
from labelnoise.noise import Labels, derive_seed
from labelnoise.statistics import Interval
from labelnoise.training import (
    METHODS,
    Epoch,
    Fit,
    Settings,
    Split,
    Splits,
    alternate,
    method,
    normalised,
    parted,
    predict_probs,
    rounds,
    scale_of,
    train_by,
)
from labelnoise.transitions import Matrix

LEAST_STEPS = 400  # about as many as the published settings are on the paper's data
FOLDS = METHODS["alternating"].folds

Make = Callable[[int], nn.Module]  # a network with fresh weights by a number


@dataclass(frozen=True)
class Findings:
    """What came of training on noisy labels, without the networks.

    Attributes:
        noisy_labels: of the images, shape (n,).
        probs: P(clean | x) of each image by networks that did not see its label, shape (n, n_classes).
        transition_matrix: T by alternating likelihood, shape (n_classes, n_classes).
        deviation: of each of its entries.
        history: of the network that is handed over.
        best_epoch: its index in the history.
        gain: in accuracy over cross-entropy with the same settings, by the noisy labels that are held out; None if
            that is the method, or if T lets these labels tell nothing.
    """

    noisy_labels: Labels
    probs: Floats
    transition_matrix: Matrix
    deviation: Matrix
    history: tuple[Epoch, ...]
    best_epoch: int
    gain: Interval | None

    @cached_property
    def posterior(self) -> Floats:
        """P(clean | x, noisy) of each image, shape (n, n_classes)."""
        return clean_posterior(self.probs, self.noisy_labels, self.transition_matrix)

    @cached_property
    def pred_probs(self) -> Floats:
        """P(noisy | x) by the same networks and T, shape (n, n_classes)."""
        return self.probs @ self.transition_matrix


@dataclass(frozen=True)
class Trained(Findings):
    """What came of training on noisy labels, with the network that is handed over.

    Attributes:
        fit: of that network.
        scale: the mean and deviation by which images were normalised.
    """

    fit: Fit
    scale: tuple[float, float]


def scaled_settings(settings: Settings, n_images: int) -> Settings:
    """Settings with so many epochs that there are `LEAST_STEPS` steps or more."""
    steps = math.ceil(n_images / settings.batch_size)
    return dataclasses.replace(settings, epochs=max(settings.epochs, math.ceil(LEAST_STEPS / steps)))


def epochs_in_all(name: str, settings: Settings) -> int:
    """How many epochs `train` takes by a method, of all its networks together."""
    single = 1 if name == "cross-entropy" else 2
    return single * settings.epochs + FOLDS * sum(each.epochs for each in rounds(settings))


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

    Raises:
        InputError: as `train_by`.
    """
    splits, rows, scale = _split(data, seed)
    labels, n_classes = data.noisy_labels[rows], int(data.noisy_labels.max()) + 1
    run_seed = derive_seed("own order", seed)

    def fitted(by: str, matrix: Matrix | None, warm: Mapping[str, Tensor] | None = None) -> Fit:
        # The networks of the folds have the numbers between.
        networks = [make(FOLDS + k if k else 0) for k in range(method(by).n_networks)]
        own_matrix = matrix if method(by).needs_transition else None
        task = (by, networks, splits, own_matrix, settings)
        done = train_by(
            *task, n_classes=n_classes, seed=run_seed, graph_seed=run_seed, warm=warm, after_epoch=after_epoch
        )
        assert isinstance(done, Fit)  # as the method has no folds
        return done

    plain = fitted("cross-entropy", None)
    start = confident_learning(predict_probs(plain.best_model, splits.noisy.images), labels)
    networks = [make(1 + fold) for fold in range(FOLDS)]
    turns = alternate(
        networks, splits.noisy, splits.test, start, rounds(settings), seed=run_seed, after_epoch=after_epoch
    )
    matrix = turns.transition_matrix
    probs = np.empty((len(labels), n_classes))
    probs[rows] = turns.probs
    done, gain = plain, None
    if name != "cross-entropy":
        done = fitted(name, matrix, plain.best_model.state_dict())
        gain = _gain(done, plain, splits.validation, matrix)
    found = (data.noisy_labels, probs, matrix, turns.deviation, done.history, done.best_epoch, gain)
    return Trained(*found, fit=done, scale=scale)


def _gain(done: Fit, plain: Fit, held_out: Split, matrix: Matrix) -> Interval | None:
    """In accuracy, by noisy labels of images that neither learned from."""
    after, before = (predict_probs(each.best_model, held_out.images).argmax(axis=1) for each in (done, plain))
    with contextlib.suppress(InputError):  # a T by which noisy labels rank nothing
        return predicted_gain(after, before, held_out.noisy_labels.numpy(), matrix)
    return None


def _split(data: NoisySet, seed: int) -> tuple[Splits, NDArray[np.int64], tuple[float, float]]:
    """The splits, which images their noisy ones are, shape (n,), and the mean and deviation that scale them."""
    labels, images = data.noisy_labels, data.train_images
    parts = parted(np.random.default_rng(derive_seed("own split", seed)).permutation(len(labels)))
    scale = scale_of(images[parts[0]])
    training, validation = (normalised(images[rows], labels[rows], labels[rows], scale) for rows in parts)
    if data.test_images is None or data.test_labels is None:
        test = training[:0]
    else:
        test = normalised(data.test_images, data.test_labels, data.test_labels, scale)
    return Splits(training, validation, test), np.concatenate(parts), (scale[0].item(), scale[1].item())
