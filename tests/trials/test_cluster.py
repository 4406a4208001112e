"""The same sweep on a Dask cluster, whose scheduler and workers are processes on this machine."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from distributed import Client

from labelnoise import cli
from labelnoise.book import parameters
from labelnoise.errors import InputError
from labelnoise.trials import Ledger, SweepFailed, cluster, run, sweep
from labelnoise.trials import _sweep as sweeping

DASK = Path(sys.executable).with_name("dask")
LONG = 240  # seconds; nothing here takes that long unless the machine is busy with other work


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

    def start(self, role, *options):
        with open(self.folder / f"{role}.log", "ab") as log:
            process = subprocess.Popen([DASK, role, "--no-dashboard", *options], stdout=log, stderr=log)
        self.ending.callback(end, process)
        return process

    def add_workers(self, count, *options):
        """Without a nanny, which would start a killed one again."""
        folder = ("--local-directory", self.folder)
        self.workers += [self.start("worker", self.address, "--no-nanny", *folder, *options) for _ in range(count)]
        self.client.wait_for_workers(count, timeout=LONG)

    def stop_workers(self):
        for worker in self.workers:
            end(worker)
        self.workers.clear()


def end(process):
    process.kill()
    process.wait()


@contextmanager
def started(folder, *options):
    with ExitStack() as ending:
        yield Cluster(folder, ending, *options)


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """Two workers, of which one test kills one."""
    with started(tmp_path_factory.mktemp("dask")) as own:
        own.add_workers(2, "--nthreads", "1")
        yield own


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    with started(tmp_path_factory.mktemp("bare")) as own:
        yield own


@pytest.fixture
def bare(scheduler):
    """A scheduler to which a test may add workers."""
    yield scheduler
    scheduler.stop_workers()
    wait_until(lambda: not scheduler.client.nthreads())


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials.jsonl")


@pytest.fixture
def reproduce(tmp_path, monkeypatch, tiny, capsys):
    """Runs the command on a book of six trials, and returns the one sentence that it ends with."""
    trials = [tiny(seed=seed) for seed in range(6)]
    monkeypatch.setattr(parameters, "planned", lambda name: trials)

    def run_command(address, progress=lambda progress: None):
        monkeypatch.setattr(sweeping, "on_terminal", progress)
        assert cli.main(["reproduce", "--fresh", str(tmp_path), "--scheduler", address]) == 2
        (sentence,) = capsys.readouterr().err.splitlines()
        return sentence

    return run_command


def finished(path):
    """The keys of the finished trials, as often as they are on record."""
    return re.findall(r'^\{"key": "(\w+)".*"status": "done"', path.read_text(), flags=re.MULTILINE)


# What comes back.


def test_a_worker_that_is_killed_loses_no_trial(dask, ledger, tiny):
    trials = [tiny(seed=seed) for seed in range(6)]
    trials += [tiny(seed=seed, method="forward", transition="anchor-97") for seed in range(2)]
    pids = dask.client.run(os.getpid)
    killed = []

    def kill_one_at_work(progress):
        if progress.done and not killed:
            killed.append(next(worker for worker, tasks in dask.client.processing().items() if tasks))
            os.kill(pids[killed[0]], signal.SIGKILL)

    with cluster.connect(dask.address) as (executor, workers):
        assert workers == 2
        records = sweep(trials, ledger, executor, workers=workers, progress=kill_one_at_work)
    assert dask.client.nthreads().keys() == pids.keys() - set(killed)
    assert [record.trial for record in records] == trials
    assert sorted(finished(ledger.path)) == sorted(trial.key for trial in trials)
    for record in records[5:7]:
        here = run(record.trial, ledger.find(record.trial.prerequisite()) if record.trial.prerequisite() else None)
        assert (record.weights_sha256, record.history) == (here.weights_sha256, here.history)


def test_a_trial_that_fails_on_a_worker_is_on_record_and_the_others_finish(dask, ledger, tiny):
    good = [tiny(seed=seed) for seed in (0, 1)]
    bad = tiny(seed=2, settings=dataclasses.replace(good[0].settings, batch_size=2**70))  # more than torch can count
    with (
        cluster.connect(dask.address) as (executor, workers),
        pytest.raises(SweepFailed, match=f"1 of 3 trials failed.* are in {ledger.path}"),
    ):
        sweep([bad, *good], ledger, executor, workers=workers)
    assert sorted(finished(ledger.path)) == sorted(trial.key for trial in good)
    (failed,) = [line for line in ledger.path.read_text().splitlines() if '"status": "failed"' in line]
    assert bad.key in failed
    assert "Traceback" in failed


# What is refused.


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "tcp://127.0.0.1:1", "http://127.0.0.1:80"])
def test_an_address_of_no_scheduler(reproduce, monkeypatch, address):
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1)
    assert reproduce(address).startswith(f"labelnoise: There is no Dask scheduler at {address!r} (")


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.org ESMTP\r\n"], ids=["silence", "a greeting"])
def test_a_server_of_another_kind(reproduce, monkeypatch, answer):
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        greeted = thread.submit(lambda: server.accept()[0])
        greeted.add_done_callback(lambda accepted: accepted.result().sendall(answer))
        assert reproduce(address).startswith(f"labelnoise: There is no Dask scheduler at {address!r} (")
        greeted.result().close()


def test_dask_is_not_installed(reproduce, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert reproduce("tcp://127.0.0.1:8786").endswith("pip install 'labelnoise[cluster]'")


def test_no_workers(bare, reproduce):
    assert reproduce(bare.address) == (
        f"labelnoise: The scheduler at {bare.address} has no workers; "
        f"start some: dask worker {bare.address} --nthreads 1"
    )


def test_a_worker_with_two_threads(bare, reproduce):
    bare.add_workers(1, "--nthreads", "2")
    (worker,) = bare.client.nthreads()
    sentence = reproduce(bare.address)
    assert sentence.startswith(f"labelnoise: The worker {worker} has 2 threads, ")
    assert "start workers with --nthreads 1" in sentence


def preload_without_labelnoise(folder):
    """A file that makes a process of Dask one where this package is not installed."""
    path = folder / "preload.py"
    path.write_text("import sys; sys.modules['labelnoise'] = None")
    return path


def test_a_worker_without_labelnoise(bare, reproduce, tmp_path):
    bare.add_workers(1, "--nthreads", "1", "--preload", preload_without_labelnoise(tmp_path))
    (worker,) = bare.client.nthreads()
    assert reproduce(bare.address).startswith(f"labelnoise: The worker {worker} can't load labelnoise (")


VERSIONS = {
    "labelnoise": "labelnoise.__version__",
    "protocol": "labelnoise.trials.PROTOCOL_VERSION",
    "torch": "torch.__version__",
}


@pytest.mark.parametrize("name", VERSIONS)
def test_a_worker_with_another_version(dask, reproduce, monkeypatch, name):
    monkeypatch.setattr(VERSIONS[name], "9.9")
    sentence = reproduce(dask.address)
    assert any(sentence.startswith(f"labelnoise: The worker {worker} has {name} ") for worker in dask.client.nthreads())
    assert " but this machine has 9.9; " in sentence


def test_a_worker_with_another_version_that_joins_later(dask, ledger, tiny, monkeypatch):
    with cluster.connect(dask.address) as (executor, _):
        monkeypatch.setattr(VERSIONS["protocol"], 99)
        with pytest.raises(InputError, match=r"^The worker tcp://\S+ has protocol \d+ but this machine has 99; "):
            sweep([tiny()], ledger, executor)
    assert not ledger.path.exists()


def test_a_scheduler_without_labelnoise(tmp_path, reproduce):
    with started(tmp_path, "--preload", preload_without_labelnoise(tmp_path)) as own:
        own.add_workers(1, "--nthreads", "1")
        assert reproduce(own.address).startswith("labelnoise: The scheduler can't load labelnoise (")


# What is lost.

LOSSES = {
    "the scheduler": ("scheduler", 3, "is lost: its scheduler is gone, or has had no workers for 2 seconds"),
    "every worker": ("worker", 3, "is lost: its scheduler is gone, or has had no workers for 2 seconds"),
    "each worker that had a trial": ("worker", 0, "A trial was given up, because each worker that had it died, 1 in"),
}


@pytest.mark.parametrize(("lost", "allowed_failures", "message"), LOSSES.values(), ids=LOSSES)
def test_a_lost_cluster_gives_a_sentence(
    tmp_path, tmp_path_factory, reproduce, monkeypatch, lost, allowed_failures, message
):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", str(allowed_failures))
    with started(tmp_path_factory.mktemp("dask")) as own:
        own.add_workers(1, "--nthreads", "1")

        def kill(progress):
            if progress.done == 1:
                monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 2)
                (own.scheduler if lost == "scheduler" else own.workers[0]).kill()

        sentence = reproduce(own.address, kill)
    assert message in sentence
    assert sentence.endswith("; finished trials are on record, so run the same command again to go on.")
    assert finished(tmp_path / "trials.jsonl")


# Started from a background job it would inherit that Ctrl-C is ignored.
COMMAND = """
import signal, sys
from labelnoise import cli
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.main(sys.argv[1:]))
"""


def test_ctrl_c_stops_within_five_seconds_and_leaves_the_workers(dask, tmp_path):
    path, log = tmp_path / "trials.jsonl", tmp_path / "stderr.txt"
    workers = dask.client.nthreads()
    smoke = ["chapter", "02_estimation", "-p", "profile", "smoke", "-p", "seeds", "100"]
    with open(log, "w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *smoke, "--scheduler", dask.address],
            env=os.environ | {"LABELNOISE_LEDGER": str(path)},
            stderr=errors,
        )
    try:
        wait_until(lambda: process.poll() is not None or (path.exists() and len(finished(path)) >= 2))
        process.send_signal(signal.SIGINT)
        wait_until(lambda: "\nlabelnoise: stopped; finished trials are on record" in log.read_text(), seconds=5)
        # What is left is Python's own: unloading torch takes long on a busy machine.
        assert process.wait(LONG) == 130
    finally:
        end(process)
    assert "Traceback" not in log.read_text()
    assert len(finished(path)) >= 2
    assert '"status": "failed"' not in path.read_text()
    wait_until(lambda: not any(dask.client.processing().values()))
    assert dask.client.nthreads() == workers
