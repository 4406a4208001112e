"""Choose the training settings by noisy validation loss, on seeds that are not reported.

    python benchmarks/protocol.py lenet            # train what is missing, then print the table
    python benchmarks/protocol.py alexnet

Both of the paper's sets, cross-entropy and forward correction with the true T. The score of a
setting is the mean noisy validation loss at the best epoch; clean labels are not looked at.
The records stand in results/tuning.jsonl.
"""

import dataclasses
import itertools
import sys
from pathlib import Path

from labelnoise import sweep, tables, trials
from labelnoise.ledger import Ledger
from labelnoise.training import Settings

SEEDS = {"lenet": range(1000, 1003), "alexnet": range(1000, 1001)}
GRIDS = {
    "lenet": [
        Settings(epochs=8, batch_size=batch, learning_rate=rate, weight_decay=decay)
        for batch, rate, decay in itertools.product((64, 128, 256), (5e-4, 1e-3, 2e-3, 4e-3), (1e-2,))
    ],
    "alexnet": [
        Settings(epochs=epochs, batch_size=128, learning_rate=rate, weight_decay=1e-2, precision="bfloat16")
        for epochs, rate in itertools.product((8,), (1e-4, 3e-4, 6e-4))
    ],
}


def grid(model: str) -> list[trials.Trial]:
    """Every trial of a network's study."""
    return [
        trials.trial(noise=noise, model=model, method=method, transition=transition, seed=seed, settings=settings)
        for settings in GRIDS[model]
        for noise in ("paper-0.5", "paper-0.6")
        for method, transition in (("cross-entropy", None), ("forward", "true"))
        for seed in SEEDS[model]
    ]


def main() -> None:
    model = sys.argv[1]
    ledger = Ledger(Path(__file__).parents[1] / "results" / "tuning.jsonl")
    records = sweep.sweep(grid(model), ledger, progress=sweep.on_terminal)
    table = tables.as_table(records)
    for name in ("epochs", "batch_size", "learning_rate"):
        table[name] = [dataclasses.asdict(record.trial.settings)[name] for record in records]
    scores = table.pivot_table(
        index=["epochs", "batch_size", "learning_rate"], columns=["noise", "method"], values="noisy_validation_loss"
    )
    scores["mean"] = scores.mean(axis=1)
    print(scores.sort_values("mean").to_string(float_format="%.5f"))


if __name__ == "__main__":
    main()
