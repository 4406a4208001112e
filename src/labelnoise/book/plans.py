"""Which trials each chapter asks for, from the chapter's parameters."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labelnoise.book import matrix_plans
from labelnoise.trials import tuning
from labelnoise.errors import InputError
from labelnoise.book.matrix_plans import LONG, check, once
from labelnoise.training import Settings
from labelnoise.training import OURS, PROTOCOL, WITH_GRAPH, protocol
from labelnoise.trials import Trial, in_profile, trial

# Patrini et al. 2017 and most papers since train with plain SGD; this is the common setting.
CONSTANT_SGD = Settings(
    epochs=20, batch_size=128, learning_rate=0.01, weight_decay=1e-4, optimizer="sgd", schedule="constant"
)

# At AlexNet's published rate a run on "0.6" can stay at chance; this is half of it, with the steps to make up for it.
GENTLE = dataclasses.replace(PROTOCOL["alexnet"], epochs=10, learning_rate=3e-4)

Arm = tuple[str, str | None]  # a method and the source of its T


def arm(text: str) -> Arm:
    """An arm from ``METHOD`` or ``METHOD, SOURCE``, such as "forward, true"."""
    method, _, source = text.partition(", ")
    return method, source or None


def correction(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    models: Sequence[str],
    arms: Sequence[str],
    alexnet_arms: Sequence[str] | None = None,
    seeds: int,
    close_noises: Sequence[str] = (),
    close_arms: Sequence[str] = (),
    close_seeds: int = 0,
    profile: str = "full",
) -> list[Trial]:
    """Every arm on `noises` with the settings that were chosen for it, and the clean ceiling beside them.

    AlexNet has the same arms, unless told otherwise.
    Where `close_arms`, each ``NETWORK, METHOD`` or ``NETWORK, METHOD, SOURCE``, are too near to cross-entropy for so
    few runs, on `close_noises`, they and it have `close_seeds`, or as many as the others if that is more.

    Raises:
        InputError: a list is empty, there are too few seeds, or a name is not known.
    """
    alexnet_arms = arms if alexnet_arms is None else alexnet_arms
    check(seeds, noises=noises, models=models, arms=arms, alexnet_arms=alexnet_arms)
    if close_seeds < 0:
        raise InputError(f"close_seeds must be a whole number from 0 up, not {close_seeds}.")
    plain, common = "cross-entropy", {"dataset": dataset, "profile": profile}
    close_pairs = [tuple(text.partition(", ")[::2]) for text in close_arms]
    for noise, (model, each) in itertools.product(close_noises, close_pairs):
        chosen_trial(noise=noise, model=model, arm=arm(each), seed=0, **common)  # refuses a name that is not known
    close_pairs += [(model, plain) for model, _ in close_pairs]

    def runs(model: str, noise: str, each: str) -> int:
        close = noise in close_noises and (model, each) in close_pairs
        return max(seeds, close_seeds) if close else seeds

    asked = [
        (noise, model, each, seed)
        for model in models
        for noise in ("clean", *noises)
        for each in ((plain, *(alexnet_arms if model == "alexnet" else arms)) if noise in noises else (plain,))
        for seed in range(runs(model, noise, each))
    ]
    return once(
        chosen_trial(noise=noise, model=model, arm=arm(each), seed=seed, **common) for noise, model, each, seed in asked
    )


def chosen_trial(*, dataset: str, noise: str, model: str, arm: Arm, seed: int, profile: str = "full") -> Trial:
    """An arm's trial with the settings that were chosen for it (see `tuning.chosen`)."""
    whole = tuning.Arm(dataset, noise, model, *arm)
    return in_profile(reported(whole, tuning.chosen(whole), seed), profile)


def reported(arm: tuning.Arm, choice: tuning.Choice, seed: int) -> Trial:
    """The trial with which a configuration of an arm is reported: a refit of one with a graph, and others as tuned."""
    asked = tuning.with_options(arm, choice).trial(arm, seed)
    return dataclasses.replace(asked, refit=True) if arm.method in WITH_GRAPH else asked


def distorted(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    distortions: Sequence[str],
    distorted_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """LeNet with forward correction by a T that is wrong in a known way, beside the true one and none."""
    arms = ["forward, true", *(f"forward, true, {name}" for name in distortions)]
    return correction(
        dataset=dataset, noises=noises, models=["lenet"], arms=arms, seeds=distorted_seeds, profile=profile
    )


def ablation(
    *, dataset: str = "fashion-mnist-3", noises: Sequence[str], ablation_seeds: int, profile: str = "full"
) -> list[Trial]:
    """LeNet with our own recipe by the true T, with a part of it left out, and cross-entropy in its place.

    Left out are the graph, with forward correction from the first step on; what it compares, with a graph of pixels in
    its place; the images that it is validated on; and changed images with averaged weights. Cross-entropy has all that
    has nothing to do with T.
    """
    check(ablation_seeds, noises=noises)
    default = tuning.start(tuning.Arm(dataset, noises[0], "lenet", OURS, "true")).options
    trials = []
    for seed in range(ablation_seeds):
        for noise in noises:
            whole = chosen_trial(
                dataset=dataset, noise=noise, model="lenet", arm=(OURS, "true"), seed=seed, profile=profile
            )
            bare = dataclasses.replace(whole.settings, augmentation=None, averaging=None)
            trials += [
                whole,
                dataclasses.replace(whole, method="forward", options=None),
                dataclasses.replace(whole, method="graph-forward", options=whole.options or default),
                dataclasses.replace(whole, method="cross-entropy", transition=None, options=None),
                dataclasses.replace(whole, refit=None),
                dataclasses.replace(whole, settings=bare),
            ]
    return once(trials)


def over_rates(
    *,
    dataset: str = "fashion-mnist-3",
    rate_noises: Sequence[str],
    models: Sequence[str],
    rate_arms: Sequence[str],
    alexnet_arms: Sequence[str],
    rate_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """As `correction` on more noises."""
    check(rate_seeds, rate_noises=rate_noises)
    return correction(
        dataset=dataset, noises=rate_noises, models=models, arms=rate_arms, alexnet_arms=alexnet_arms,
        seeds=rate_seeds, profile=profile,
    )  # fmt: skip


def unseen(
    *,
    dataset: str = "fashion-mnist-3",
    unseen_noises: Sequence[str],
    unseen_arms: Sequence[str],
    unseen_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """LeNet on noises that had not been looked at when the bound of the rule was drawn."""
    check(unseen_seeds, unseen_noises=unseen_noises)
    return correction(
        dataset=dataset, noises=unseen_noises, models=["lenet"], arms=unseen_arms, seeds=unseen_seeds, profile=profile
    )


def correction_on_ten(
    *,
    ten_dataset: str,
    ten_noises: Sequence[str],
    models: Sequence[str],
    ten_arms: Sequence[str],
    ten_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """As `correction`, for the first network on another data set."""
    check(ten_seeds, models=models)
    return correction(
        dataset=ten_dataset, noises=ten_noises, models=models[:1], arms=ten_arms, seeds=ten_seeds, profile=profile
    )


def constant_sgd(
    *, dataset: str = "fashion-mnist-3", noises: Sequence[str], sgd_seeds: int, profile: str = "full"
) -> list[Trial]:
    """LeNet with plain SGD at a constant rate, with and without forward correction by the true T."""
    check(sgd_seeds, noises=noises)
    return _with_and_without(CONSTANT_SGD, sgd_seeds, dataset=dataset, noises=noises, profile=profile)


def gentle(
    *, dataset: str = "fashion-mnist-3", gentle_noises: Sequence[str], gentle_seeds: int, profile: str = "full"
) -> list[Trial]:
    """AlexNet at half its published rate, with and without forward correction by the true T."""
    check(gentle_seeds, gentle_noises=gentle_noises)
    return _with_and_without(
        GENTLE, gentle_seeds, dataset=dataset, noises=gentle_noises, model="alexnet", profile=profile
    )


def precision(
    *,
    dataset: str = "fashion-mnist-3",
    precision_noises: Sequence[str],
    models: Sequence[str],
    seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Cross-entropy in bfloat16 and in float32, the rest of the published settings being the same."""
    check(seeds, precision_noises=precision_noises, models=models)
    return once(
        trial(
            dataset=dataset, noise=noise, model=model, method="cross-entropy", seed=seed, profile=profile,
            settings=dataclasses.replace(protocol(dataset, model), precision=precision),
        )
        for model in models
        for noise in precision_noises
        for precision in ("bfloat16", "float32")
        for seed in range(seeds)
    )  # fmt: skip


def epochs(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    warm_epochs: Sequence[int],
    seeds: int,
    long_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """LeNet with the published settings, with five times the epochs, and with forward correction from a warm start."""
    check(min(seeds, long_seeds), noises=noises, warm_epochs=warm_epochs)
    short = protocol(dataset, "lenet")
    common: dict[str, Any] = {"dataset": dataset, "noises": noises, "profile": profile}
    trials = _with_and_without(short, seeds, **common)
    trials += five_times(long_seeds=min(seeds, long_seeds), **common)
    trials += [
        trial(
            dataset=dataset, noise=noise, model="lenet", method="forward-warm", transition="true", seed=seed,
            settings=dataclasses.replace(short, epochs=n), base=short, profile=profile,
        )
        for noise in noises
        for n in warm_epochs
        for seed in range(seeds)
    ]  # fmt: skip
    return once(trials)


def five_times(
    *, dataset: str = "fashion-mnist-3", noises: Sequence[str], long_seeds: int, profile: str = "full"
) -> list[Trial]:
    """LeNet with five times the epochs, with and without forward correction by the true T."""
    check(long_seeds, noises=noises)
    return _with_and_without(LONG, long_seeds, dataset=dataset, noises=noises, profile=profile)


def _with_and_without(
    settings: Settings, seeds: int, *, dataset: str, noises: Sequence[str], model: str = "lenet", profile: str
) -> list[Trial]:
    """A network with these settings, without and with forward correction by the true T."""
    return once(
        trial(
            dataset=dataset, noise=noise, model=model, method=method, transition=source, seed=seed,
            settings=settings, profile=profile,
        )
        for noise in noises
        for method, source in (("cross-entropy", None), ("forward", "true"))
        for seed in range(seeds)
    )  # fmt: skip


def tuned(*, noises: Sequence[str], models: Sequence[str]) -> list[Trial]:
    """None: the chapter shows tries that are on record. Whether there are any is checked."""
    check(1, noises=noises, models=models)
    known = {(arm.model, arm.noise) for arm in tuning.arms()}
    for model in models:
        for noise in noises:
            if (model, noise) not in known:
                listed = ", ".join(f"{m} on {n}" for m, n in sorted(known))
                raise InputError(f"{model} was not tuned on {noise}; use {listed}, or run benchmarks/tuning.py first.")
    return []


def own_data(*, data: str) -> list[Trial]:
    """None: the chapter trains by itself. Whether there is such a file or folder is said before it is executed."""
    if data and not Path(data).exists():
        raise InputError(f"There is no file {data}.")
    return []


# Chapter to its plans; each takes the chapter's parameters that it names.
PLANS: dict[str, tuple[Callable[..., list[Trial]], ...]] = {
    "01_noise": (matrix_plans.noise,),
    "02_estimation": (matrix_plans.estimation, matrix_plans.on_ten, matrix_plans.estimators),
    "03_correction": (correction, distorted, ablation, gentle, five_times, constant_sgd),
    "04_precision": matrix_plans.PRECISION,
    "05_robustness": (over_rates, correction_on_ten),
    "06_when_to_correct": (
        correction,
        over_rates,
        correction_on_ten,
        unseen,
        distorted,
        gentle,
        constant_sgd,
        five_times,
    ),
    "07_tuning": (tuned,),
    "08_human_noise": (matrix_plans.estimation, matrix_plans.on_ten, correction, correction_on_ten),
    "09_your_data": (own_data,),
    "10_performance": (precision, epochs),
}
