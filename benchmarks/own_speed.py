"""How long `labelnoise train` takes for images of 28 x 28, beside a plain loop over a DataLoader of as many epochs.

    python benchmarks/own_speed.py 300 18000 60000     # writes results/benchmarks/own_speed.json

Processor seconds of all processes together, as other work on the machine changes the time on the clock, which stands
beside them; half of them is what two free cores take at least. The loop is PyTorch's: torchvision's FashionMNIST with
ToTensor and Normalize, one epoch of at most 3,000 images on one thread, scaled to as many images as all networks of
`labelnoise train` see together.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from labelnoise import noise, transitions
from labelnoise.data import fashion_mnist, sources
from labelnoise.own import images, train
from labelnoise.own._methods import AUTO, compared, scaled_settings
from labelnoise.own._tasks import FOLDS
from labelnoise.training import VALIDATION_SHARE, build, rounds
from labelnoise.trials import provenance

LOADED = 3000  # images that the loop is measured on
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "own_speed.json"


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def seen(n: int) -> float:
    """How many images all networks of one training see together."""
    settings, learned = scaled_settings("lenet", n), (1 - VALIDATION_SHARE) * n
    names, _ = compared(AUTO, n, 10)
    of_folds = (FOLDS - 1) * n * sum(each.epochs for each in rounds(settings.plain))
    return (
        of_folds + learned * (settings.plain.epochs + len(names) * settings.modern.epochs) + n * settings.modern.epochs
    )


def loop_seconds(n: int) -> float:
    """Processor seconds that the plain loop takes for one image, in batches as `train` has them for n."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.286, 0.353)])
    everything = FashionMNIST(str(sources.fashion_mnist()), train=True, transform=transform)
    batch = scaled_settings("lenet", n).modern.batch_size
    loader = DataLoader(Subset(everything, range(LOADED)), batch_size=batch, shuffle=True)
    network, criterion = build("lenet", 10, seed=0), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    start = time.process_time()
    for x, y in loader:
        optimizer.zero_grad()
        criterion(network(x), y).backward()
        optimizer.step()
    return (time.process_time() - start) / LOADED


def measure(n: int) -> dict[str, float]:
    """One training on n images of Fashion-MNIST of which 0.3 have wrong labels."""
    clean = fashion_mnist()
    labels = noise.corrupt(clean.train_labels[:n], transitions.symmetric(10, 0.3), np.random.default_rng(0))
    own = images.from_arrays(clean.train_images[:n].numpy(), labels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    loop = loop_seconds(n)
    torch.set_num_threads(threads)
    clock, processor = time.perf_counter(), processor_seconds()
    train.trained_report(own, "lenet", AUTO, 0)
    clock, processor = time.perf_counter() - clock, processor_seconds() - processor
    return {
        "images": n,
        "seen": round(seen(n)),
        "processor_seconds": round(processor, 1),
        "clock_seconds": round(clock, 1),
        "loop_seconds": round(loop * seen(n), 1),
    }


def main() -> None:
    rows = []
    for n in map(int, sys.argv[1:]):
        rows.append(measure(n))
        print(rows[-1], f"{rows[-1]['loop_seconds'] / rows[-1]['processor_seconds']:.2f} times the loop", flush=True)
        RESULT.write_text(json.dumps({"provenance": provenance.here(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
