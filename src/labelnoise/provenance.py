"""What a record's bits depend on besides its specification."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from datetime import UTC, datetime

import torch

import labelnoise


@functools.cache
def processor() -> str:
    """The name of this machine's processor."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def here(device: str = "cpu") -> dict[str, str]:
    """What a record's bits depend on besides its specification, and the date."""
    return {
        "processor": processor() if device == "cpu" else torch.cuda.get_device_name(),
        "instructions": torch.backends.cpu.get_cpu_capability() if device == "cpu" else device,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "labelnoise": labelnoise.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def same_build(recorded: Mapping[str, str], device: str = "cpu") -> bool:
    """Whether this machine should give the bits of a record with this provenance again."""
    now = here(device)
    return all(recorded.get(name) == now[name] for name in ("processor", "instructions", "torch"))
