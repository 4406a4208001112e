"""Choose how AlexNet is trained on "0.6", from the same grid for each method, by noisy validation labels.

    python benchmarks/alexnet_rate.py [WORKERS]      # train what is missing, then write the scores

At the default rate single runs stay at chance. The grid has half of this rate too, with the epochs to make up for it,
and a later peak, which makes the warm-up longer. The score is `tuning.score`, the mean over seeds that are
not reported, so that a failed run counts. Clean labels are not looked at.
The records stand in results/rates.jsonl, the scores in results/benchmarks/alexnet_rate.json.
"""

import dataclasses
import json
import sys
from pathlib import Path

from labelnoise import trials
from labelnoise.training import PROTOCOL
from labelnoise.trials import Ledger, tuning

RESULTS = Path(__file__).parents[1] / "results"
SEEDS = range(1000, 1004)
METHODS = [
    ("cross-entropy", None),
    ("forward", "true"),
    ("generalised", None),
    ("forward", "confident-learning"),
]
DEFAULT = PROTOCOL["alexnet"]
HALF = dataclasses.replace(DEFAULT, epochs=10, learning_rate=DEFAULT.learning_rate / 2)
SETTINGS = {
    "default": DEFAULT,
    "half the rate": HALF,
    "late peak": dataclasses.replace(DEFAULT, schedule="one-cycle-late"),
    "half the rate, late peak": dataclasses.replace(HALF, schedule="one-cycle-late"),
}


def main() -> None:
    ledger = Ledger(RESULTS / "rates.jsonl")
    cells = {
        (method, source, name): [
            tuning.Choice(settings).trial(tuning.Arm("fashion-mnist-3", "paper-0.6", "alexnet", method, source), seed)
            for seed in SEEDS
        ]
        for method, source in METHODS
        for name, settings in SETTINGS.items()
    }
    workers = int(sys.argv[1]) if sys.argv[1:] else None
    asked = [trial for cell in cells.values() for trial in cell]
    found = {r.trial: r for r in trials.sweep(asked, ledger, workers=workers, progress=trials.on_terminal)}
    scores = {arm: tuning.score(found[trial] for trial in cell) for arm, cell in cells.items()}
    fields = ("method", "transition", "settings", "score")
    rows = [dict(zip(fields, (*arm, round(score, 6)), strict=True)) for arm, score in scores.items()]
    (RESULTS / "benchmarks" / "alexnet_rate.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
