"""How cost grows: with trials, images, classes and workers, and what Dask adds.

    python benchmarks/scaling.py             # about 8 minutes; writes results/benchmarks/scaling.json
    python benchmarks/scaling.py workers     # this part of it anew

Every figure is the median of interleaved rounds.
"""

import dataclasses
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelnoise import training, transitions, trials
from labelnoise.losses import CrossEntropy, Forward
from labelnoise.training import Settings, Split
from labelnoise.trials import Ledger, cluster, provenance, run

ROUNDS = 3
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "scaling.json"
CORES = os.cpu_count() or 1


def asked(n: int, epochs: int) -> list[trials.Trial]:
    """n LeNet trials on the paper's images."""
    settings = dataclasses.replace(training.PROTOCOL["lenet"], epochs=epochs)
    return [
        trials.trial(model="lenet", noise="paper-0.5", method="cross-entropy", seed=2000 + seed, settings=settings)
        for seed in range(n)
    ]


def seconds_to_sweep(todo: Sequence[trials.Trial], executor: Executor | None = None, workers: int = CORES) -> float:
    """Of a sweep into an empty ledger."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        trials.sweep(todo, Ledger(Path(folder) / "trials.jsonl"), executor, workers=workers)
        return time.perf_counter() - start


def with_trials(n: int) -> float:
    """A sweep of n trials of one epoch on all cores, its worker processes started for it."""
    return seconds_to_sweep(asked(n, 1))


def with_images(n: int) -> float:
    """One epoch of LeNet on n images of ten classes, measurements on 10,000 test images included."""
    settings = dataclasses.replace(training.PROTOCOL["lenet"], epochs=1)
    return run(
        trials.trial(
            model="lenet", dataset="fashion-mnist", noise="symmetric-0.2", method="cross-entropy", seed=2000,
            images=n, settings=settings,
        )
    ).seconds  # fmt: skip


def with_classes(n: int, forward: bool) -> float:
    """One epoch of LeNet on 5,000 random images of n classes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(n, (5_000,), generator=generator)
    train = Split(torch.rand(5_000, 1, 28, 28, generator=generator), labels, labels)
    one = Split(train.images[:1], labels[:1], labels[:1])
    loss = Forward(transitions.symmetric(n, 0.2)) if forward else CrossEntropy()
    settings = Settings(epochs=1, batch_size=256, learning_rate=1e-3, weight_decay=1e-2, precision="bfloat16")
    start = time.perf_counter()
    training.fit(training.build("lenet", n, seed=0), loss, train, one, one, settings, seed=0, memorised_sample=1)
    return time.perf_counter() - start


def with_workers(n: int) -> float:
    """Seconds per trial and worker: three published LeNet trials per worker, on n workers that are up."""
    with trials.local_pool(n) as pool:
        warm = asked(n, 1)
        seconds_to_sweep(warm, pool, n)
        return seconds_to_sweep(asked(3 * n, training.PROTOCOL["lenet"].epochs), pool, n) / 3


@contextmanager
def dask() -> Iterator[str]:
    """A scheduler and one worker per core on this machine; yields the address."""
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder) / "scheduler.json"
        start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        processes = [subprocess.Popen([*start, "--no-dashboard", "--scheduler-file", str(described)])]
        try:
            while not described.exists():
                time.sleep(0.1)
            address = json.loads(described.read_text())["address"]
            worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
            processes += [subprocess.Popen([*worker, "--local-directory", folder]) for _ in range(CORES)]
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait()


def local_and_dask() -> dict[str, list[float]]:
    """Seconds of a sweep of three trials of about ten seconds per core, on warm workers of each kind, in turn."""
    epochs = 9
    seconds: dict[str, list[float]] = {"local": [], "dask": []}
    with dask() as address, trials.local_pool(CORES) as pool:
        time.sleep(10)  # until both workers have registered
        with cluster.connect(address) as (remote, _):
            executors = {"local": pool, "dask": remote}
            for executor in executors.values():
                seconds_to_sweep(asked(2 * CORES, 1), executor)
            for _ in range(ROUNDS):
                for name, executor in executors.items():
                    seconds[name].append(seconds_to_sweep(asked(3 * CORES, epochs), executor))
    return seconds


def curve(measure: Callable[..., float], sizes: Sequence[int], *arguments: Any) -> dict[str, Any]:
    """Medians over interleaved rounds, and the slope of a straight line through them on logarithmic axes."""
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    for number, size in itertools.product(range(ROUNDS), sizes):
        taken[size].append(measure(size, *arguments))
        print(f"{measure.__name__} {size}, round {number + 1}: {taken[size][-1]:.2f} s", file=sys.stderr, flush=True)
    seconds = [statistics.median(values) for values in taken.values()]
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    return {"sizes": list(sizes), "seconds": seconds, "exponent": exponent}


def main() -> None:
    torch.set_num_threads(1)
    with_images(1_000)
    parts: dict[str, Callable[[], Any]] = {
        "trials": lambda: curve(with_trials, (2, 4, 8, 16)),
        "images": lambda: curve(with_images, (1_000, 3_000, 10_000, 30_000, 60_000)),
        "classes, cross-entropy": lambda: curve(with_classes, (3, 10, 30, 100, 300), False),
        "classes, forward correction": lambda: curve(with_classes, (3, 10, 30, 100, 300), True),
        "workers": lambda: curve(with_workers, range(1, CORES + 1)),
        "local and dask": local_and_dask,
    }
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in sys.argv[1:] or parts:
        result |= {"provenance": provenance.here(), "cores": CORES, name: parts[name]()}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
