"""What a GPU adds: published trials on it beside one processor core, in turn.

    python benchmarks/gpu.py       # some minutes; writes results/benchmarks/gpu.json

A LeNet is too small to fill a GPU, so what is gained differs with the network. The same seeds are trained on both, to
see that the accuracy is the same.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from labelnoise import training, trials
from labelnoise.errors import InputError
from labelnoise.trials import provenance

SEEDS = 3
DEVICES = ("cpu", "cuda")
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "gpu.json"


def measured(model: str, device: str, seed: int) -> dict[str, float]:
    """Seconds of a trial of cross-entropy on the paper's data, and its accuracy after the last epoch."""
    asked = trials.trial(model=model, noise="paper-0.5", method="cross-entropy", seed=seed)
    record = trials.run(asked, device=device)
    return {"seconds": record.seconds, "last_accuracy": record.history["clean_test_accuracy"][-1]}


def main() -> int:
    try:
        trials.check_device("cuda")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    result: dict[str, Any] = {
        "provenance": provenance.here("cuda", "bfloat16"),
        "beside": provenance.here(precision="bfloat16"),
    }
    for model in training.MODELS:
        for device in DEVICES:
            measured(model, device, 2000)  # what is made ready at the first
        rounds = [{device: measured(model, device, 2000 + seed) for device in DEVICES} for seed in range(1, SEEDS + 1)]
        result[model] = rounds
        cpu, gpu = (statistics.median(each[device]["seconds"] for each in rounds) for device in DEVICES)
        print(f"{model}: {cpu:.1f} s on a core, {gpu:.1f} s on the GPU")
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
