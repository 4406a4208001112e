"""Training on noisy labels alone, with a T estimated from them, by the method that the labels held out prefer."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from labelnoise.data import NoisySet
from labelnoise.errors import InputError
from labelnoise.estimators.rule import predicted_gain
from labelnoise.noise import Labels, derive_seed
from labelnoise.own._choice import Shown, choose, in_order
from labelnoise.own._methods import AUTO, PLAIN, OwnSettings, compared
from labelnoise.own._network import Make
from labelnoise.own._tasks import FOLDS, Trainings, graph_of
from labelnoise.own._terminal import Progress
from labelnoise.own._workers import Images, side_by_side
from labelnoise.own.kept import Trained
from labelnoise.statistics import Interval
from labelnoise.training import (
    Fit,
    Split,
    method,
    normalised,
    parted,
    predict_probs,
    rounds,
    scale_of,
)
from labelnoise.transitions import Matrix

Scale = tuple[torch.Tensor, torch.Tensor]


def epochs_in_all(names: Sequence[str], settings: OwnSettings) -> int:
    """How many epochs `train` takes with methods to compare, of all its networks together."""
    plain = settings.plain.epochs + FOLDS * sum(each.epochs for each in rounds(settings.plain))
    return plain + (len(names) + 1) * settings.modern.epochs


def train(
    data: NoisySet,
    make: Make,
    name: str,
    settings: OwnSettings,
    *,
    seed: int = 0,
    network: str = "",
    workers: int = 1,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Trained:
    """Estimate T, train networks by one method or several, and one more on all images by the method that is taken.

    T begins with confident learning on a plain cross-entropy fit and is found by `alternate`. A fifth of the images is
    held out at random; their noisy labels choose the method and the epoch. Clean test labels are only measured against.

    Args:
        data: images and noisy labels.
        make: networks that map (n, channels, height, width) to logits of shape (n, n_classes).
        name: a method without folds, or "auto" to compare several.
        settings: how to train.
        seed: of the split, the folds and the order of the images.
        network: as `network_maker` takes it, for other processes.
        workers: processes that train side by side.
        device: "cpu" or "cuda".
        progress: is told of phases and epochs.

    Raises:
        InputError: as `compared` and `train_by`.
    """
    n_classes = int(data.noisy_labels.max()) + 1
    names, left_out = compared(name, len(data.noisy_labels), n_classes)
    images, rows, scale = _images(data, seed, device)
    held_out = images.splits.validation
    # Not an array on the tensor's memory, which goes when that is shared with other processes.
    noisy = data.noisy_labels[rows[images.n_learned :]]
    phase = progress.phase if progress else lambda text: None
    alone = workers < 2 or device != "cpu" or not _travels(make(0))
    team = side_by_side(images, network, 1 if alone else workers, progress.epoch if progress else lambda: None)
    with team as submit:
        trainings = Trainings(images, make, settings, n_classes, derive_seed("own order", seed), device, submit)
        phase("first networks")
        first, plain = (trainings.fit(PLAIN, how) for how in (settings.plain, settings.modern))
        smooth = submit(graph_of, trainings.seed) if any(method(each).needs_soft_labels for each in names) else None
        phase("estimating T")
        turns = trainings.alternation(first())
        phase("comparing methods" if len(names) > 1 else "training")
        needs = {each: trainings.needs(each, turns.transition_matrix, plain, smooth) for each in names}
        others = {each: trainings.fit(each, settings.modern, **needs[each]) for each in names if each != PLAIN}
        done = {each: later() for each, later in ({PLAIN: plain} | others).items()}
        shown = {each: _shown(each, fit, held_out) for each, fit in done.items()}
        ordered, because = in_order(names, turns.deviation)
        choice = choose([shown[each] for each in ordered], noisy, left_out, because) if name == AUTO else None
        taken = shown[choice.method if choice else name]
        phase("on all images")
        after = trainings.on_all(taken, **needs[taken.method])
    fit = done[taken.method]
    before = fit.model if taken.epoch == len(fit.history) - 1 else fit.best_model
    final = _checked(after, before, taken, held_out.images, noisy)
    probs = np.empty((len(rows), n_classes))
    probs[rows] = turns.probs
    return Trained(
        noisy_labels=data.noisy_labels, probs=probs, transition_matrix=turns.transition_matrix,
        deviation=turns.deviation, history=fit.history, best_epoch=taken.epoch,
        gain=None if taken.method == PLAIN else _gain(taken, shown[PLAIN], noisy, turns.transition_matrix),
        choice=choice, test_accuracy=_accuracy(final, data, scale, device), network=final.cpu(),
        scale=(scale[0].item(), scale[1].item()),
    )  # fmt: skip


def _travels(network: nn.Module) -> bool:
    """Whether a network can be handed to another process."""
    try:
        return "__main__" not in {type(part).__module__ for part in network.modules()} and bool(pickle.dumps(network))
    except (pickle.PicklingError, AttributeError, TypeError):
        return False


def _shown(name: str, fit: Fit, held_out: Split) -> Shown:
    """What the better of its two networks says of images held out: after the epoch of least loss, or the last."""
    best, last = (
        Shown(name, epoch, predict_probs(network, held_out.images))
        for epoch, network in ((fit.best_epoch, fit.best_model), (len(fit.history) - 1, fit.model))
    )
    labels = held_out.noisy_labels.cpu().numpy()
    hits = [(each.probs.argmax(axis=1) == labels).mean() for each in (best, last)]
    return last if hits[1] >= hits[0] else best


def _gain(after: Shown, before: Shown, noisy_labels: Labels, matrix: Matrix) -> Interval | None:
    """In accuracy, by noisy labels of images that neither learned from."""
    with contextlib.suppress(InputError):  # a T by which noisy labels rank nothing
        return predicted_gain(after.probs.argmax(axis=1), before.probs.argmax(axis=1), noisy_labels, matrix)
    return None


def _checked(after: nn.Module, before: nn.Module, shown: Shown, images: torch.Tensor, labels: Labels) -> nn.Module:
    """The network after training on all images; the one before where that failed, by labels it even learned from."""
    hits = [probs.argmax(axis=1) == labels for probs in (predict_probs(after, images), shown.probs)]
    lost = hits[1].astype(float) - hits[0]
    return before if lost.mean() > 2 * lost.std() / np.sqrt(len(lost)) else after


def _accuracy(network: nn.Module, data: NoisySet, scale: Scale, device: str) -> float | None:
    if data.test_images is None or data.test_labels is None:
        return None
    test = normalised(data.test_images, data.test_labels, data.test_labels, scale, device)
    return float((predict_probs(network, test.images).argmax(axis=1) == data.test_labels).mean())


def _images(data: NoisySet, seed: int, device: str) -> tuple[Images, Labels, Scale]:
    """The set, which rows its images are, shape (n,), and the mean and deviation that scale them."""
    labels, images = data.noisy_labels, data.train_images
    parts = parted(np.random.default_rng(derive_seed("own split", seed)).permutation(len(labels)))
    scale, rows = scale_of(images[parts[0]]), np.concatenate(parts)
    noisy = normalised(images[rows], labels[rows], labels[rows], scale, device)
    return Images(noisy, len(parts[0])), rows, scale
