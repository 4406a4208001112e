"""What ``labelnoise train`` and ``labelnoise estimate`` do, for arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import as_array, check_flag
from labelnoise.own import estimate as estimate_command
from labelnoise.own import train as train_command
from labelnoise.own._network import TrainedNetwork
from labelnoise.own._samples import Columns, matched
from labelnoise.own._tabular import array_labels
from labelnoise.own._terminal import Progress, as_text
from labelnoise.own.images import from_arrays
from labelnoise.own.suggestions import THRESHOLD, changes, check_threshold

if TYPE_CHECKING:
    import pandas as pd

    from labelnoise.own.kept import Trained
    from labelnoise.own.report import Report
    from labelnoise.transitions import Matrix


class _Shown:
    """Shows its report in a console, and as HTML in a notebook."""

    report: Report

    @property
    def transition_matrix(self) -> Matrix:
        """T as it was estimated, shape (n_classes, n_classes), in the order of ``report.class_names``."""
        return self.report.bounds.estimate

    def __repr__(self) -> str:
        return as_text(self.report)

    def _repr_html_(self) -> str:
        from labelnoise.own._page import part

        return part(self.report)


@dataclass(frozen=True, repr=False)
class Estimate(_Shown):
    """What `estimate` found.

    Attributes:
        report: T with intervals, the noise rate of each class, and what casts doubt on them.
        suggestions: one row per label, the clearest of those that are likely wrong first: ``row``, ``label``,
            ``suggestion``, ``p_wrong``, the probability that the label is wrong, and ``times``, how many times as
            likely as the label the likeliest other class is by the probabilities, once the flips are taken out.
        cleaned: the labels as they were given, shape (n_samples,), but those that are wrong with a probability above
            the threshold replaced with the suggestion.
    """

    report: Report
    suggestions: pd.DataFrame
    cleaned: NDArray[Any]


def estimate(
    pred_probs: ArrayLike,
    labels: ArrayLike,
    *,
    estimator: str = estimate_command.DEFAULT,
    threshold: float = THRESHOLD,
) -> Estimate:
    """Find the labels that are likely wrong, as the command ``labelnoise estimate`` does.

    The flips are taken out of the probabilities by a few steps of expectation maximisation (Richardson 1972, Journal of
    the Optical Society of America 62, 55-59; Lucy 1974, The Astronomical Journal 79, 745-754), and labels are ranked by
    the ratio of the likeliest other class to the label. In a notebook the result shows itself.

    Args:
        pred_probs: P(noisy | x) by a model that was not trained on that sample's label, shape (n_samples, n_classes);
            an array, a tensor, or a DataFrame whose columns are named after the labels. Columns without names are in
            the order of the labels.
        labels: the noisy labels, integers or names, shape (n_samples,).
        estimator: of T, a name in `labelnoise.ESTIMATORS`.
        threshold: the probability of being wrong above which a label is changed in ``cleaned``.

    Raises:
        InputError: labels and probabilities that don't fit each other or can't be used, an unknown estimator, or a
            threshold outside [0, 1].

    >>> probs = np.repeat([[0.98, 0.02], [0.02, 0.98]], 50, axis=0)
    >>> labels = np.repeat(["cat", "dog"], 50)
    >>> labels[7] = "dog"
    >>> found = estimate(probs, labels)
    >>> row, label, suggestion = found.suggestions.iloc[0][["row", "label", "suggestion"]]
    >>> int(row), label, suggestion, str(found.cleaned[7])
    (7, 'dog', 'cat', 'cat')
    """
    estimate_command.known(estimator)
    check_threshold(threshold, "threshold")
    given = as_array(labels, "labels")
    names = tuple(map(str, pred_probs.columns)) if hasattr(pred_probs, "columns") else None
    samples = matched(array_labels(given, "labels"), Columns(as_array(pred_probs, "pred_probs"), names, "pred_probs"))
    report = estimate_command.estimate_of(samples, estimator, threshold)
    changed = changes(report.suggestions, threshold)
    first = dict(zip(samples.class_names, np.unique(samples.noisy_labels, return_index=True)[1], strict=True))
    cleaned = given.copy()
    cleaned[changed["row"]] = given[changed["suggestion"].map(first)]
    return Estimate(report, report.suggestions, cleaned)


@dataclass(frozen=True, repr=False)
class Training(_Shown):
    """What `train` found.

    Attributes:
        network: the classifier of images that is handed over.
        report: T with intervals, the noise rate of each class, and which method was taken and why.
        suggestions: one row per image, as `Estimate` has them.
        found: the rest: T, P(clean | x) of each image, how training went; see `labelnoise.own`.
    """

    network: TrainedNetwork
    report: Report
    suggestions: pd.DataFrame
    found: Trained

    def predict_proba(self, images: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class, shape (n, n_classes), as `TrainedNetwork.predict_proba` has it."""
        return self.network.predict_proba(images)

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """The likeliest class of each image, shape (n,), as its place in ``network.class_names``."""
        return self.network.predict(images)


def train(
    images: ArrayLike,
    labels: ArrayLike,
    *,
    test_images: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    network: str = "lenet",
    method: str = "auto",
    image_size: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Training:
    """Train a network on images with noisy labels, as the command ``labelnoise train`` does.

    T is estimated by alternating likelihood. By "auto" a network is trained by cross-entropy, one by forward correction
    (Patrini et al. 2017, arXiv:1609.03683) and one by the book's recipe with a graph, with augmented images and
    averaged weights; the noisy labels that were held out choose one of them, which then learns from all images.

    Args:
        images: shape (n, height, width[, 1 or 3]) or (n, 1 or 3, height, width), numbers from 0 to 255 or from 0 to 1.
        labels: the noisy labels, integers or names, shape (n,).
        test_images, test_labels: with clean labels, if there are some; nothing is chosen by them.
        network: lenet or alexnet, a classifier of torchvision's by name, or ``module:function`` of your own, which
            makes one from n_classes, in_channels and image_size; its code is run, so name only code that you trust.
        method: "auto", one of the book's by name, or ``module:name`` of your own loss, whose code is run, too.
        image_size: in pixels, to bring all images to.
        device: cpu, cuda or auto.
        workers: processes that train side by side; by default one per core, or none for few images.
        seed: of the weights, the split and the order of the images.
        progress: whether to show on stderr how far it is.

    Returns:
        A `Training`: ``predict_proba(images)``, ``network.save(path)``, ``report``, ``suggestions``.

    Raises:
        InputError: images or labels that can't be used, or an unknown network, method or device.
    """
    train_command.check_how(method, device, seed, workers)
    check_flag(progress, "progress")
    own = from_arrays(images, labels, test_images, test_labels, image_size=image_size)
    begin = Progress if progress else None
    found, report = train_command.trained_report(own, network, method, seed, begin, device=device, workers=workers)
    handed_over = train_command.network_of(own, found, network, image_size)
    return Training(handed_over, report, report.suggestions, found)
