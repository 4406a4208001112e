"""Which trials the chapters on T ask for, from their parameters: cross-entropy, and the methods that learn T.

And what all plans check.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.training import Settings
from labelnoise.trials import Trial, trial

# LeNet with five times the epochs, its rate chosen like that of PROTOCOL (benchmarks/protocol.py).
LONG = Settings(epochs=40, batch_size=256, learning_rate=2.5e-4, weight_decay=1e-2, precision="bfloat16")


def check(seeds: int, **lists: Sequence[object]) -> None:
    """Refuse fewer seeds than one, and lists without an item; they are named as the chapter's parameters are.

    Raises:
        InputError: one of these.
    """
    if seeds < 1:
        raise InputError(f"A chapter needs at least one seed, not {seeds}.")
    for name, values in lists.items():
        if not values:
            raise InputError(f"{name} is empty; pass at least one.")


def once(trials: Iterable[Trial]) -> list[Trial]:
    """Each trial once: a value that was named twice must not count as two runs."""
    return list(dict.fromkeys(trials))


def noise(*, dataset: str = "fashion-mnist-3", noises: Sequence[str], seeds: int) -> list[Trial]:
    """None: the chapter corrupts labels and trains nothing. What is asked for is checked like elsewhere."""
    estimation(dataset=dataset, noises=noises, model="lenet", seeds=seeds)
    return []


def learner(plain: Trial, name: str) -> Trial:
    """The trial in which the method `name` learns T from the labels that a cross-entropy trial has.

    T-Revision goes on from that trial's fit for half as many epochs, from the anchors' T; alternating likelihood
    starts from its confident learning's.
    """
    if name == "alternating":
        return dataclasses.replace(plain, method=name, transition="confident-learning")
    if name == "t-revision":
        half = dataclasses.replace(plain.settings, epochs=-(-plain.settings.epochs // 2))
        return dataclasses.replace(plain, method=name, transition="anchor-97", settings=half, base=plain.settings)
    return dataclasses.replace(plain, method=name)


def estimation(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    model: str,
    learners: Sequence[str] = (),
    seeds: int,
    profile: str = "full",
    **fields: Any,
) -> list[Trial]:
    """Cross-entropy on each noise, what every estimator of T reads, and the methods that learn T themselves.

    `fields` are further ones of each trial.
    """
    check(seeds, noises=noises)
    plain = [
        trial(dataset=dataset, noise=noise, model=model, method="cross-entropy", seed=seed, profile=profile, **fields)
        for noise in noises
        for seed in range(seeds)
    ]
    return once([*plain, *(learner(asked, name) for name in learners for asked in plain)])


def on_ten(
    *,
    ten_dataset: str,
    ten_noises: Sequence[str],
    model: str,
    learners: Sequence[str],
    ten_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """As `estimation`, on another data set."""
    return estimation(
        dataset=ten_dataset, noises=ten_noises, model=model, learners=learners, seeds=ten_seeds, profile=profile
    )


def estimators(*, estimators: Sequence[str]) -> list[Trial]:
    """None: estimators read the trials of other plans. Whether they are known is checked."""
    check(1, estimators=estimators)
    known = [*ESTIMATORS, *FEATURE_ESTIMATORS]
    for name in estimators:
        if name not in known:
            raise InputError(f"Unknown estimator {name!r}; use one of: {', '.join(known)}.")
    return []


def coverage(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    model: str,
    learners: Sequence[str],
    draws: int,
    profile: str = "full",
) -> list[Trial]:
    """Many independent draws of the noise, the split and the weights, for estimators and methods that learn T."""
    return estimation(dataset=dataset, noises=noises, model=model, learners=learners, seeds=draws, profile=profile)


def sizes(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    model: str,
    images: Sequence[int],
    seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Fewer images; the smoke profile has a number of its own."""
    check(seeds, images=images)
    common: dict[str, Any] = {"dataset": dataset, "model": model, "learners": ["alternating"], "profile": profile}
    return once(asked for number in images for asked in estimation(noises=noises, seeds=seeds, images=number, **common))


def other_noises(
    *,
    dataset: str = "fashion-mnist-3",
    further_noises: Sequence[str],
    model: str,
    seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Other types and rates of noise."""
    return estimation(
        dataset=dataset, noises=further_noises, model=model, learners=["alternating"], seeds=seeds, profile=profile
    )


def other_networks(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    further_models: Sequence[str],
    seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """The estimators on other networks."""
    check(seeds, further_models=further_models)
    common: dict[str, Any] = {"dataset": dataset, "noises": noises, "seeds": seeds, "profile": profile}
    return once(asked for model in further_models for asked in estimation(model=model, **common))


def traced(
    *, dataset: str = "fashion-mnist-3", noises: Sequence[str], traced_seeds: int, profile: str = "full"
) -> list[Trial]:
    """LeNet with five times the epochs, T estimated after each."""
    common: dict[str, Any] = {"dataset": dataset, "noises": noises, "seeds": traced_seeds, "profile": profile}
    return estimation(model="lenet", settings=LONG, trace=True, **common)


def held_out(
    *, dataset: str = "fashion-mnist-3", noises: Sequence[str], model: str, seeds: int, profile: str = "full"
) -> list[Trial]:
    """Probabilities of networks that did not see the labels, and calibrated ones."""
    plain = estimation(dataset=dataset, noises=noises, model=model, seeds=seeds, profile=profile)
    return [dataclasses.replace(asked, method="cross-fitting") for asked in plain]


# Of the chapter on precision.
PRECISION = (coverage, sizes, other_noises, other_networks, traced, held_out, estimators)
