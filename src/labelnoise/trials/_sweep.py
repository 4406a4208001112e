"""Running the trials that are missing, side by side."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from labelnoise._imports import is_own
from labelnoise._processes import stop
from labelnoise.errors import InputError
from labelnoise.trials._ideas import own_sources, with_hashes
from labelnoise.trials._ledger import Ledger
from labelnoise.trials._progress import Progress, Tally
from labelnoise.trials._workers import attempt, check_device, local_pool

if TYPE_CHECKING:
    from labelnoise.trials._trial import Record, Trial

# A trial, the record that it is given and its own fit where that is kept, to what will be its record.
Submit = Callable[["Trial", "Record | None", "Record | None"], Future["Record"]]


class SweepFailed(InputError):
    """Some trials failed; the others are on record."""


def missing(trials: Iterable[Trial], ledger: Ledger, estimators: Collection[str] = ()) -> list[Trial]:
    """The trials and prerequisites that no record serves, each once and prerequisites first.

    A record serves a trial that needs it if it holds the T that this one takes, and its weights are kept if it starts
    from these.

    Args:
        trials: what is asked for.
        ledger: where records are looked up.
        estimators: those whose T the records of the cross-entropy trials asked for must hold.

    Raises:
        InputError: an unknown estimator.
    """
    estimators = with_hashes(estimators)
    found: dict[Trial, None] = {}
    for asked in trials:
        trial: Trial | None = asked
        record = ledger.find(asked, estimators)
        chain: list[Trial] = []
        while trial and trial not in found and record is None:
            chain.append(trial)
            record, trial = _given(trial, ledger), trial.prerequisite()
        found |= dict.fromkeys(reversed(chain))
    # Those that others wait for start first.
    givers = {trial.prerequisite() for trial in found}
    return sorted(found, key=lambda trial: trial not in givers)


def _given(trial: Trial, ledger: Ledger) -> Record | None:
    """The record that a trial is given, with weights if it starts from these; None if it needs none, or lacks it."""
    from labelnoise.estimators import ESTIMATORS
    from labelnoise.training import method

    needed, source = trial.prerequisite(), trial.transition
    if needed is None:
        return None
    record = ledger.find(needed, [source] if source and (source in ESTIMATORS or is_own(source)) else [])
    if record is None or not method(trial.method).warm_start:
        return record
    fit = ledger.find_fit(needed)
    return dataclasses.replace(record, weights=fit.weights) if fit else None


def sweep(
    trials: Sequence[Trial],
    ledger: Ledger,
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    estimators: Collection[str] = (),
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> list[Record]:
    """Run the trials that are not on record, and return the records of all.

    Every finished trial is appended to the ledger at once, so a sweep that was stopped goes on
    where it was. A trial that needs another's estimate waits for that one.

    Args:
        trials: what to run.
        ledger: where records are looked up and appended.
        executor: any PEP 3148 executor; by default a pool of processes on this machine.
        workers: how many trials run at once; by default one per core.
        estimators: those whose T the records of cross-entropy trials must hold, the reader's own as ``module:name``
            among them; a trial on record without one of them is read again from its weights, or trained again where
            these are not kept.
        device: "cpu", or "cuda" for the GPU of each worker; the record says which.
        progress: called when a trial starts or ends.

    Returns:
        One record per trial, in the order of `trials`.

    Raises:
        SweepFailed: one or more trials failed; the message has the first one's error.
        InputError: an unknown estimator or device, no GPU, a ledger that can't be written, or a worker died.
        KeyboardInterrupt: at Ctrl-C, with the workers stopped and finished trials kept.
    """
    estimators = with_hashes(estimators)
    todo = missing(trials, ledger, estimators)
    if todo:
        ledger.check_writable()
        if executor is None:
            check_device(device)
        own = own_sources(todo, estimators)
        tally = Tally(todo, min(workers or os.cpu_count() or 1, len(todo)))
        with _pool(executor, tally.workers) as pool:
            run = partial(attempt, own=own, device=device)
            _run_all(todo, ledger, partial(pool.submit, run), own, tally, progress or (lambda _: None))
        if tally.failed:
            last_line = tally.failed[0].traceback.strip().splitlines()[-1]
            raise SweepFailed(
                f"{tally.progress().failed} of {len(todo)} trials failed, the first with {last_line!r}; "
                f"the tracebacks are in {ledger.path}, and the others are on record."
            )
    return [found for trial in trials if (found := ledger.find(trial, estimators)) is not None]


@contextmanager
def _pool(executor: Executor | None, workers: int) -> Iterator[Executor]:
    """Give the executor, or processes of our own, which end with the block and, after an exception, at once."""
    pool = executor or local_pool(workers)
    try:
        yield pool
    except BaseException as error:
        if executor is None:
            stop(pool)
        if isinstance(error, BrokenProcessPool):
            raise InputError(
                "A worker process died, perhaps for want of memory; finished trials are on record, "
                "so run the same command again, with fewer workers."
            ) from None
        raise
    if executor is None:
        pool.shutdown()


def _run_all(
    todo: Sequence[Trial],
    ledger: Ledger,
    submit: Submit,
    own: Sequence[str],
    tally: Tally,
    report: Callable[[Progress], None],
) -> None:
    """Begin each trial as soon as what it needs is on record, keep what comes of it, and count.

    Those that need a failed one never start. The reader's own estimators read a fit once it is kept, so that it is not
    lost if they fail.

    Raises:
        Exception: as the executor does where a worker or the cluster is lost.
    """
    wanted = set(todo)
    graph = TopologicalSorter({t: [needed] if (needed := t.prerequisite()) in wanted else [] for t in todo})
    graph.prepare()
    running: dict[Future[Record], Trial] = {}

    def begin_ready() -> None:
        for trial in graph.get_ready():
            running[submit(trial, _given(trial, ledger), ledger.find_fit(trial))] = trial

    begin_ready()
    report(tally.progress())
    while running:
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=lambda future: future.exception() is not None):
            trial, record = running.pop(future), future.result()
            ledger.keep(record)
            if record.complete and record.weights and not record.has(own):
                running[submit(trial, None, record)] = trial
            elif record.complete:
                tally.add(record, [trial])
                graph.done(trial)
                begin_ready()
            else:
                tally.add(record, _resting_on(trial, todo))
            report(tally.progress())


def _resting_on(trial: Trial, todo: Sequence[Trial]) -> set[Trial]:
    """A trial and those that need it, directly or not; `todo` has prerequisites first."""
    found = {trial}
    for other in todo:
        if other.prerequisite() in found:
            found.add(other)
    return found
