"""Training on noisy labels alone, with a T estimated from them, by the method that the labels held out prefer."""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from labelnoise.data import NoisySet
from labelnoise.errors import InputError
from labelnoise.estimators import Floats, confident_learning
from labelnoise.estimators.rule import predicted_gain
from labelnoise.noise import Labels, derive_seed
from labelnoise.own._choice import Shown, better_epoch, choose
from labelnoise.own._findings import Trained
from labelnoise.own._graph import graph_of, soft_labels
from labelnoise.own._methods import AUTO, PLAIN, compared
from labelnoise.own._settings import OwnSettings
from labelnoise.own._workers import Images, side_by_side
from labelnoise.statistics import Interval
from labelnoise.training import (
    METHODS,
    WITH_GRAPH,
    Fit,
    Fold,
    Settings,
    Split,
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

if TYPE_CHECKING:
    from labelnoise.own._progress import Progress

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


def _trained(images: Images, after_epoch: Callable[[nn.Module], None], task: _Task) -> Fit:
    return task(images, after_epoch)


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
        name: a name in `METHODS` of a method without folds, or "auto" to compare several.
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
    images, rows, test, scale = _images(data, seed, device)
    labels = data.noisy_labels[rows]
    run_seed = derive_seed("own order", seed)

    def task(by: str, how: Settings, number: int = 0, **given: Any) -> _Task:
        # The networks of the folds have the numbers between those of a pair.
        networks = [make(FOLDS + k if k else number).to(device) for k in range(method(by).n_networks)]
        return _Task(by, networks, given.pop("matrix", None), how, n_classes, run_seed, **given)

    def phase(text: str) -> None:
        if progress:
            progress.phase(text)

    alone = workers < 2 or device != "cpu" or not _travels(make(0))
    team = side_by_side(images, network, 1 if alone else workers, progress.epoch if progress else lambda: None)
    with team as submit:
        phase("first networks")
        plain = submit(_trained, task(PLAIN, settings.plain))
        fits = {PLAIN: submit(_trained, task(PLAIN, settings.modern))}
        smooth = submit(graph_of, run_seed) if any(each in WITH_GRAPH for each in names) else None
        start = confident_learning(predict_probs(plain.result().best_model, images.noisy.images), labels)
        phase("estimating T")
        turns = alternate(
            [make(1 + fold).to(device) for fold in range(FOLDS)], images.noisy, images.nothing, start,
            rounds(settings.plain), seed=run_seed,
            run=lambda folds: [done.result() for done in [submit(_in_a_fold, fold) for fold in folds]],
        )  # fmt: skip
        matrix = turns.transition_matrix
        phase("comparing methods" if len(names) > 1 else "training")
        given: dict[str, dict[str, Any]] = {}
        for each in names:
            needs: dict[str, Any] = {"matrix": matrix if method(each).needs_transition else None}
            if method(each).warm_start:
                needs["warm"] = fits[PLAIN].result().best_model.state_dict()
            if method(each).needs_soft_labels:
                assert smooth is not None
                needs["soft_labels"] = submit(
                    soft_labels, smooth.result(), needs["matrix"], n_classes, run_seed
                ).result()
            given[each] = needs
            if each not in fits:
                fits[each] = submit(_trained, task(each, settings.modern, **needs))
        done = {each: fits[each].result() for each in dict.fromkeys([*names, PLAIN])}
        held_out = images.splits.validation
        shown = {each: _shown(each, fit, held_out) for each, fit in done.items()}
        noisy = held_out.noisy_labels.cpu().numpy()
        choice = choose([shown[each] for each in names], noisy, left_out) if name == AUTO else None
        taken = choice.method if choice else name
        phase("on all images")
        final = submit(_trained_on_all, task(taken, settings.modern, **given[taken]), shown[taken].epoch + 1).result()
    fit = done[taken]
    before = fit.model if shown[taken].epoch == len(fit.history) - 1 else fit.best_model
    final = _checked(final, before, shown[taken], held_out.images, noisy)
    probs = np.empty((len(labels), n_classes))
    probs[rows] = turns.probs
    return Trained(
        noisy_labels=data.noisy_labels, probs=probs, transition_matrix=matrix, deviation=turns.deviation,
        history=done[taken].history, best_epoch=shown[taken].epoch,
        gain=None if taken == PLAIN else _gain(shown[taken], shown[PLAIN], noisy, matrix),
        choice=choice, test_accuracy=_accuracy(final, test), network=final.cpu(), scale=scale,
    )  # fmt: skip


def _travels(network: nn.Module) -> bool:
    """Whether a network can be handed to another process."""
    try:
        return "__main__" not in {type(part).__module__ for part in network.modules()} and bool(pickle.dumps(network))
    except (pickle.PicklingError, AttributeError, TypeError):
        return False


def _shown(name: str, fit: Fit, held_out: Split) -> Shown:
    """What the better of its two networks says of images held out: after the epoch of least loss, or the last."""
    last = len(fit.history) - 1
    of_last = Shown(name, last, predict_probs(fit.model, held_out.images))
    if fit.best_epoch == last:
        return of_last
    of_best = Shown(name, fit.best_epoch, predict_probs(fit.best_model, held_out.images))
    return better_epoch(of_best, of_last, held_out.noisy_labels.cpu().numpy())


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


def _accuracy(network: nn.Module, test: Split) -> float | None:
    if not len(test.images):
        return None
    return float((predict_probs(network, test.images).argmax(axis=1) == test.clean_labels.cpu().numpy()).mean())


def _images(data: NoisySet, seed: int, device: str) -> tuple[Images, Labels, Split, tuple[float, float]]:
    """The set, which rows its images are, shape (n,), the test images, and the mean and deviation that scale both."""
    labels, images = data.noisy_labels, data.train_images
    parts = parted(np.random.default_rng(derive_seed("own split", seed)).permutation(len(labels)))
    scale, rows = scale_of(images[parts[0]]), np.concatenate(parts)
    noisy = normalised(images[rows], labels[rows], labels[rows], scale, device)
    test = noisy[:0]
    if data.test_images is not None and data.test_labels is not None:
        test = normalised(data.test_images, data.test_labels, data.test_labels, scale, device)
    return Images(noisy, len(parts[0])), rows, test, (scale[0].item(), scale[1].item())
