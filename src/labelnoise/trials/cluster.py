"""Where a sweep runs on many machines: the workers of a Dask cluster.

The scheduler loads this module too. It would not answer while it loads torch, long enough to be
taken for dead on a busy machine, so this is loaded where it is needed, and trials travel as bytes.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import labelnoise
from labelnoise import trials
from labelnoise.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

ANSWER_SECONDS = 5  # within which a scheduler must answer
PATIENCE_SECONDS = 60  # without any worker, before a sweep is given up
KEPT_BYTES = {-1: 2**30, -3: 2**25}  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, see mallopt(3)
GO_ON = "finished trials are on record, so run the same command again to go on"


def versions() -> dict[str, str]:
    """What must be the same on all machines for their records to stand in one ledger."""
    import torch

    return {"labelnoise": labelnoise.__version__, "protocol": str(trials.PROTOCOL_VERSION), "torch": torch.__version__}


def _compare(worker: str, there: Mapping[str, str], here: Mapping[str, str]) -> None:
    for name, version in here.items():
        if there.get(name) != version:
            raise InputError(
                f"The worker {worker} has {name} {there.get(name)} but this machine has {version}; "
                "install the same there and start the worker again."
            )


def _run(here: Mapping[str, str], call: bytes) -> Any:
    """What a worker runs; it may have joined after the others were asked for their versions."""
    from distributed import get_worker

    _compare(get_worker().address, versions(), here)
    # Dask has every training step return its memory, and the next one fetch it again, so that trials take half as long
    # again. It does so by a setting that only glibc has; elsewhere there is nothing to undo.
    with suppress(AttributeError, OSError, TypeError):
        for option, limit in KEPT_BYTES.items():
            ctypes.CDLL(None).mallopt(option, limit)
    function, args, kwargs = pickle.loads(call)
    return function(*args, **kwargs)


class _Workers(Executor):
    """Dask's executor, whose futures can be ended from here: it leaves one pending if the result can't be fetched."""

    def __init__(self, client: Client) -> None:
        self.client, self.executor = client, client.get_executor(pure=False)
        self.pending: set[Future[Any]] = set()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = self.executor.submit(_run, versions(), pickle.dumps((function, args, kwargs)))
        self.pending.add(future)
        future.add_done_callback(self.pending.discard)
        return future

    def watch(self, ended: threading.Event) -> None:
        """End the waiting for what can't come any more."""
        seen = time.monotonic()
        while not ended.wait(1):
            with suppress(Exception):  # a scheduler that does not answer now may do so later
                if self.client.sync(cast(Any, self.client.scheduler).ncores, callback_timeout=ANSWER_SECONDS):
                    seen = time.monotonic()
            if self.client.status != "running" or time.monotonic() - seen > PATIENCE_SECONDS:
                for future in list(self.pending):
                    with suppress(InvalidStateError):  # it has ended
                        future.set_exception(CancelledError())


def _check_workers(address: str) -> int:
    """How many workers there are; asked first, because a client may wait for ever where no scheduler is."""
    from distributed import Security, rpc

    async def ask() -> dict[str, int]:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            return cast(dict[str, int], await asyncio.wait_for(scheduler.ncores(), ANSWER_SECONDS))

    try:
        threads = asyncio.run(ask())  # of each worker
    except Exception as error:  # a server of another kind may answer anything
        reason = " ".join(str(error).split()) or "no answer"
        raise InputError(
            f"There is no Dask scheduler at {address!r} ({reason}); pass the address that `dask scheduler` shows, "
            "such as tcp://host:8786."
        ) from None
    if not threads:
        raise InputError(f"The scheduler at {address} has no workers; start some: dask worker {address} --nthreads 1")
    for worker, n in threads.items():
        if n != 1:
            raise InputError(
                f"The worker {worker} has {n} threads, and trials in one process would mix their random numbers; "
                "start workers with --nthreads 1, one a core."
            )
    return len(threads)


def _check_versions(client: Client) -> None:
    try:
        client.run_on_scheduler(_compare, "", {}, {})  # anything that is loaded from here
    except ImportError as error:
        raise InputError(f"The scheduler can't load labelnoise ({error}); install it there too.") from None
    for worker, there in client.run(versions, on_error="return").items():
        if isinstance(there, Exception):
            raise InputError(f"The worker {worker} can't load labelnoise ({there}); install it there too.")
        _compare(worker, there, versions())


def _lost(address: str) -> InputError:
    return InputError(
        f"The cluster at {address} is lost: its scheduler is gone, or has had no workers for {PATIENCE_SECONDS} "
        f"seconds; {GO_ON}."
    )


@contextmanager
def connect(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a Dask cluster, as an executor for `sweep`, and their number.

    Args:
        address: of its scheduler, such as ``tcp://host:8786``.

    Raises:
        InputError: Dask is not installed, there is no scheduler or no worker, a worker does not fit,
            or the cluster is lost while it is used.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError:
        raise InputError("Dask is not installed, which a cluster needs: pip install 'labelnoise[cluster]'") from None
    for name in ("distributed", "distributed.client", "tornado.application", "concurrent.futures"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # of the tracebacks we make a sentence
    count = _check_workers(address)
    try:
        client = Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except OSError:
        raise _lost(address) from None
    ended = threading.Event()
    try:
        _check_versions(client)
        workers = _Workers(client)
        threading.Thread(target=workers.watch, args=(ended,), daemon=True).start()
        yield workers, count
    except InputError:
        raise
    except KilledWorker as error:
        raise InputError(
            f"A trial was given up, because each worker that had it died, {error.allowed_failures + 1} in all, perhaps "
            f"for want of memory; {GO_ON}."
        ) from None
    except Exception as error:
        if isinstance(error, CancelledError | CommClosedError) or client.status != "running":
            raise _lost(address) from None
        raise
    finally:
        ended.set()
        with suppress(Exception):
            client.close(2)  # with it go the trials that wait
