"""What the cell tagged ``trials`` of a chapter is made of: the trials that a chapter asks for."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from labelnoise.book.plan import Plan as Plan
from labelnoise.book.plan import check, check_compared, check_learners
from labelnoise.book.plan import check_path as check_path
from labelnoise.book.plan import check_tuned as check_tuned
from labelnoise.book.plan import drawn as drawn
from labelnoise.book.plan import parted as parted
from labelnoise.book.plan import rated as rated
from labelnoise.names import in_two
from labelnoise.training import OURS, PROTOCOL, WITH_GRAPH, Settings, method, protocol
from labelnoise.trials import Trial, in_profile, trial, tuning

# Patrini et al. 2017 and most papers since train with plain SGD; this is the common setting.
CONSTANT_SGD = Settings(
    epochs=20, batch_size=128, learning_rate=0.01, weight_decay=1e-4, optimizer="sgd", schedule="constant"
)
# LeNet with five times the epochs, its rate chosen like that of PROTOCOL (benchmarks/protocol.py).
LONG = Settings(epochs=40, batch_size=256, learning_rate=2.5e-4, weight_decay=1e-2, precision="bfloat16")
# At AlexNet's default rate a run on "0.6" can stay at chance. Noisy labels prefer this one of four settings, with each
# method that was tried (benchmarks/alexnet_rate.py).
GENTLE = dataclasses.replace(PROTOCOL["alexnet"], epochs=10, learning_rate=3e-4, schedule="one-cycle-late")
# The same for modern training, by the mean over the methods.
GENTLE_MODERN = dataclasses.replace(protocol("fashion-mnist-3", "alexnet", OURS), learning_rate=6e-4)

MethodAndT = tuple[str, str | None]  # the source of T by name


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
    return [*plain, *(learner(asked, name) for name in check_learners(learners) for asked in plain)]


def of_sizes(images: Sequence[int], **common: Any) -> list[Trial]:
    """The trials of `estimation` on fewer images; the smoke profile has a number of its own."""
    check(1, images=images)
    return [asked for number in images for asked in estimation(images=number, **common)]


def of_networks(models: Sequence[str], **common: Any) -> list[Trial]:
    """The trials of `estimation` with each of several networks."""
    check(1, further_models=models)
    return [asked for model in models for asked in estimation(model=model, **common)]


def held_out(**common: Any) -> list[Trial]:
    """The trials of `estimation` with networks in folds, which give probabilities of images that they did not see."""
    return [dataclasses.replace(asked, method="cross-fitting") for asked in estimation(**common)]


def learner(plain: Trial, name: str) -> Trial:
    """The trial in which the method `name` learns T from the labels that a cross-entropy trial has.

    One that begins with T from an estimator reads it from that trial's fit; one with a warm start, as T-Revision has,
    goes on from that fit for half as many epochs.
    """
    recipe = method(name)
    asked = dataclasses.replace(plain, method=name, transition=recipe.starts_from)
    if not recipe.warm_start:
        return asked
    half = dataclasses.replace(plain.settings, epochs=-(-plain.settings.epochs // 2))
    return dataclasses.replace(asked, settings=half, base=plain.settings)


def arm(text: str) -> MethodAndT:
    """An arm from ``METHOD`` or ``METHOD, SOURCE``, such as "forward, true"; a method that needs T has the true one."""
    name, source = in_two(text)
    recipe = method(name)
    return name, source or ("true" if recipe.needs_transition and not recipe.learns_transition else None)


def correction(
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    models: Sequence[str],
    methods: Sequence[str],
    seeds: int,
    profile: str = "full",
) -> list[Trial]:
    """Cross-entropy and other methods on `noises`, with the settings that were chosen for each, and the clean ceiling.

    Args:
        dataset, noises, models: by name.
        methods: each ``METHOD`` or ``METHOD, SOURCE of its T``.
        seeds: independent runs of each.
        profile: as `trials.in_profile` takes it.

    Raises:
        InputError: a list is empty, there are too few seeds, or a name is not known.
    """
    check(seeds, noises=noises, models=models, methods=methods)
    check_compared(noises, methods)
    plain: MethodAndT = ("cross-entropy", None)
    cells = [("clean", plain), *itertools.product(noises, (plain, *map(arm, methods)))]
    return [
        chosen_trial(dataset=dataset, noise=noise, model=model, arm=each, seed=seed, profile=profile)
        for model in models
        for noise, each in cells
        for seed in range(seeds)
    ]


def chosen_trial(*, dataset: str, noise: str, model: str, arm: MethodAndT, seed: int, profile: str = "full") -> Trial:
    """An arm's trial with the settings that were chosen for it (see `tuning.chosen`)."""
    whole = tuning.Arm(dataset, noise, model, *arm)
    return in_profile(reported(whole, tuning.chosen(whole), seed), profile)


def reported(arm: tuning.Arm, choice: tuning.Choice, seed: int) -> Trial:
    """The trial with which a configuration of an arm is reported: a refit of one with a graph, and others as tuned."""
    asked = tuning.with_options(arm, choice).trial(arm, seed)
    return dataclasses.replace(asked, refit=True) if arm.method in WITH_GRAPH else asked


def forward_alone(trials: Iterable[Trial]) -> list[Trial]:
    """Each trial of cross-entropy and of forward correction, by whatever T."""
    return [asked for asked in dict.fromkeys(trials) if asked.method in ("cross-entropy", "forward")]


def wrong_transitions(*, distortions: Sequence[str], **common: Any) -> list[Trial]:
    """LeNet with forward correction by a T that is wrong in a known way, beside the true one and none.

    `common` are dataset, noises, seeds and profile, as `correction` takes them.
    """
    methods = ["forward, true", *(f"forward, true, {name}" for name in distortions)]
    return correction(models=["lenet"], methods=methods, **common)


def alike(
    settings: Settings,
    *,
    dataset: str = "fashion-mnist-3",
    noises: Sequence[str],
    model: str = "lenet",
    methods: Sequence[str] = ("cross-entropy", "forward, true"),
    seeds: int,
    profile: str = "full",
    refit: bool | None = None,
) -> list[Trial]:
    """Methods with the same settings for each, whatever was chosen for them; an estimated T is that of plain training.

    Args:
        settings: how each is trained.
        refit: whether they learn from the validation images too; the others are as `correction` takes them.

    Raises:
        InputError: a list is empty, there are too few seeds, or a name is not known.
    """
    check(seeds, noises=noises, methods=methods)
    trials = [
        tuning.Choice(settings).trial(tuning.Arm(dataset, noise, model, *each), seed)
        for noise, each in itertools.product(noises, map(arm, methods))
        for seed in range(seeds)
    ]
    return [in_profile(dataclasses.replace(asked, refit=refit), profile) for asked in trials]


def modern(*, dataset: str = "fashion-mnist-3", model: str = "lenet", **common: Any) -> list[Trial]:
    """Methods in modern training, which is that of graph-guided training; `common` as `alike` takes it."""
    return alike(protocol(dataset, model, OURS), dataset=dataset, model=model, refit=True, **common)


def of_lengths(lengths: Sequence[int], **common: Any) -> list[Trial]:
    """Cross-entropy and forward correction by the true T in trainings of so many epochs, all else as in `LONG`.

    `common` are dataset, noises, seeds and profile, as `alike` takes them.
    """
    check(1, lengths=lengths)
    settings = [dataclasses.replace(LONG, epochs=number) for number in lengths]
    return [asked for each in settings for asked in alike(each, **common)]


def warm_starts(*, dataset: str, noises: Sequence[str], epochs: Sequence[int], seeds: int, profile: str) -> list[Trial]:
    """LeNet with so many epochs of forward correction, by the true T, after the cross-entropy fit."""
    check(seeds, noises=noises, warm_epochs=epochs)
    short = protocol(dataset, "lenet")
    common: dict[str, Any] = {"dataset": dataset, "methods": ["forward-warm, true"], "seeds": seeds, "profile": profile}
    return [
        asked
        for noise, number in itertools.product(noises, epochs)
        for asked in alike(dataclasses.replace(short, epochs=number), noises=[noise], **common)
    ]


def ablation(*, dataset: str = "fashion-mnist-3", **common: Any) -> list[Trial]:
    """LeNet with graph-guided training by the true T, and with a part of it left out; `common` as `modern` takes it.

    Left out are what the graph compares, with a graph of pixels in its place; the images that it is validated on; and
    augmented images with averaged weights. What it is without the graph, `modern` has.
    """
    default = tuning.untuned(tuning.Arm(dataset, "", "lenet", OURS, "true")).options
    trials = []
    for whole in modern(dataset=dataset, methods=[f"{OURS}, true"], **common):
        bare = dataclasses.replace(whole.settings, augmentation=None, averaging=None)
        trials += [
            whole,
            dataclasses.replace(whole, method="graph-forward", options=default),
            dataclasses.replace(whole, refit=None),
            dataclasses.replace(whole, settings=bare),
        ]
    return trials


def of_plain_training(methods: Sequence[str]) -> list[str]:
    """Those of the methods that plain training has too, which has no graph; if it has none, forward correction."""
    return [name for name in methods if arm(name)[0] not in WITH_GRAPH] or ["forward, true"]


def number_formats(
    *, dataset: str = "fashion-mnist-3", noises: Sequence[str], models: Sequence[str], seeds: int, profile: str = "full"
) -> list[Trial]:
    """Cross-entropy in bfloat16 and in float32, the rest of the default settings being the same."""
    check(seeds, precision_noises=noises, models=models)
    common: dict[str, Any] = {"dataset": dataset, "noises": noises, "seeds": seeds, "profile": profile}
    found = []
    for model, form in itertools.product(models, ("bfloat16", "float32")):
        settings = dataclasses.replace(protocol(dataset, model), precision=form)
        found += alike(settings, model=model, methods=["cross-entropy"], **common)
    return found
