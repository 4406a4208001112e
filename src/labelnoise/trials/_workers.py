"""What a worker process does: it runs one trial at a time, and ends with its parent.

torch takes seconds to import, so only workers import it here, once each, when they start.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelnoise.trials._trial import Record, Trial

# A trial seeds torch's global generator, so two in one process would mix their random numbers.
_ONE_AT_A_TIME = threading.Lock()


def attempt(trial: Trial, given: Record | None, own_fit: Record | None, own: Sequence[str] = ()) -> Record:
    """Run a trial, whose record is a failed one if it raises an exception.

    Args:
        trial: what to run.
        given: the record that it needs, as `run` takes it.
        own_fit: a record of the trial itself with its weights: it is not trained again, but read by all estimators.
        own: the reader's own estimators that read it too, by their names with hashes.
    """
    from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
    from labelnoise.trials import Record, _ideas, _running

    with _ONE_AT_A_TIME:
        start = time.perf_counter()
        try:
            if own_fit is None:
                return _running.run(trial, given)
            if not own or not own_fit.has([*ESTIMATORS, *FEATURE_ESTIMATORS]):
                own_fit = _running.reread(own_fit)
            return _ideas.with_own(own_fit, own) if own else own_fit
        except Exception:
            seconds = round(time.perf_counter() - start, 2)
            return Record(trial=trial, status="failed", seconds=seconds, traceback=traceback.format_exc())


def local_pool(workers: int) -> ProcessPoolExecutor:
    """Worker processes on this machine, one thread each."""
    context = multiprocessing.get_context("spawn")  # a forked process hangs in torch
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start)


def stop(pool: Executor) -> None:
    """End a pool and its processes at once, and no other children of this process."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _start() -> None:
    # Ctrl-C reaches the whole process group; only the parent answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """A parent that was killed outright can't stop its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
