"""Choose the training settings by noisy validation loss, on seeds that are not reported.

    python benchmarks/protocol.py lenet            # train what is missing, then print the table
    python benchmarks/protocol.py lenet-40         # the same network with five times as many epochs
    python benchmarks/protocol.py alexnet
    python benchmarks/protocol.py lenet-ten        # LeNet on all ten classes
    python benchmarks/protocol.py lenet-human      # on ten classes with one human vote each
    python benchmarks/protocol.py lenet-human-3    # on the paper's three

Both of the paper's sets, two noises on ten classes, or human votes; cross-entropy and forward correction with the
true T. The score of a setting is the mean noisy validation loss at the best epoch; clean labels are
not looked at.
The records stand in results/tuning.jsonl.
"""

import dataclasses
import sys
from pathlib import Path

from labelnoise import trials
from labelnoise.book import tables
from labelnoise.training import Settings
from labelnoise.trials import Ledger

ON_THREE = ("fashion-mnist-3", ("paper-0.5", "paper-0.6"))
DATA = {
    "lenet-ten": ("fashion-mnist", ("symmetric-0.5", "pair-flip-0.45")),
    "lenet-human": ("fashion-mnist-h", ("human",)),
    "lenet-human-3": ("fashion-mnist-h-3", ("human",)),
}
FEW_IMAGES = [
    Settings(epochs=epochs, batch_size=batch, learning_rate=rate, weight_decay=1e-2, precision="bfloat16")
    for epochs, batch in ((16, 256), (40, 256), (16, 64))
    for rate in (1e-3, 3e-3)
]
STUDIES = {
    "lenet": (
        range(1000, 1003),
        [
            Settings(epochs=epochs, batch_size=batch, learning_rate=rate, weight_decay=1e-2, precision="bfloat16")
            for epochs, batch in ((8, 128), (8, 256), (8, 512), (5, 256))
            for rate in (1e-3, 2e-3, 4e-3)
        ],
    ),
    "lenet-40": (
        range(1000, 1002),
        [
            Settings(epochs=40, batch_size=256, learning_rate=rate, weight_decay=1e-2, precision="bfloat16")
            for rate in (2.5e-4, 5e-4, 1e-3, 2e-3)
        ],
    ),
    "lenet-ten": (
        range(1000, 1001),
        [
            Settings(epochs=8, batch_size=256, learning_rate=rate, weight_decay=1e-2, precision="bfloat16")
            for rate in (1e-3, 3e-3, 6e-3)
        ],
    ),
    "lenet-human": (range(1000, 1003), FEW_IMAGES),
    "lenet-human-3": (range(1000, 1003), FEW_IMAGES),
    "alexnet": (
        range(1000, 1002),
        [
            Settings(epochs=epochs, batch_size=256, learning_rate=rate, weight_decay=1e-2, precision="bfloat16")
            for epochs in (8, 5)
            for rate in (3e-4, 6e-4, 1e-3)
        ],
    ),
}


def grid(study: str) -> list[trials.Trial]:
    """Every trial of a study."""
    seeds, grid_settings = STUDIES[study]
    model = study.partition("-")[0]
    dataset, noises = DATA.get(study, ON_THREE)
    return [
        trials.trial(
            dataset=dataset,
            noise=noise,
            model=model,
            method=method,
            transition=transition,
            seed=seed,
            settings=settings,
        )
        for settings in grid_settings
        for noise in noises
        for method, transition in (("cross-entropy", None), ("forward", "true"))
        for seed in seeds
    ]


def main() -> None:
    ledger = Ledger(Path(__file__).parents[1] / "results" / "tuning.jsonl")
    records = trials.sweep(grid(sys.argv[1]), ledger, progress=trials.on_terminal)
    table = tables.as_table(records)
    for name in ("epochs", "batch_size", "learning_rate"):
        table[name] = [dataclasses.asdict(record.trial.settings)[name] for record in records]
    scores = table.pivot_table(
        index=["epochs", "batch_size", "learning_rate"], columns=["noise", "method"], values="noisy_validation_loss"
    )
    scores = scores.assign(mean=scores.mean(axis=1))
    print(scores.sort_values("mean").to_string(float_format="%.5f"))


if __name__ == "__main__":
    main()
