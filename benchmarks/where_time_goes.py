"""Where the time of a training step goes, with PyTorch's layers and as published.

    python benchmarks/where_time_goes.py     # under a minute; writes results/benchmarks/profile.json

Milliseconds on one thread for a step on 256 images, by kind of operation, from PyTorch's profiler; in float32 and in
the precision that trials have here, where that is another.
"""

import json
from collections import defaultdict
from pathlib import Path

import torch
import torch.nn.functional as F
from throughput import plain
from torch import nn
from torch.profiler import ProfilerActivity, profile

from labelnoise import training
from labelnoise.training import Settings, effective
from labelnoise.trials import provenance

STEPS, IMAGES = 40, 256
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "profile.json"
KINDS = {
    "convolution": ("aten::mkldnn_convolution",),
    "gradient of convolution": ("aten::convolution_backward",),
    "matrix products": ("aten::mm", "aten::addmm"),
    "pooling": ("aten::max_pool2d", "aten::maximum", "aten::ge", "aten::cat", "aten::stack", "aten::sub"),
    "copies and casts": ("aten::copy_", "aten::fill_"),
    "optimizer": ("aten::_fused_adamw_", "Optimizer"),
}


def kind_of(operation: str) -> str:
    return next((kind for kind, names in KINDS.items() if operation.startswith(names)), "other")


def step_milliseconds(network: nn.Module, settings: Settings, precision: str) -> dict[str, float]:
    """Milliseconds per step of each kind of operation."""
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, fused=True)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(IMAGES, 1, 28, 28, generator=generator).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(3, (IMAGES,), generator=generator)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(images)
        optimizer.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    for _ in range(5):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as measured:
        for _ in range(STEPS):
            step()
    spent: dict[str, float] = defaultdict(float)
    for event in measured.key_averages():
        spent[kind_of(event.key)] += event.self_cpu_time_total / 1000 / STEPS
    return dict(spent)


def ways(model: str, settings: Settings) -> dict[str, dict[str, float]]:
    """Way of training to its `step_milliseconds`."""
    here = effective(settings.precision)
    measured = {
        f"PyTorch's layers, {precision}": step_milliseconds(
            plain(training.build(model, 3, seed=0)), settings, precision
        )
        for precision in ("float32", here)
    }
    return measured | {"as published": step_milliseconds(training.build(model, 3, seed=0), settings, here)}


def main() -> None:
    torch.set_num_threads(1)
    milliseconds = {model: ways(model, settings) for model, settings in training.PROTOCOL.items()}
    result = {"provenance": provenance.here(), "images": IMAGES, "milliseconds": milliseconds}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for model, by_way in milliseconds.items():
        for way, spent in by_way.items():
            print(model, way, {kind: round(value, 2) for kind, value in spent.items()}, round(sum(spent.values()), 1))


if __name__ == "__main__":
    main()
