"""Where a sweep runs on many machines: Dask's executor, whose failures are told in a sentence each."""

from __future__ import annotations

import asyncio
import ctypes
import importlib.metadata
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Any

import labelnoise
from labelnoise import trials
from labelnoise.errors import InputError

try:
    from distributed import Client, KilledWorker, Security, get_worker, rpc
    from distributed.comm.core import CommClosedError
except ImportError:
    raise InputError("Dask is not installed, which a cluster needs: pip install 'labelnoise[cluster]'") from None

ANSWER_SECONDS = 5  # within which a scheduler must answer
PATIENCE_SECONDS = 60  # without any worker, before a sweep is given up
KEPT_BYTES = {-1: 2**30, -3: 2**25}  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, see mallopt(3)
GO_ON = "finished trials are on record, so run the same command again to go on."


def versions() -> dict[str, str]:
    """What must be the same on all machines for their records to stand in one ledger."""
    torch = importlib.metadata.version("torch")  # a scheduler that loads torch would not answer meanwhile
    return {"labelnoise": labelnoise.__version__, "protocol": str(trials.PROTOCOL_VERSION), "torch": torch}


def _run(here: Mapping[str, str], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a worker runs, which may have joined at any time."""
    there = versions()
    for name, version in here.items():
        if there[name] != version:
            raise InputError(
                f"The worker {get_worker().address} has {name} {there[name]} but this machine has {version}; "
                "install the same there and start the worker again."
            )
    # Dask has every training step return its memory, and the next one fetch it again, so that trials take half as long
    # again. It does so by a setting that only glibc has; elsewhere there is nothing to undo.
    with suppress(AttributeError, OSError, TypeError):
        for option, limit in KEPT_BYTES.items():
            ctypes.CDLL(None).mallopt(option, limit)
    return function(*args, **kwargs)


class _Workers(Executor):
    """Dask's executor, whose futures end here too: it leaves those pending for ever whose results can't come."""

    def __init__(self, client: Client) -> None:
        self.client, self.executor = client, client.get_executor(pure=False)
        self.pending: set[Future[Any]] = set()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = self.executor.submit(_run, versions(), function, *args, **kwargs)
        self.pending.add(future)
        future.add_done_callback(self.pending.discard)
        return future

    def watch(self, ended: threading.Event) -> None:
        while not ended.wait(1):
            try:
                self.client.sync(self.client.wait_for_workers, 1, callback_timeout=PATIENCE_SECONDS)
            except Exception:  # there are none, or the scheduler is gone or does not answer
                for future in list(self.pending):
                    with suppress(InvalidStateError):  # it has ended
                        future.set_exception(CancelledError())


def _connected(address: str) -> tuple[Client, int]:
    """A client of the scheduler, and how many workers this has."""

    async def ask() -> dict[str, int]:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            return await asyncio.wait_for(scheduler.ncores(), ANSWER_SECONDS)

    try:
        threads = asyncio.run(ask())  # of each worker; a client may wait for ever where no scheduler is
        client = Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except Exception as error:  # a server of another kind may answer anything
        reason = " ".join(str(error).split()) or "no answer"
        raise InputError(
            f"There is no Dask scheduler at {address!r} ({reason}); pass the address that `dask scheduler` shows, "
            "such as tcp://host:8786."
        ) from None
    if {*threads.values()} != {1}:
        client.close(2)
        raise InputError(
            f"The scheduler at {address} needs workers of one thread each, as two trials in one process would mix "
            f"their random numbers, but has {threads or 'none'}; start some: dask worker {address} --nthreads 1"
        )
    return client, len(threads)


@contextmanager
def connect(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a Dask cluster, as an executor for `sweep`, and their number.

    Args:
        address: of its scheduler, such as ``tcp://host:8786``.

    Raises:
        InputError: there is no scheduler or no worker, a worker does not fit, or the cluster is lost while it is used.
    """
    for name in ("distributed", "distributed.client", "tornado.application", "concurrent.futures"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # of the tracebacks we make a sentence
    client, count = _connected(address)
    ended, workers = threading.Event(), _Workers(client)
    try:
        try:
            client.run_on_scheduler(versions)
            client.run(versions)
        except Exception as error:  # as whatever Dask hands it on
            raise InputError(
                f"A machine of the cluster can't load labelnoise ({error}); install it there too."
            ) from None
        threading.Thread(target=workers.watch, args=(ended,), daemon=True).start()
        yield workers, count
    except KilledWorker as error:
        raise InputError(
            f"A trial was given up, because each worker that had it died, {error.allowed_failures + 1} in all, perhaps "
            f"for want of memory; {GO_ON}"
        ) from None
    except Exception as error:
        lost = isinstance(error, CancelledError | CommClosedError) or client.status != "running"
        if isinstance(error, InputError) or not lost:
            raise
        raise InputError(
            f"The cluster at {address} is lost: its scheduler is gone, or has had no workers for {PATIENCE_SECONDS} "
            f"seconds; {GO_ON}"
        ) from None
    finally:
        ended.set()
        with suppress(Exception):
            client.close(2)  # with it go the trials that wait
