"""The answer to the book's main question, trained anew and held beside the records."""

from __future__ import annotations

from collections.abc import Sequence

from labelnoise.book import parameters
from labelnoise.statistics import interval
from labelnoise.training import OURS
from labelnoise.trials import Ledger, Trial

ARMS: dict[str, list[tuple[str, str | None]]] = {  # by training
    "methods": [("cross-entropy", None), ("forward", "true")],
    "modern": [(OURS, "true")],
}
RUNS = 10


def trials() -> list[Trial]:
    """LeNet on both sets of the source paper: cross-entropy, forward correction by the true T, and our recipe."""
    groups = parameters.planned("methods").groups
    asked = [
        trial
        for training, arms in ARMS.items()
        for trial in groups[training]
        if trial.model == "lenet" and trial.noise != "clean" and trial.seed < RUNS
        if (trial.method, trial.transition) in arms
    ]
    return sorted(asked, key=lambda trial: trial.noise)


def comparison(asked: Sequence[Trial], recorded: Ledger, reproduced: Ledger) -> str:
    """Mean accuracy after the last epoch, on record and reproduced, a line for each noise and method."""
    lines = [f"{'noise':12}{'method':16}{'recorded':>10}{'reproduced':>12}{'difference':>12}"]
    cells = dict.fromkeys((trial.noise, trial.method) for trial in asked)
    for noise, method in cells:
        means = []
        for ledger in (recorded, reproduced):
            found = [ledger.find(t) for t in asked if (t.noise, t.method) == (noise, method)]
            means.append(interval([100 * r.history["clean_test_accuracy"][-1] for r in found if r]).mean)
        lines.append(f"{noise:12}{method:16}{means[0]:10.1f}{means[1]:12.1f}{means[1] - means[0]:+12.1f}")
    return "\n".join([*lines, f"Accuracy on clean test images in percent, mean of {RUNS} runs."])
