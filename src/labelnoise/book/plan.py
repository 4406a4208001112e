"""What a chapter asks for, and what every chapter's parameters are checked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labelnoise._checks import check_choice
from labelnoise._imports import without_hash
from labelnoise.errors import InputError
from labelnoise.estimators import try_estimator
from labelnoise.names import in_parts
from labelnoise.training import METHODS, method
from labelnoise.transitions import check_rate
from labelnoise.trials import Trial, ideas, tuning

MOST_SEEDS = 1000  # beyond which to plan takes long, and to train takes years
KINDS = ("symmetric", "pair-flip", "instance")  # of noise that a rate draws


@dataclass(frozen=True)
class Plan:
    """What a chapter asks for.

    Attributes:
        groups: what trials are for, to the trials; a trial that is named twice in a group counts once.
        estimators: those whose T the chapter reads from its cross-entropy trials.
        besides: what it trains that is no trial, as a sentence; empty if nothing.
    """

    groups: Mapping[str, Sequence[Trial]] = field(default_factory=dict)
    estimators: Sequence[str] | None = None
    besides: str = ""

    def __post_init__(self) -> None:
        if self.estimators is not None:
            check(1, estimators=self.estimators)
        numbers = sorted({trial.n_classes for trial in self.trials}) or [3]
        for name, n_classes in itertools.product(self.estimators or (), numbers):
            try_estimator(name, n_classes)
        once = {name: list(dict.fromkeys(trials)) for name, trials in self.groups.items()}
        object.__setattr__(self, "groups", once)

    @property
    def trials(self) -> list[Trial]:
        """The trials of all groups, each once."""
        return merged([self])


def merged(plans: Iterable[Plan]) -> list[Trial]:
    """The trials of several plans, each once."""
    return list(dict.fromkeys(trial for plan in plans for group in plan.groups.values() for trial in group))


def by_estimators(plans: Iterable[Plan]) -> list[tuple[list[Trial], frozenset[str]]]:
    """The trials of the plans that ask for the same estimators, each once, with these.

    So a record is asked for no estimator but those of the chapters that read it.
    """
    alike: dict[frozenset[str], list[Plan]] = {}
    for plan in plans:
        alike.setdefault(frozenset(plan.estimators or ()), []).append(plan)
    return [(merged(group), estimators) for estimators, group in alike.items()]


def check_publishable(plan: Plan) -> None:
    """Refuse what stays with the reader who made it.

    Raises:
        InputError: the plan has an own loss or estimator.
    """
    if own := ideas(plan.trials, plan.estimators or ()):
        raise InputError(
            f"{without_hash(own[0])} is your own and stays under runs/; run the chapter without --publish, or make it "
            "a part of the book as CONTRIBUTING.md says."
        )


def check(seeds: int, **lists: Sequence[object]) -> None:
    """Refuse fewer seeds than one or very many, and lists without an item.

    Raises:
        InputError: one of these.
    """
    if seeds < 1:
        raise InputError(f"A chapter needs at least one seed, not {seeds}.")
    if seeds > MOST_SEEDS:
        raise InputError(f"A chapter takes at most {MOST_SEEDS:,} seeds, not {seeds}.")
    for name, values in lists.items():
        if not values:
            raise InputError(f"{name} is empty; pass at least one.")


def parted(estimators: Sequence[str]) -> tuple[list[str] | None, list[str]]:
    """The names of estimators that read T from a fit, None without any, and of methods that learn it themselves."""
    learners = [name for name in estimators if name in METHODS and METHODS[name].learns_transition]
    check(1, estimators=estimators)
    return [name for name in estimators if name not in learners] or None, learners


def drawn(noises: Sequence[str], noise_rates: Sequence[float], noise_kind: str) -> list[str]:
    """The noises by name: those that are named or, where rates are given, noise of a kind at these rates.

    Raises:
        InputError: a rate outside [0, 1], an unknown kind, or one other than the default without a rate.
    """
    check_choice(noise_kind, "noise_kind", KINDS)
    if noise_kind != KINDS[0] and not noise_rates:  # the first is the default, which nobody may have asked for
        raise InputError(
            f"The noise_kind {noise_kind} is drawn at noise_rates, of which there are none; pass some, such as [0.2]."
        )
    return [f"{noise_kind}-{check_rate(rate)}" for rate in noise_rates] or list(noises)


def rated(noises: Iterable[str]) -> list[str]:
    """The noises, each of which has a rate that it can be drawn at.

    Raises:
        InputError: one of another kind.
    """
    noises = list(noises)
    for noise in noises:
        kind, rate, _ = in_parts(noise)
        if kind not in KINDS or not rate:
            kinds = ", ".join(f"{kind}-RATE" for kind in KINDS)
            raise InputError(f"Noise {noise} has no rate to be drawn at; use {kinds}.")
    return noises


def check_compared(noises: Sequence[str], methods: Sequence[str]) -> None:
    """Refuse what every comparison has by itself: clean labels, and cross-entropy.

    Raises:
        InputError: they are among the noises or the methods.
    """
    if "clean" in noises:
        raise InputError("clean is what noisy labels are compared with; leave it out of noises.")
    if "cross-entropy" in methods:
        raise InputError("cross-entropy is what every method is compared with; leave it out of methods.")


def check_learners(names: Sequence[str]) -> Sequence[str]:
    """The names of methods that learn T.

    Raises:
        InputError: one that learns none, or an unknown method.
    """
    for name in names:
        if not method(name).learns_transition:
            known = ", ".join(each for each, recipe in METHODS.items() if recipe.learns_transition)
            raise InputError(f"{name} learns no T and can't be among the learners; use some of: {known}.")
    return names


def check_tuned(noises: Sequence[str], models: Sequence[str]) -> None:
    """Refuse networks and noises whose tries are not on record.

    Raises:
        InputError: one of these, or an empty list.
    """
    check(1, noises=noises, models=models)
    known = {(arm.model, arm.noise) for arm in tuning.arms()}
    for model, noise in itertools.product(models, noises):
        if (model, noise) not in known:
            listed = ", ".join(f"{m} on {n}" for m, n in sorted(known))
            raise InputError(f"{model} was not tuned on {noise}; use {listed}, or run benchmarks/tuning.py first.")


def check_path(path: Path) -> None:
    """Refuse a file or folder that is not there.

    Raises:
        InputError: there is none.
    """
    if not path.exists():
        raise InputError(f"There is no file {path}.")
