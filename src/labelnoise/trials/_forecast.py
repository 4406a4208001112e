"""How long trials will take on this machine, before one is run."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from labelnoise._threads import one_thread

if TYPE_CHECKING:
    from labelnoise.trials._trial import Record, Trial

BARE = ("fashion-mnist-3", "forward", "true")  # nothing but training: after cross-entropy, T is estimated
IMAGES = 2048  # that the speed of this machine is measured on
Costs = dict[tuple[str, ...], float]


def _alike(asked: Trial) -> tuple[tuple[str, ...], ...]:
    """What trials of like cost have in common, the nearest likeness first."""
    return (asked.dataset, asked.model, asked.method), (asked.model, asked.method), (asked.model,)


def epoch_costs(records: Iterable[Record]) -> Costs:
    """Seconds per epoch on record: the median of each data set, network and method, and of each network and method."""
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for record in records:
        asked = record.trial
        if asked.images is None:
            for key in _alike(asked):
                found[key].append(record.seconds / asked.settings.epochs)
    return {key: statistics.median(each) for key, each in found.items()}


def expected_seconds(trials: Sequence[Trial], costs: Costs, speeds: Mapping[str, float]) -> float:
    """Seconds of one thread for all the trials, by `epoch_costs` and, for each network, by its `relative_speed`."""
    total = 0.0
    for asked in trials:
        cost = next((costs[key] for key in _alike(asked) if key in costs), 1.0)
        share = 1.0 if asked.images is None else min(asked.images / 18_000, 1.0)
        total += cost * asked.settings.epochs * share * speeds.get(asked.model, 1.0)
    return total


def relative_speed(model: str, records: Iterable[Record]) -> float:
    """Seconds per epoch of a network on this machine over those on record, measured in about a second of training.

    Records of forward correction by the true T on the source paper's data say what one epoch of 14,400 images took; 1
    without any.
    """
    import torch

    from labelnoise.losses import CrossEntropy
    from labelnoise.training import PROTOCOL, Split, build, fit

    on_record = [
        record.seconds / record.trial.settings.epochs
        for record in records
        if (record.trial.dataset, record.trial.method, record.trial.transition) == BARE
        if record.trial.model == model and record.trial.images is None
    ]
    if not on_record:
        return 1.0
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(IMAGES, 1, 28, 28, generator=generator)
    labels = torch.randint(3, (IMAGES,), generator=generator)
    whole = Split(images, labels, labels)
    with one_thread():
        spent = []
        for _ in range(2):  # the first warms up
            network, started = build(model, 3, seed=0), time.perf_counter()
            settings = dataclasses.replace(PROTOCOL[model], epochs=1)
            fit(network, CrossEntropy(), whole, whole[: IMAGES // 4], whole[: IMAGES // 5], settings, seed=0)
            spent.append(time.perf_counter() - started)
    return spent[-1] * 14_400 / IMAGES / statistics.median(on_record)
