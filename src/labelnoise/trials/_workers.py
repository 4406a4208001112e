"""What a worker process does: it runs one trial at a time, and ends with its parent.

torch takes seconds to import, so only what workers are made of imports it here: where there can be one, a process
that does so once, and of which each worker is a copy.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from labelnoise._checks import check_choice
from labelnoise._processes import begin
from labelnoise.errors import InputError

if TYPE_CHECKING:
    from labelnoise.trials._trial import Record, Trial

_FORKS = sys.platform == "linux"  # elsewhere a copy of a process is not safe, or there is none

# A trial seeds torch's global generator, so two in one process would mix their random numbers.
_ONE_AT_A_TIME = threading.Lock()


def check_device(device: str) -> None:
    """Raise InputError unless trials can run on a device: "cpu", or "cuda" where torch finds a GPU."""
    if check_choice(device, "device", ("cpu", "cuda")) == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError("There is no GPU here that torch can use for the device 'cuda'; use cpu.")


def attempt(
    trial: Trial, given: Record | None, own_fit: Record | None, own: Sequence[str] = (), device: str = "cpu"
) -> Record:
    """Run a trial, whose record is a failed one if it raises an exception.

    Args:
        trial: what to run.
        given: the record that it needs, as `run` takes it.
        own_fit: a record of the trial itself with its weights: it is not trained again, but read by all estimators.
        own: the reader's own estimators that read it too, by their names with hashes.
        device: "cpu" or "cuda".
    """
    from labelnoise.trials import Record, _running

    with _ONE_AT_A_TIME:
        began = time.perf_counter()
        try:
            return _running.reread(own_fit, own, device) if own_fit else _running.run(trial, given, device)
        except Exception:
            seconds = round(time.perf_counter() - began, 2)
            return Record(trial=trial, status="failed", seconds=seconds, traceback=traceback.format_exc())


def local_pool(workers: int) -> ProcessPoolExecutor:
    """Worker processes on this machine, one thread each."""
    warm_up()
    # A copy of this process would hang in torch if it has used threads by then; the server has not.
    context: Any = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
    # The server's environment is that of when it was started.
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(dict(os.environ),))


def warm_up() -> None:
    """Begin, in the background, what workers need before their first trial; a second call does nothing.

    A command that is about to `sweep` may call it as soon as it knows this, and do something else meanwhile.
    """
    if _FORKS:
        from multiprocessing import forkserver  # not on Windows

        multiprocessing.get_context("forkserver").set_forkserver_preload(["labelnoise.trials._preloaded"])
        forkserver.ensure_running()


def _start(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    begin()
