"""What ``labelnoise`` does with the book: a module for each command, and what several of them take."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from labelnoise.trials import (
    Ledger,
    Trial,
    check_device,
    duration,
    epoch_costs,
    expected_seconds,
    missing,
    relative_speed,
)


def add_where(command: argparse.ArgumentParser) -> None:
    """The arguments that say where trials run."""
    where = command.add_mutually_exclusive_group()
    where.add_argument("--workers", type=positive, help="how many trials at once (default one per core)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="run them on this Dask cluster: tcp://host:port")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what trains (default cpu)")


@contextmanager
def where_to_run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Where trials are to run, as `trials.sweep` takes it."""
    if options.scheduler is None:
        check_device(options.device)
        yield {"workers": options.workers, "device": options.device}
    else:
        from labelnoise.trials import cluster

        with cluster.connect(options.scheduler) as (executor, workers):
            yield {"executor": executor, "workers": workers, "device": options.device}


def forecast(trials: Sequence[Trial], ledger: Ledger, estimators: Collection[str], workers: int | None) -> str:
    """How many trials are on record and how many are to be trained, and about how long that takes on this machine."""
    todo = missing(trials, ledger, estimators)
    text = f"{len(set(trials) - set(todo))} of {len(trials)} trials are on record in {ledger.path}."
    if not todo:
        return text
    records = [*ledger, *(ledger.base or ())]
    speeds = {model: relative_speed(model, records) for model in {trial.model for trial in todo}}
    count = min(workers or os.cpu_count() or 1, len(todo))
    seconds = expected_seconds(todo, epoch_costs(records), speeds) / count
    return f"{text} To train, with what they need: {len(todo)}, about {duration(seconds)} with {count} at once."


def positive(text: str) -> int:
    """A whole number from 1 up."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return value
