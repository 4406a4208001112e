"""What a setting's precision is done in: bfloat16 only where there are instructions, as imitating them is slow."""

from __future__ import annotations

import functools
import subprocess
import time
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
# As Linux names them: x86's two, and Arm's without and with SVE.
INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
APPLE = "hw.optional.arm.FEAT_BF16"
SIZE = 512  # of the matrices whose product is timed


def effective(precision: str, device: str = "cpu") -> str:
    """What a setting's precision is done in here: "bfloat16" or "float32".

    Args:
        precision: of the setting; bfloat16 is done in float32 where there are no instructions for it.
        device: "cpu" or "cuda".
    """
    return "bfloat16" if precision == "bfloat16" and has_bfloat16(device) else "float32"


def autocast(precision: str, device: str = "cpu") -> torch.autocast:
    """The context in which a network computes in a setting's precision, as `effective` has it."""
    return torch.autocast(device, torch.bfloat16, enabled=effective(precision, device) == "bfloat16")


@functools.cache
def has_bfloat16(device: str = "cpu") -> bool:
    """Whether a device has instructions for bfloat16; if this processor does not say, whether it is faster in it."""
    if device != "cpu":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = features()
    return _is_faster() if found is None else bool(found & INSTRUCTIONS)


@functools.cache
def features() -> frozenset[str] | None:
    """This processor's instruction sets by the names that Linux gives them; None where it does not say.

    Of Apple's, only bf16 is asked for.
    """
    try:
        lines = [line.partition(":") for line in CPUINFO.read_text().splitlines()]
    except OSError:
        return _apple()
    found = [value.split() for name, _, value in lines if name.strip() in ("flags", "Features")]
    return frozenset(found[0]) if found else None


def _apple() -> frozenset[str] | None:
    try:
        said = subprocess.run(["sysctl", "-n", APPLE], capture_output=True, text=True, check=False, timeout=5).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"1": frozenset({"bf16"}), "0": frozenset[str]()}.get(said.strip())


def _is_faster() -> bool:
    """Whether a product of matrices takes less time in bfloat16 than in float32; the best of three of each."""
    seconds = {}
    for kind in (torch.float32, torch.bfloat16):
        matrix, taken = torch.ones(SIZE, SIZE, dtype=kind), []
        for _ in range(3):
            began = time.perf_counter()
            matrix @ matrix
            taken.append(time.perf_counter() - began)
        seconds[kind] = min(taken)
    return seconds[torch.bfloat16] < seconds[torch.float32]
