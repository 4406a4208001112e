"""Choose how AlexNet is trained on "0.6", from the same grid for each method, by noisy validation labels.

    python benchmarks/alexnet_rate.py [WORKERS]      # train what is missing, then write the scores

At the default rate single runs stay at chance, in plain and in modern training. The grid has half of this rate too (in
plain training with the epochs to make up for it), and a later peak, which makes the warm-up longer. The score is a mean
over seeds that are not reported: `tuning.score` in plain training. That looks at the best epoch, and would not see the
runs of modern training that collapse later, which has no validation images to stop by; there it is the loss after the
last epoch. Clean labels are not looked at.
The records stand in results/rates.jsonl, the scores in results/benchmarks/alexnet_rate.json.
"""

import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labelnoise import trials
from labelnoise.training import OURS, PROTOCOL, Settings, protocol
from labelnoise.trials import Ledger, Record, tuning

RESULTS = Path(__file__).parents[1] / "results"
SEEDS = {"plain": range(1000, 1004), "modern": range(1000, 1002)}  # fewer, as each takes twice as long
METHODS = {
    "plain": [
        ("cross-entropy", None),
        ("forward", "true"),
        ("generalised", None),
        ("forward", "confident-learning"),
    ],
    "modern": [("cross-entropy", None), ("forward", "true"), ("generalised", None)],
}


def grid(default: Settings, epochs: int) -> dict[str, Settings]:
    """Four settings by name: the default one, half of its rate with so many epochs, a late peak, and both changes."""
    half = dataclasses.replace(default, epochs=epochs, learning_rate=default.learning_rate / 2)
    return {
        "default": default,
        "half the rate": half,
        "late peak": dataclasses.replace(default, schedule="one-cycle-late"),
        "half the rate, late peak": dataclasses.replace(half, schedule="one-cycle-late"),
    }


PLAIN = PROTOCOL["alexnet"]
MODERN = protocol("fashion-mnist-3", "alexnet", OURS)
SETTINGS = {"plain": grid(PLAIN, 10), "modern": grid(MODERN, MODERN.epochs)}


def score(training: str, records: Iterable[Record]) -> float:
    """The mean loss of noisy validation labels, in nats: the lower the better."""
    if training == "plain":
        return tuning.score(records)
    return float(np.mean([record.history["noisy_validation_loss"][-1] for record in records]))


def main() -> None:
    ledger = Ledger(RESULTS / "rates.jsonl")
    cells = {
        (training, method, source, name): [
            tuning.Choice(settings).trial(tuning.Arm("fashion-mnist-3", "paper-0.6", "alexnet", method, source), seed)
            for seed in SEEDS[training]
        ]
        for training, methods in METHODS.items()
        for method, source in methods
        for name, settings in SETTINGS[training].items()
    }
    workers = int(sys.argv[1]) if sys.argv[1:] else None
    asked = [trial for cell in cells.values() for trial in cell]
    found = {r.trial: r for r in trials.sweep(asked, ledger, workers=workers, progress=trials.on_terminal)}
    scores = {arm: score(arm[0], [found[trial] for trial in cell]) for arm, cell in cells.items()}
    fields = ("training", "method", "transition", "settings", "score")
    rows = [dict(zip(fields, (*arm, round(score, 6)), strict=True)) for arm, score in scores.items()]
    (RESULTS / "benchmarks" / "alexnet_rate.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
