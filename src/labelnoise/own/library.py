"""What ``labelnoise train`` does, for arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise.errors import InputError
from labelnoise.own import train as train_command
from labelnoise.own.images import from_arrays

if TYPE_CHECKING:
    import pandas as pd

    from labelnoise.own._findings import Trained
    from labelnoise.own._network import TrainedNetwork
    from labelnoise.own._progress import Progress
    from labelnoise.own.report import Report
    from labelnoise.transitions import Matrix


@dataclass(frozen=True, repr=False)
class Training:
    """What `train` found.

    Attributes:
        network: the classifier of images that is handed over.
        report: T with intervals, the noise rate of each class, and which method was taken and why.
        suggestions: one row per image, those whose label is likeliest to be wrong first.
        found: the rest: T, P(clean | x) of each image, how training went; see `labelnoise.own`.
    """

    network: TrainedNetwork
    report: Report
    suggestions: pd.DataFrame
    found: Trained

    @property
    def transition_matrix(self) -> Matrix:
        """T as it was estimated, shape (n_classes, n_classes)."""
        return self.found.transition_matrix

    def predict_proba(self, images: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class, shape (n, n_classes), as `TrainedNetwork.predict_proba` has it."""
        return self.network.predict_proba(images)

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """The likeliest class of each image, shape (n,), as its place in ``network.class_names``."""
        return self.network.predict(images)

    def __repr__(self) -> str:
        from labelnoise.own.report import as_text

        return as_text(self.report)


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
            makes one from n_classes, in_channels and image_size.
        method: "auto", or one of the book's by name.
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
    if workers is not None and workers < 1:
        raise InputError(f"workers must be 1 or more, not {workers}.")
    own = from_arrays(images, labels, test_images, test_labels, image_size=image_size)
    begin: Callable[[int], Progress] | None = None
    if progress:
        from labelnoise.own._progress import Progress

        begin = Progress
    found, report = train_command.trained_report(own, network, method, seed, begin, device=device, workers=workers)
    handed_over = train_command.network_of(own, found, network, image_size)
    return Training(handed_over, report, train_command.suggestions(own, found), found)
