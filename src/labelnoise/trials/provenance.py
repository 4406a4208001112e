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


def here(device: str = "cpu", precision: str | None = None) -> dict[str, str]:
    """What a record's bits depend on besides its specification, and the date.

    Args:
        device: "cpu" or "cuda".
        precision: of the trial's settings; what it is done in here stands in the record. By default none does.
    """
    import torch

    from labelnoise.training import effective

    return {
        "processor": processor() if device == "cpu" else torch.cuda.get_device_name(),
        "instructions": torch.backends.cpu.get_cpu_capability() if device == "cpu" else device,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "labelnoise": labelnoise.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        **({"precision": effective(precision, device)} if precision else {}),
    }


def same_build(recorded: Mapping[str, str], device: str = "cpu", precision: str = "float32") -> bool:
    """Whether this machine should give the bits of a record with this provenance again.

    Never on a GPU, which takes sums in an order that changes from run to run.

    Args:
        recorded: the record's.
        device: "cpu" or "cuda", where it would be trained again.
        precision: of the trial's settings; a record that does not say what it was done in was done in this.
    """
    now = here(device, precision)
    names = ("processor", "instructions", "torch", "precision")
    return device == "cpu" and all(({"precision": precision} | {**recorded}).get(name) == now[name] for name in names)
