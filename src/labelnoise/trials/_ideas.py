"""T by estimators of a reader's own, beside the others in the records of a reader's own runs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from labelnoise._imports import is_own, pinned, without_hash
from labelnoise.estimators import estimator

if TYPE_CHECKING:
    from labelnoise.trials._trial import Record, Trial

Value = TypeVar("Value")


def with_hashes(estimators: Iterable[str]) -> list[str]:
    """The names as records have them: those of own estimators with the hash of their source.

    Raises:
        InputError: an estimator that there is not.
    """
    names = list(estimators)
    for name in names:
        estimator(name)
    return [pinned(name, "estimator") if is_own(name) else name for name in names]


def ideas(trials: Iterable[Trial], estimators: Iterable[str] = ()) -> list[str]:
    """The own losses and estimators that trials are made of, and those among the estimators, each once."""
    return _own(itertools.chain(*((trial.method, trial.transition) for trial in trials), estimators))


def own_sources(trials: Iterable[Trial], estimators: Iterable[str] = ()) -> list[str]:
    """The `ideas` that are estimators, whose T is read from a cross-entropy fit."""
    return _own(itertools.chain((trial.transition for trial in trials), estimators))


def _own(names: Iterable[str | None]) -> list[str]:
    """The names among these that stand for own code, each once."""
    return list(dict.fromkeys(name for name in names if name and is_own(name)))


def shown(record: Record, estimators: Collection[str] = ()) -> Record:
    """The record as a page shows it: T of own estimators only if they are asked for, under names without a hash.

    Args:
        record: of any trial.
        estimators: those asked for, as their authors write them.

    Raises:
        InputError: an own estimator that there is not.
    """
    if not any(is_own(name) for name in record.transition_matrices):
        return record
    kept = {*with_hashes(estimators), record.trial.method}

    def of(found: Mapping[str, Value]) -> dict[str, Value]:
        return {without_hash(name): each for name, each in found.items() if not is_own(name) or name in kept}

    return dataclasses.replace(
        record, transition_matrices=of(record.transition_matrices), deviations=of(record.deviations)
    )
