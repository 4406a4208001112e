"""The same sweep on a Dask cluster, whose scheduler and workers are processes on this machine."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from dask_cluster import LONG, end, started, wait_until

from labelnoise import cli
from labelnoise.errors import InputError
from labelnoise.trials import Ledger, SweepFailed, cluster, run, sweep
from labelnoise.trials._workers import attempt

REPEATS = int(os.environ.get("LABELNOISE_REPEATS", "2"))  # with a larger number this is a campaign


@pytest.fixture(scope="module")
def cluster_of_all(tmp_path_factory):
    with started(tmp_path_factory.mktemp("dask")) as own:
        yield own


@pytest.fixture
def dask(cluster_of_all):
    """Two workers at least."""
    cluster_of_all.have_workers(max(2, len(cluster_of_all.client.nthreads())))
    return cluster_of_all


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    with started(tmp_path_factory.mktemp("bare")) as own:
        yield own


@pytest.fixture
def bare(scheduler):
    """A scheduler to which a test may add workers."""
    yield scheduler
    scheduler.stop_workers()


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials.jsonl")


def refused(address):
    """The sentence by which a connection is refused."""
    with pytest.raises(InputError) as caught, cluster.connect(address):
        pass
    return str(caught.value)


def finished(path):
    """The keys of the finished trials, as often as they are on record."""
    return re.findall(r'^\{"key": "(\w+)".*"status": "done"', path.read_text(), flags=re.MULTILINE)


# What comes back.


def test_a_worker_that_is_killed_loses_no_trial(dask, ledger, tiny):
    trials = [tiny(seed=seed, images=300) for seed in range(3)]
    trials.append(tiny(seed=2, images=300, method="forward", transition="anchor-97"))
    before, killed = dask.client.nthreads().keys(), []

    def kill_one(progress):
        if progress.done and not killed:
            killed.append(dask.kill_a_worker_at_work())

    with cluster.connect(dask.address) as (executor, workers):
        assert workers == 2
        records = sweep(trials, ledger, executor, workers=workers, progress=kill_one)
    assert dask.client.nthreads().keys() == before - set(killed)
    assert [record.trial for record in records] == trials
    assert sorted(finished(ledger.path)) == sorted(trial.key for trial in trials)
    for record in records[2:]:
        here = run(record.trial, ledger.find(record.trial.prerequisite()) if record.trial.prerequisite() else None)
        assert (record.weights_sha256, record.history) == (here.weights_sha256, here.history)


def test_a_trial_gives_the_same_bits_on_every_worker_however_often(dask, tiny):
    trials = [tiny(images=60), tiny(images=60, method="forward", transition="true")]
    here = [run(trial) for trial in trials]
    with cluster.connect(dask.address) as (executor, _):
        running = [executor.submit(attempt, trial, None, None) for trial in REPEATS * trials]
        there = [each.result() for each in running]
    for k, record in enumerate(there):
        assert dataclasses.replace(record, seconds=0) == dataclasses.replace(here[k % 2], seconds=0)


def test_a_trial_that_fails_on_a_worker_is_on_record_and_the_others_finish(dask, ledger, tiny):
    good = [tiny(seed=seed, images=300) for seed in (0, 1)]
    bad = tiny(
        seed=2, images=300, settings=dataclasses.replace(good[0].settings, batch_size=2**70)
    )  # more than torch can count
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
def test_an_address_of_no_scheduler(monkeypatch, address):
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1)
    assert refused(address).startswith(f"There is no Dask scheduler at {address!r} (")


def test_the_command_ends_with_the_sentence(capsys):
    assert cli.main(["chapter", "02_estimation", "--scheduler", "nonsense"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("labelnoise: There is no Dask scheduler at 'nonsense' (")


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.org ESMTP\r\n"], ids=["silence", "a greeting"])
def test_a_server_of_another_kind(monkeypatch, answer):
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        greeted = thread.submit(lambda: server.accept()[0])
        greeted.add_done_callback(lambda accepted: accepted.result().sendall(answer))
        assert refused(address).startswith(f"There is no Dask scheduler at {address!r} (")
        greeted.result().close()


def test_dask_is_not_installed():
    code = "import sys; sys.modules['distributed'] = None; from labelnoise import cli; sys.exit(cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "chapter", "02_estimation", "--scheduler", "tcp://127.0.0.1:8786"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "labelnoise: Dask is not installed, which a cluster needs: pip install 'labelnoise[cluster]'\n"
    )


@pytest.mark.parametrize("threads", [None, 2])
def test_workers_of_one_thread_are_needed(bare, threads):
    if threads:
        bare.add_worker("--nthreads", str(threads))
    found = bare.client.nthreads()
    assert list(found.values()) == ([threads] if threads else [])
    sentence = refused(bare.address)
    assert sentence.startswith(f"The scheduler at {bare.address} needs workers of one thread each, ")
    assert sentence.endswith(f"has {found or 'none'}; start some: dask worker {bare.address} --nthreads 1")


def preload_without_labelnoise(folder):
    """A file that makes a process of Dask one where this package is not installed."""
    path = folder / "preload.py"
    path.write_text("import sys; sys.modules['labelnoise'] = None")
    return path


def test_a_worker_without_labelnoise(bare, tmp_path):
    bare.add_worker("--nthreads", "1", "--preload", preload_without_labelnoise(tmp_path))
    assert refused(bare.address).startswith("A machine of the cluster can't load labelnoise (")


def test_a_scheduler_without_labelnoise(tmp_path):
    with started(tmp_path, "--preload", preload_without_labelnoise(tmp_path)) as own:
        own.add_worker("--nthreads", "1")
        assert refused(own.address).startswith("A machine of the cluster can't load labelnoise (")


@pytest.mark.parametrize("name", ["labelnoise", "protocol", "torch"])
def test_a_worker_with_another_version(dask, ledger, tiny, monkeypatch, name):
    here = cluster.versions() | {name: "9.9"}
    monkeypatch.setattr(cluster, "versions", lambda: here)
    with pytest.raises(InputError) as caught, cluster.connect(dask.address) as (executor, _):
        sweep([tiny()], ledger, executor)
    assert not ledger.path.exists()
    sentence = str(caught.value)
    assert any(sentence.startswith(f"The worker {worker} has {name} ") for worker in dask.client.nthreads())
    assert " but this machine has 9.9; " in sentence


# Started from a background job it would inherit that Ctrl-C is ignored.
SWEEP = """
import signal, sys
from labelnoise.trials import Ledger, cluster, sweep, trial
signal.signal(signal.SIGINT, signal.default_int_handler)
fields = dict(model="lenet", noise="paper-0.5", method="cross-entropy", profile="smoke")
try:
    with cluster.connect(sys.argv[1]) as (executor, workers):
        sweep([trial(seed=seed, **fields) for seed in range(1000)], Ledger(sys.argv[2]), executor, workers=workers)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_ctrl_c_stops_within_five_seconds_and_leaves_the_workers(dask, tmp_path):
    path, log = tmp_path / "trials.jsonl", tmp_path / "log.txt"
    workers = dask.client.nthreads()
    with open(log, "w") as output:
        command = [sys.executable, "-c", SWEEP, dask.address, path]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or (path.exists() and len(finished(path)) >= 2))
        process.send_signal(signal.SIGINT)
        # What is left after it is Python's own: unloading torch takes long on a busy machine.
        wait_until(lambda: log.read_text() == "stopped\n", seconds=5)
        assert process.wait(LONG) == 0
    finally:
        end(process)
    assert log.read_text() == "stopped\n"
    assert len(finished(path)) >= 2
    assert '"status": "failed"' not in path.read_text()
    wait_until(lambda: not any(dask.client.processing().values()))
    assert dask.client.nthreads() == workers


# What is lost. These end the cluster, so they come last.


def lost(dask, ledger, monkeypatch, tiny, kill):
    """The sentence by which a sweep ends whose cluster is lost when one trial is done."""

    def lose(progress):
        if progress.done == 1:
            monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 2)
            kill()

    with pytest.raises(InputError) as caught, cluster.connect(dask.address) as (executor, _):
        sweep([tiny(seed=seed, images=300) for seed in range(6)], ledger, executor, progress=lose)
    assert len(finished(ledger.path)) >= 1
    assert str(caught.value).endswith("; finished trials are on record, so run the same command again to go on.")
    return str(caught.value)


def test_a_trial_that_kills_its_workers_is_given_up(dask, ledger, monkeypatch, tiny):
    dask.allow_failures(0)
    sentence = lost(dask, ledger, monkeypatch, tiny, dask.kill_a_worker_at_work)
    dask.allow_failures(3)
    assert sentence.startswith("A trial was given up, because each worker that had it died, 1 in all, perhaps for want")


LOST = "is lost: its scheduler is gone, or has had no workers for 2 seconds"


def test_a_sweep_ends_when_every_worker_is_lost(dask, ledger, monkeypatch, tiny):
    def kill():
        for pid in dask.client.run(os.getpid).values():
            os.kill(pid, signal.SIGKILL)

    assert LOST in lost(dask, ledger, monkeypatch, tiny, kill)


def test_a_sweep_ends_when_the_scheduler_is_lost(dask, ledger, monkeypatch, tiny):
    assert LOST in lost(dask, ledger, monkeypatch, tiny, dask.scheduler.kill)
