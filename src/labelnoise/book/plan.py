"""What a chapter asks for, and what every chapter's parameters are checked for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.transitions import check_rate
from labelnoise.trials import Trial, tuning

KINDS = ("symmetric", "pair-flip", "instance")  # of noise that a rate draws


@dataclass(frozen=True)
class Plan:
    """What a chapter asks for.

    Attributes:
        groups: what trials are for, to the trials; a trial that is named twice in a group counts once.
        estimators: those whose T the chapter reads from its cross-entropy trials.
    """

    groups: Mapping[str, Sequence[Trial]] = field(default_factory=dict)
    estimators: Sequence[str] | None = None

    def __post_init__(self) -> None:
        known = [*ESTIMATORS, *FEATURE_ESTIMATORS]
        if self.estimators is not None:
            check(1, estimators=self.estimators)
        for name in self.estimators or ():
            if name not in known:
                raise InputError(f"Unknown estimator {name!r}; use one of: {', '.join(known)}.")
        once = {name: list(dict.fromkeys(trials)) for name, trials in self.groups.items()}
        object.__setattr__(self, "groups", once)

    @property
    def trials(self) -> list[Trial]:
        """Those of all groups, each once."""
        return list(dict.fromkeys(itertools.chain(*self.groups.values())))


def check(seeds: int, **lists: Sequence[object]) -> None:
    """Refuse fewer seeds than one, and lists without an item.

    Raises:
        InputError: one of these.
    """
    if seeds < 1:
        raise InputError(f"A chapter needs at least one seed, not {seeds}.")
    for name, values in lists.items():
        if not values:
            raise InputError(f"{name} is empty; pass at least one.")


def drawn(noises: Sequence[str], noise_rates: Sequence[float], noise_kind: str) -> list[str]:
    """The noises by name: those that are named or, where rates are given, noise of a kind at these rates.

    Raises:
        InputError: a rate outside [0, 1], or an unknown kind.
    """
    if noise_kind not in KINDS:
        raise InputError(f"Unknown noise_kind {noise_kind!r}; use one of: {', '.join(KINDS)}.")
    return [f"{noise_kind}-{check_rate(rate)}" for rate in noise_rates] or list(noises)


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
