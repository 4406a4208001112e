"""A Dask cluster for tests, whose scheduler and workers are processes on this machine."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client

DASK = Path(sys.executable).with_name("dask")
LONG = 240  # seconds; nothing here takes that long unless the machine is busy with other work
# torch takes seconds to import, so workers that train are forked from a process that has done so.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["distributed.cli.dask_worker", "labelnoise.trials._running"])
WORKER = "from distributed.cli import dask_worker; dask_worker.main(options)"


def wait_until(condition, seconds=LONG):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


class Cluster:
    """A scheduler and workers, and a client of our own to look at them."""

    def __init__(self, folder, ending, *options):
        self.folder, self.ending, self.workers = folder, ending, []
        file = folder / "scheduler.json"
        where = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
        self.scheduler = self.start("scheduler", *where, *options)
        wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        self.client = ending.enter_context(Client(scheduler_file=str(file), timeout=LONG, set_as_default=False))
        self.address = self.client.scheduler.address
        # Without a nanny, which would start a killed one again.
        self.options = [self.address, "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]

    def start(self, role, *options):
        with open(self.folder / f"{role}.log", "ab") as log:
            process = subprocess.Popen([DASK, role, *options], stdout=log, stderr=log)
        self.ending.callback(end, process)
        return process

    def add_worker(self, *options):
        """One that need not train."""
        self.workers.append(self.start("worker", *self.options, *options))
        self.client.wait_for_workers(1, timeout=LONG)

    def have_workers(self, count):
        """Add workers that train, until there are as many."""
        for _ in range(count - len(self.client.nthreads())):
            process = FORKS.Process(target=exec, args=(WORKER, {"options": [*self.options, "--nthreads", "1"]}))
            process.start()
            self.ending.callback(end, process)
        wait_until(lambda: len(self.client.nthreads()) == count)

    def kill_a_worker_at_work(self):
        killed = next(worker for worker, tasks in self.client.processing().items() if tasks)
        os.kill(self.client.run(os.getpid)[killed], signal.SIGKILL)
        return killed

    def allow_failures(self, count):
        """How many workers may die with a trial before it is given up."""
        self.client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", count))

    def stop_workers(self):
        for worker in self.workers:
            end(worker)
        self.workers.clear()
        wait_until(lambda: not self.client.nthreads())


def end(process):
    process.kill()
    (process.join if hasattr(process, "join") else process.wait)()


@contextmanager
def started(folder, *options):
    with ExitStack() as ending:
        yield Cluster(folder, ending, "--no-dashboard", *options)
