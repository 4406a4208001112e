"""Images trained per second: the loop people use beside ours, interleaved in one run.

    python benchmarks/throughput.py              # about 10 minutes; writes results/benchmarks/throughput.json,
                                                 # or throughput_float32.json where there is no bfloat16
    python benchmarks/throughput.py accuracy     # about 15 minutes; writes results/benchmarks/loader_accuracy.json

(a) torchvision's FashionMNIST with ToTensor and Normalize, a shuffling DataLoader with 0 or 2
    workers, PyTorch's own layers in fp32, as many threads as torch takes by default;
(b) `training.fit` with the default settings, one trial on one thread;
(c) the same, one trial per core.

(b) and (c) are measured in float32 and, where this processor has instructions for it, in bfloat16: without them AlexNet
takes minutes for one epoch of it. As "one" and "all" stands the precision that trials have here, which `settings` says.

All train the paper's three classes with the same network, batch size, optimizer and schedule.
Beside them stands the machine's peak: the rate of a 2048 x 2048 matrix multiplication, on one
thread and on all. With "accuracy", (a) is trained to the end on the paper's "0.5" from the same
splits, flips and initial weights as our ten seeds, to see that it reaches the same.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from labelnoise import data, training, trials
from labelnoise.data import corruption, sources
from labelnoise.losses import CrossEntropy
from labelnoise.noise import derive_seed
from labelnoise.training import Conv3x3, MaxPool2x2
from labelnoise.trials import provenance

ROUNDS = 5
PRECISIONS = tuple(dict.fromkeys(("float32", training.effective("bfloat16"))))
MODELS = ("lenet", "alexnet")
# What a processor may have for products, by the names that Linux gives it.
PROCESSOR_FEATURES = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16", "svebf16"}
MEAN, DEVIATION = 0.286, 0.353  # of Fashion-MNIST's pixels from 0 to 1
CORES = os.cpu_count() or 1
NAME = "throughput" if "bfloat16" in PRECISIONS else "throughput_float32"
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / f"{NAME}.json"


def plain(network: nn.Module) -> nn.Module:
    """The network with PyTorch's own layers in place of those of `labelnoise.training`."""
    layers = network.features
    assert isinstance(layers, nn.Sequential)
    for i, layer in enumerate(layers):
        if isinstance(layer, Conv3x3):
            layers[i] = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
            layers[i].load_state_dict(layer.state_dict())
        elif isinstance(layer, MaxPool2x2):
            layers[i] = nn.MaxPool2d(2)
    return network


def people_train(model: str, loader: DataLoader[Any], network: nn.Module, epochs: int, of: int) -> None:
    """The loop that people write: `epochs` epochs of a schedule of `of`."""
    settings = training.PROTOCOL[model]
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=of * len(loader))
    criterion = nn.CrossEntropyLoss()
    network.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(network(x), y).backward()
            optimizer.step()
            schedule.step()


def with_loader(seed: int) -> Subset[Any]:
    """The training images of one of our trials with their noisy labels, as (a) reads them."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])
    everything = FashionMNIST(str(sources.fashion_mnist()), train=True, transform=transform)
    rows = torch.isin(everything.targets, torch.tensor(data.PAPER_CLASSES)).nonzero().squeeze(1)
    everything.targets[rows] = torch.from_numpy(corruption("fashion-mnist-3", "paper-0.5", seed)[0])
    order = np.random.default_rng(derive_seed("split", "fashion-mnist-3", seed)).permutation(len(rows))
    return Subset(everything, rows[order[round(training.VALIDATION_SHARE * len(rows)) :]].tolist())


def common_loop(model: str, workers: int) -> tuple[int, float]:
    """One epoch of (a): images and seconds."""
    images = with_loader(0)
    loader = DataLoader(images, batch_size=training.PROTOCOL[model].batch_size, shuffle=True, num_workers=workers)
    network = plain(training.build(model, 3, seed=0))
    start = time.perf_counter()
    people_train(model, loader, network, 1, training.PROTOCOL[model].epochs)
    return len(images), time.perf_counter() - start


def loader_accuracy(model: str, seed: int) -> float:
    """The accuracy of (a) on the clean test images after its last epoch, on one thread."""
    images = with_loader(seed)
    asked = trials.trial(model=model, noise="paper-0.5", method="cross-entropy", seed=seed)
    torch.manual_seed(seed)
    loader = DataLoader(images, batch_size=asked.settings.batch_size, shuffle=True)
    network = plain(trials.initial_model(asked))
    people_train(model, loader, network, asked.settings.epochs, asked.settings.epochs)
    clean = data.load("fashion-mnist-3")
    test = (clean.test_images[:].float() / 255 - MEAN) / DEVIATION
    predicted = training.predict_logits(network, test).argmax(1)
    return float((predicted == torch.from_numpy(clean.test_labels)).double().mean())


def accuracies() -> None:
    """Train (a) with ten seeds per network, and write what it reaches."""
    with trials.local_pool(CORES) as pool:
        jobs = {model: [pool.submit(loader_accuracy, model, seed) for seed in range(10)] for model in MODELS}
        reached = {model: [job.result() for job in of_seeds] for model, of_seeds in jobs.items()}
    result = {"provenance": provenance.here(), "noise": "paper-0.5", "last_accuracy": reached}
    (RESULT.parent / "loader_accuracy.json").write_text(json.dumps(result, indent=1) + "\n")
    print(result)


def our_loop(model: str, precision: str) -> tuple[int, float]:
    """One epoch of (b): images and seconds. There is one image to measure on, so the rest is training."""
    asked = trials.trial(model=model, noise="clean", method="cross-entropy", seed=0)
    prepared = trials.prepare(asked)
    one = training.Split(prepared.test.images[:1], prepared.test.noisy_labels[:1], prepared.test.clean_labels[:1])
    network = trials.initial_model(asked)
    settings = replace(asked.settings, epochs=1, precision=precision)
    start = time.perf_counter()
    training.fit(network, CrossEntropy(), prepared.train, one, one, settings, seed=0, memorised_sample=1)
    return len(prepared.train.images), time.perf_counter() - start


def side_by_side(pool: ProcessPoolExecutor, model: str, precision: str, n: int) -> float:
    """The images per second of n trials that run at once."""
    done = [job.result() for job in [pool.submit(our_loop, model, precision) for _ in range(n)]]
    return sum(images / seconds for images, seconds in done)


def matmul_rate(threads: int, dtype: torch.dtype) -> float:
    """Floating-point operations per second, the best of five."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    matrix = torch.randn(2048, 2048).to(dtype)
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    torch.set_num_threads(before)
    return 2 * 2048**3 / min(seconds)


def operations_an_image(model: str) -> int:
    """Floating-point operations of the products in one forward and backward pass."""
    network = training.build(model, 3, seed=0)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 28, 28)).sum().backward()
    return counter.get_total_flops()


@contextmanager
def pool_of(workers: int) -> Iterator[ProcessPoolExecutor]:
    """The sweep's own pool, with every worker started and its data loaded."""
    with trials.local_pool(workers) as pool:
        side_by_side(pool, "lenet", "float32", 2 * workers)
        yield pool


def measure(model: str, pool: ProcessPoolExecutor) -> dict[str, float]:
    """One round: images per second for each way."""
    rates = {}
    for workers in (0, 2):
        images, seconds = common_loop(model, workers)
        rates[f"loader-{workers}"] = images / seconds
    for precision in PRECISIONS:
        rates[f"one-{precision}"] = side_by_side(pool, model, precision, 1)
        rates[f"all-{precision}"] = side_by_side(pool, model, precision, CORES)
    here = training.effective(training.PROTOCOL[model].precision)
    return rates | {way: rates[f"{way}-{here}"] for way in ("one", "all")}


def main() -> None:
    RESULT.parent.mkdir(exist_ok=True)
    if sys.argv[1:] == ["accuracy"]:
        return accuracies()
    rounds: dict[str, list[dict[str, float]]] = {model: [] for model in MODELS}
    peaks: list[dict[str, float]] = []
    with pool_of(CORES) as pool:
        for number in range(ROUNDS):
            for model, measured in rounds.items():
                measured.append(measure(model, pool))
                print(f"round {number + 1} of {ROUNDS}, {model}: {measured[-1]}", file=sys.stderr, flush=True)
            peaks.append(
                {
                    f"{dtype}-{threads}": matmul_rate(threads, getattr(torch, dtype))
                    for dtype in PRECISIONS
                    for threads in (1, CORES)
                }
            )
    result: dict[str, Any] = {
        "cores": CORES,
        "provenance": provenance.here(),
        "features": sorted((training.features() or frozenset()) & PROCESSOR_FEATURES),
        "settings": {
            model: {"batch_size": settings.batch_size, "precision": training.effective(settings.precision)}
            for model, settings in training.PROTOCOL.items()
            if model in MODELS
        },
        "operations_an_image": {model: operations_an_image(model) for model in rounds},
        "peak": {name: float(np.median([p[name] for p in peaks])) for name in peaks[0]},
        "rounds": rounds,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for model, measured in rounds.items():
        middle = {name: statistics.median(r[name] for r in measured) for name in measured[0]}
        best = max(middle["loader-0"], middle["loader-2"])
        print(model, {name: round(rate) for name, rate in middle.items()})
        for precision in PRECISIONS:
            rate = middle[f"all-{precision}"]
            share = rate * result["operations_an_image"][model] / result["peak"][f"{precision}-{CORES}"]
            print(f"  (c) in {precision}: {rate / best:.2f} times (a), {share:.0%} of the peak of matrix products")


if __name__ == "__main__":
    main()
