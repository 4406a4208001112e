"""Running the trials that are missing, side by side."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import operator
import os
import signal
import statistics
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import torch

from labelnoise.errors import InputError
from labelnoise.training import method
from labelnoise.trials._ledger import Ledger
from labelnoise.trials._running import reread, run
from labelnoise.trials._trial import Record, Trial

# A trial seeds torch's global generator, so two in one process would mix their random numbers.
_ONE_AT_A_TIME = threading.Lock()


class SweepFailed(InputError):
    """Some trials failed; the others are on record."""


@dataclass(frozen=True)
class Progress:
    """Where a sweep stands.

    Attributes:
        done, failed, running, total: numbers of trials, those on record before not counted.
        seconds_left: an estimate, or None before the first trial is finished.
    """

    done: int
    failed: int
    running: int
    total: int
    seconds_left: float | None

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", about {duration(self.seconds_left)} left"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} trials done{failed}, {self.running} running{left}"


def duration(seconds: float) -> str:
    """Seconds for people: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def on_terminal(progress: Progress) -> None:
    """Show progress on stderr: one line that changes on a terminal, else a line for each change."""
    if sys.stderr.isatty():
        end = "\n" if progress.done + progress.failed == progress.total else ""
        print(f"\r\033[K{progress}", end=end, file=sys.stderr, flush=True)
    else:
        print(progress, file=sys.stderr, flush=True)


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group; only the parent answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed outright can't stop its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def _attempt(trial: Trial, given: Record | None, own_fit: Record | None) -> Record:
    """Run a trial; one whose weights are kept is only read by the estimators that are new since."""
    with _ONE_AT_A_TIME:
        start = time.perf_counter()
        try:
            return reread(own_fit) if own_fit else run(trial, given)
        except Exception:
            seconds = round(time.perf_counter() - start, 2)
            return Record(trial=trial, status="failed", seconds=seconds, traceback=traceback.format_exc())


def local_pool(workers: int) -> ProcessPoolExecutor:
    """Worker processes on this machine, one thread each."""
    context = multiprocessing.get_context("spawn")  # a forked process hangs in torch
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def with_prerequisites(trials: Iterable[Trial], recorded: Ledger | Sequence[Trial] = ()) -> list[Trial]:
    """The trials and those that they are given something by, each once, the latter first, without those on record."""
    ordered: dict[Trial, None] = {}
    for trial in trials:
        if trial not in recorded:
            needed = trial.prerequisite()
            ordered |= dict.fromkeys([*(with_prerequisites([needed], recorded) if needed else []), trial])
    # Those that others wait for start first.
    givers = {trial.prerequisite() for trial in ordered}
    return sorted(ordered, key=lambda trial: trial not in givers)


def missing(trials: Iterable[Trial], ledger: Ledger) -> list[Trial]:
    """Those of the trials and their prerequisites that are not on record, or whose weights are needed and gone."""
    unrecorded = with_prerequisites(trials, ledger)
    starts = [t for trial in unrecorded if method(trial.method).warm_start and (t := trial.prerequisite())]
    gone = [trial for trial in starts if trial in ledger and ledger.find_fit(trial) is None]
    return list(dict.fromkeys([*gone, *unrecorded]))


def sweep(
    trials: Sequence[Trial],
    ledger: Ledger,
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Record]:
    """Run the trials that are not on record, and return the records of all.

    Every finished trial is appended to the ledger at once, so a sweep that was stopped goes on
    where it was. A trial that needs another's estimate waits for that one.

    Args:
        trials: what to run.
        ledger: where records are looked up and appended.
        executor: any PEP 3148 executor; by default a pool of processes on this machine.
        workers: how many trials run at once; by default one a core.
        progress: called when a trial starts or ends.

    Returns:
        One record a trial, in the order of `trials`.

    Raises:
        SweepFailed: one or more trials failed; the message has the first one's error.
        KeyboardInterrupt: at Ctrl-C, with the workers stopped and finished trials kept.
    """
    todo = missing(trials, ledger)
    if todo:
        workers = min(workers or os.cpu_count() or 1, len(todo))
        pool = executor or local_pool(workers)
        try:
            failed = _run_all(todo, ledger, pool, workers, progress or (lambda _: None))
        except BaseException as error:
            if executor is None:
                _stop(pool)
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    "A worker process died, perhaps for want of memory; finished trials are on record, "
                    "so run the same command again, with fewer workers."
                ) from None
            raise
        if executor is None:
            pool.shutdown()
        if failed:
            last_line = failed[0].traceback.strip().splitlines()[-1]
            raise SweepFailed(
                f"{len(failed)} of {len(todo)} trials failed, the first with {last_line!r}; the tracebacks are "
                f"in {ledger.path}, and the others are on record."
            )
    return [found for trial in trials if (found := ledger.find(trial)) is not None]


def _stop(pool: Executor) -> None:
    processes = list((getattr(pool, "_processes", None) or {}).values())  # other children of this process stay
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _run_all(
    todo: list[Trial], ledger: Ledger, pool: Executor, workers: int, report: Callable[[Progress], None]
) -> list[Record]:
    waiting: dict[Trial, list[Trial]] = defaultdict(list)
    ready: list[Trial] = []
    unrecorded = set(todo)
    for trial in todo:
        needed = trial.prerequisite()
        if needed in unrecorded:
            waiting[needed].append(trial)
        else:
            ready.append(trial)

    running: dict[Future[Record], Trial] = {}
    failed: list[Record] = []
    epoch_seconds: dict[tuple[str, str], list[float]] = defaultdict(list)  # by data set and model
    done = 0

    def submit(trial: Trial) -> None:
        needed = trial.prerequisite()
        find = ledger.find_fit if method(trial.method).warm_start else ledger.find
        given = find(needed) if needed else None
        running[pool.submit(_attempt, trial, given, ledger.find_fit(trial))] = trial

    def tell() -> None:
        remaining = len(todo) - done - len(failed)
        every = [s for group in epoch_seconds.values() for s in group]
        left = None
        if every:
            of_each = (statistics.fmean(epoch_seconds.get((t.dataset, t.model)) or every) for t in unrecorded)
            epochs = (t.settings.epochs for t in unrecorded)
            left = sum(map(operator.mul, of_each, epochs)) / workers
        report(Progress(done, len(failed), min(workers, remaining), len(todo), left))

    for trial in ready:
        submit(trial)
    tell()
    while running:
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=lambda future: future.exception() is not None):
            trial = running.pop(future)
            record = future.result()
            if record.status == "done" and trial in ledger:
                ledger.keep_weights(record)
            else:
                ledger.append(record)
            unrecorded.discard(trial)
            dependents = waiting.pop(trial, [])
            if record.status == "done":
                done += 1
                epoch_seconds[trial.dataset, trial.model].append(record.seconds / trial.settings.epochs)
                for dependent in dependents:
                    submit(dependent)
            else:
                failed.append(record)
                while dependents:
                    dependent = dependents.pop()
                    dependents += waiting.pop(dependent, [])
                    unrecorded.discard(dependent)
                    failed.append(Record(trial=dependent, status="failed", traceback=record.traceback))
            tell()
    return failed
