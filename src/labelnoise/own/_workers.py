"""Trainings side by side: one process per core and one thread in each, on images that all of them share."""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing, nn

from labelnoise import _processes
from labelnoise._imports import imported, is_own
from labelnoise._threads import one_thread
from labelnoise.errors import InputError
from labelnoise.training import Split, Splits

SMALL_SET = 600  # images
MOST_PROCESSES = 4  # there are never many more trainings to be done at once
SHARED = Path("/dev/shm")  # where there is one, shared memory lies in it


@dataclass(frozen=True)
class Images:
    """A set as trainings take it: in one tensor, so that no part of it is copied.

    Attributes:
        noisy: to learn from and, behind `n_learned`, to choose by.
        n_learned: how many there are of the first kind.
    """

    noisy: Split
    n_learned: int

    @property
    def splits(self) -> Splits:
        """Its parts, on the same memory; nothing to test with, as that is for the end."""
        n = self.n_learned
        return Splits(self.noisy[:n], self.noisy[n:], self.nothing)

    @property
    def nothing(self) -> Split:
        """No images."""
        return self.noisy[:0]


Later = Callable[[], Any]  # gives what a task returned, once it has
Submit = Callable[..., Later]  # of a task, a function of `Images` and `after_epoch`, and of its other arguments


def found_device(name: str) -> str:
    """The device that a name stands for here.

    Raises:
        InputError: "cuda" where torch finds no GPU.
    """
    here = torch.cuda.is_available()
    if name == "cuda" and not here:
        raise InputError("There is no GPU here that torch can use for the device 'cuda'; use cpu, or auto.")
    return "cuda" if here and name == "auto" else name.replace("auto", "cpu")


def team_size(network: str, n_images: int) -> int:
    """How many processes train side by side if nobody says: few images are trained on before these have started."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if network == "lenet" and n_images < SMALL_SET else min(cores, MOST_PROCESSES)


@contextmanager
def side_by_side(images: Images, network: str, workers: int, after_epoch: Callable[[], None]) -> Iterator[Submit]:
    """Runs tasks in so many processes, or in this one; the result of a task is the same either way.

    Args:
        images: given to each task.
        network: as `network_maker` takes it.
        workers: processes; 1 for none beside this one.
        after_epoch: called in this process after each epoch of each training.
    """
    if workers > 1 and _fits(images):
        with _pool(images, network, workers, after_epoch) as submit:
            yield submit
        return
    with one_thread() if images.noisy.images.device.type == "cpu" else nullcontext():

        def submit(task: Callable[..., Any], *arguments: Any) -> Later:
            done = task(images, lambda _: after_epoch(), *arguments)
            return lambda: done

        yield submit


def _fits(images: Images) -> bool:
    """Whether there is shared memory for a set; in a container there may be next to none."""
    return not SHARED.is_dir() or shutil.disk_usage(SHARED).free > 1.1 * images.noisy.images.nbytes + 2**24


@contextmanager
def _pool(images: Images, network: str, workers: int, after_epoch: Callable[[], None]) -> Iterator[Submit]:
    for tensor in (images.noisy.images, images.noisy.noisy_labels, images.noisy.clean_labels):
        tensor.share_memory_()
    context: Any = multiprocessing.get_context("spawn")
    epochs = context.SimpleQueue()
    begin: tuple[Any, ...] = (images, network, epochs)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=begin)
    listener = threading.Thread(target=_listen, args=(epochs, after_epoch), daemon=True)
    listener.start()

    def submit(task: Callable[..., Any], *arguments: Any) -> Later:
        with _no_script():  # a task may start another process
            return partial(_result, pool.submit(_run, pickle.dumps((task, arguments))))

    try:
        yield submit
        pool.shutdown()
    except BaseException:
        # The listener is left to wait: a process that was ended may have held what others write to it through.
        _processes.stop(pool)
        raise
    epochs.put(False)
    listener.join()


def _result(pickled: Future[bytes]) -> Any:
    try:
        return pickle.loads(pickled.result())
    except BrokenProcessPool:
        raise InputError(
            "A process that trained was ended from outside, perhaps for lack of memory; use fewer images, or "
            "--workers 1."
        ) from None


@contextmanager
def _no_script() -> Iterator[None]:
    """While a process starts: it needs nothing of a user's script, and would run it again where it has no guard.

    Ctrl-C is not for it either, from its first moment on, and this process answers it as soon as the other has started.
    """
    main: dict[str, Any] = vars(sys.modules["__main__"])
    kept: dict[str, Any] = {name: main[name] for name in ("__spec__", "__file__") if name in main}
    main.update(dict.fromkeys(kept))
    try:
        with _ctrl_c_later():
            yield
    finally:
        main.update(kept)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back: a process that starts meanwhile never sees it, as it inherits what this thread blocks."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))  # as another thread may take it
    blocks = hasattr(signal, "pthread_sigmask")  # not on Windows
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if blocks else set()
    try:
        yield
    finally:
        if blocks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _listen(epochs: queue.SimpleQueue[bool], after_epoch: Callable[[], None]) -> None:
    while epochs.get():
        after_epoch()


_of_this_worker: list[Any] = []


def _begin(images: Images, network: str, epochs: queue.SimpleQueue[bool]) -> None:
    _processes.begin()
    if is_own(network):
        imported(network, "network")  # what it makes is unpickled by its module's name
    _of_this_worker[:] = [images, epochs]


def _run(pickled: bytes) -> bytes:
    images, epochs = _of_this_worker
    task, arguments = pickle.loads(pickled)

    def after_epoch(_: nn.Module) -> None:
        epochs.put(True)

    return pickle.dumps(task(images, after_epoch, *arguments))
