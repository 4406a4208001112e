"""The data sets by name. Nothing here reads one, or imports what would."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labelnoise import data
from labelnoise._checks import check_choice

if TYPE_CHECKING:
    from labelnoise.data._datasets import Dataset

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PAPER_CLASSES = (0, 1, 3)  # of the source paper
# Our names for the labels of CIFAR-10N, and the keys of the authors' file.
HUMAN_LABELS = {
    "aggregate": "aggre_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
    "worse": "worse_label",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A data set that trials can name.

    Attributes:
        title: what readers see.
        read: reads it.
        classes: the ids of its classes in the set that it is made from, in the order of their labels.
        names: of all classes of that set.
        people: "votes" where people voted on each training image, "labels" where the set has one noisy label of theirs
            for each; None without either. These are its noise by the name "human".
        settings: by network, the default settings that differ on this set.
    """

    title: str
    read: Callable[[], Dataset]
    classes: tuple[int, ...] = tuple(range(10))
    names: tuple[str, ...] = CLASS_NAMES
    people: str | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """One per class."""
        return tuple(self.names[i] for i in self.classes)

    @property
    def n_classes(self) -> int:
        return len(self.classes)


def _by(reader: str, *arguments: object) -> Callable[[], Dataset]:
    """A reader by the name of a function of this wing, which is imported when it is called."""
    return lambda: getattr(data, reader)(*arguments)


# Few images need more and smaller steps; one setting for both sets with votes.
_FEW_IMAGES = {"lenet": {"epochs": 16, "batch_size": 64}}
DATASETS: dict[str, Entry] = {
    "fashion-mnist-3": Entry(
        title="Fashion-MNIST, three classes", read=_by("fashion_mnist", PAPER_CLASSES), classes=PAPER_CLASSES
    ),
    "fashion-mnist": Entry(
        title="Fashion-MNIST", read=_by("fashion_mnist"), settings={"lenet": {"learning_rate": 6e-3}}
    ),
    "fashion-mnist-h-3": Entry(
        title="Fashion-MNIST-H, three classes", read=_by("fashion_mnist_h", PAPER_CLASSES), classes=PAPER_CLASSES,
        people="votes", settings=_FEW_IMAGES,
    ),
    "fashion-mnist-h": Entry(
        title="Fashion-MNIST-H", read=_by("fashion_mnist_h"), people="votes", settings=_FEW_IMAGES
    ),
    **{
        f"cifar10n-{labels}": Entry(
            title=f"CIFAR-10N, {labels}", read=_by("cifar10n", labels), names=CIFAR_NAMES, people="labels"
        )
        for labels in HUMAN_LABELS
    },
}  # fmt: skip
WITH_VOTES = tuple(name for name, entry in DATASETS.items() if entry.people == "votes")


def entry(name: str) -> Entry:
    """What is known of a data set without reading it.

    Raises:
        InputError: there is none of that name.
    """
    return DATASETS[check_choice(name, "data set", DATASETS)]


def load(name: str) -> Dataset:
    """A data set by its name in `DATASETS`.

    Raises:
        InputError: there is none of that name, or its files can't be found.
    """
    return entry(name).read()


@functools.cache
def loaded(name: str) -> Dataset:
    """The data set of `load`, which is read once in a process."""
    return load(name)
