"""What a record's bits depend on besides its specification."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from datetime import UTC, datetime

import labelnoise


@functools.cache
def processor() -> str:
    """The name of this machine's processor, with the numbers that tell generations of one name apart."""
    try:
        with open("/proc/cpuinfo") as file:
            pairs = (line.partition(":") for line in file)
            # The last core's values stand; cores of one machine are alike.
            found = {name.strip(): value.strip() for name, _, value in pairs}
        numbers = [f"{name} {found[name]}" for name in ("cpu family", "model", "stepping")]
        return f"{found['model name']} ({', '.join(numbers)})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def here(device: str = "cpu") -> dict[str, str]:
    """What a record's bits depend on besides its specification, and the date; `device` is "cpu" or "cuda"."""
    import torch

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
