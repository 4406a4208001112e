"""Which trials each chapter asks for, from the chapter's parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from labelnoise.errors import InputError
from labelnoise.training import Settings
from labelnoise.trials import PROTOCOL, Trial, trial

# Patrini et al. 2017 and most papers since train with plain SGD; this is the common setting.
CONSTANT_SGD = Settings(
    epochs=20, batch_size=128, learning_rate=0.01, weight_decay=1e-4, optimizer="sgd", schedule="constant"
)

# LeNet with five times the epochs, its rate chosen like that of PROTOCOL (benchmarks/protocol.py).
LONG = Settings(epochs=40, batch_size=256, learning_rate=2.5e-4, weight_decay=1e-2, precision="bfloat16")

Arm = tuple[str, str | None]  # a method and the source of its T


def _check(seeds: int, **lists: Sequence[object]) -> None:
    if seeds < 1:
        raise InputError(f"A chapter needs at least one seed, not {seeds}.")
    for name, values in lists.items():
        if not values:
            raise InputError(f"{name} is empty; pass at least one.")


def _once(trials: Iterable[Trial]) -> list[Trial]:
    """Each trial once: a value that was named twice must not count as two runs."""
    return list(dict.fromkeys(trials))


def noise(*, dataset: str = "fashion-mnist-3", noises: Sequence[str], seeds: int) -> list[Trial]:
    """None: the chapter corrupts labels and trains nothing. What is asked for is checked like elsewhere."""
    estimation(dataset=dataset, noises=noises, model="lenet", seeds=seeds)
    return []


def estimation(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    model: str,
    seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Cross-entropy on each noise: what every estimator of T reads."""
    _check(seeds, noises=noises)
    return _once(
        trial(dataset=dataset, noise=noise, model=model, method="cross-entropy", seed=seed, profile=profile)
        for noise in noises
        for seed in range(seeds)
    )


def correction(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    models: Sequence[str],
    transitions: Sequence[str],
    further_methods: Sequence[str],
    seeds: int,
    most_alexnet_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Training with and without correction on `noises`, with the clean ceiling beside it.

    Cross-entropy, forward correction with T from each of `transitions`, and for LeNet the further
    methods with the true T.
    """
    _check(min(seeds, most_alexnet_seeds), noises=noises, models=models, transitions=transitions)
    arms: list[Arm] = [("cross-entropy", None), *(("forward", source) for source in transitions)]
    further: list[Arm] = [(method, "true") for method in further_methods]
    return _once(
        trial(dataset=dataset, noise=noise, model=model, method=method, transition=source, seed=seed, profile=profile)
        for model in models
        for seed in range(min(seeds, most_alexnet_seeds) if model == "alexnet" else seeds)
        for noise in ("clean", *noises)
        for method, source in (arms + further * (model == "lenet") if noise in noises else arms[:1])
    )


def over_rates(
    *,
    dataset: str = "fashion-mnist-3",
    noise_rates: Sequence[float],
    models: Sequence[str],
    rate_transitions: Sequence[str],
    seeds: int,
    rate_seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Cross-entropy and forward correction with T from each of `rate_transitions`, on symmetric noise."""
    _check(min(seeds, rate_seeds), noise_rates=noise_rates, models=models, rate_transitions=rate_transitions)
    arms: list[Arm] = [("cross-entropy", None), *(("forward", t) for t in rate_transitions)]
    return _once(
        trial(
            dataset=dataset, noise=f"symmetric-{rate}", model=model, method=method, transition=source, seed=seed,
            profile=profile,
        )
        for model in models
        for seed in range(min(seeds, rate_seeds))
        for rate in noise_rates
        for method, source in arms
    )  # fmt: skip


def constant_sgd(
    *, dataset: str = "fashion-mnist-3", noises: Sequence[str], sgd_seeds: int, profile: str = "full"
) -> list[Trial]:
    """LeNet with plain SGD at a constant rate, with and without forward correction by the true T."""
    _check(sgd_seeds, noises=noises)
    return _once(
        trial(
            dataset=dataset, noise=noise, model="lenet", method=method, transition=source, seed=seed,
            settings=CONSTANT_SGD, profile=profile,
        )
        for noise in noises
        for method, source in (("cross-entropy", None), ("forward", "true"))
        for seed in range(sgd_seeds)
    )  # fmt: skip


def precision(
    *,
    dataset: str = "fashion-mnist-3",
    precision_noises: Sequence[str],
    models: Sequence[str],
    seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Cross-entropy in bfloat16 and in float32, the rest of the published settings being the same."""
    _check(seeds, precision_noises=precision_noises, models=models)
    return _once(
        trial(
            dataset=dataset, noise=noise, model=model, method="cross-entropy", seed=seed, profile=profile,
            settings=dataclasses.replace(PROTOCOL[model], precision=precision),
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
    _check(min(seeds, long_seeds), noises=noises, warm_epochs=warm_epochs)
    short = PROTOCOL["lenet"]
    arms: list[tuple[str, str | None, Settings, Settings | None, int]] = [
        (method, source, settings, None, n)
        for settings, n in ((short, seeds), (LONG, min(seeds, long_seeds)))
        for method, source in (("cross-entropy", None), ("forward", "true"))
    ]
    arms += [("forward-warm", "true", dataclasses.replace(short, epochs=n), short, seeds) for n in warm_epochs]
    return _once(
        trial(
            dataset=dataset, noise=noise, model="lenet", method=method, transition=source, seed=seed,
            settings=settings, base=base, profile=profile,
        )
        for noise in noises
        for method, source, settings, base, n in arms
        for seed in range(n)
    )  # fmt: skip


# Chapter to its plans; each takes the chapter's parameters that it names.
PLANS: dict[str, tuple[Callable[..., list[Trial]], ...]] = {
    "01_noise": (noise,),
    "02_estimation": (estimation,),
    "03_correction": (correction, constant_sgd, over_rates),
    "10_performance": (precision, epochs),
}
