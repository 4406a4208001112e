"""Worker processes: Ctrl-C is their parent's to answer, and they end with it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures import Executor

from labelnoise._threads import take_one


def begin() -> None:
    """To be called in a worker before its first task; torch and BLAS take one thread there."""
    # Ctrl-C reaches the whole process group; only the parent answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    take_one()


def stop(pool: Executor) -> None:
    """End a pool and its processes at once, and no other children of this process."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _end_with_parent() -> None:
    """A parent that was killed outright can't stop its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
