"""Tune every method on both of the paper's sets by noisy validation labels, with as many tries each.

    python benchmarks/tuning.py lenet      # train what is missing, then write what was chosen
    python benchmarks/tuning.py alexnet

The records stand in results/tuning.jsonl, what was chosen in src/labelnoise/trials/tuned.json.
"""

import sys
from pathlib import Path

from labelnoise import trials
from labelnoise.training import METHODS, MODELS
from labelnoise.trials import Ledger, tuning

NOISES = ("paper-0.5", "paper-0.6")
METHODS_TUNED = (
    "cross-entropy", "forward", "backward", "reweighting", "resampling", "t-revision", "volminnet", "total-variation",
    "generalised", "symmetric", "early-learning", "mixup", "co-teaching", "hog-forward",
)  # fmt: skip


def arms(model: str) -> list[tuning.Arm]:
    """Every method on both sets. Those that are given a T are tuned with the true one, unless they are to revise it."""
    given = {name: "true" for name in METHODS_TUNED if METHODS[name].needs_transition} | {"t-revision": "anchor-97"}
    return [
        tuning.Arm("fashion-mnist-3", noise, model, name, given.get(name)) for noise in NOISES for name in METHODS_TUNED
    ]


def main() -> None:
    ledger = Ledger(Path(__file__).parents[1] / "results" / "tuning.jsonl")
    tuning.study(arms(sys.argv[1]), ledger, progress=trials.on_terminal)
    every = {arm for model in MODELS for arm in arms(model)}  # the ledger has other trials, too
    settled = tuning.settled({arm: by for arm, by in tuning.losses(ledger).items() if arm in every})
    tuning.CHOSEN.write_text(tuning.write_chosen(settled))
    for arm, choice in settled.items():
        print(f"{arm.model} {arm.noise} {arm.method}: {choice}")


if __name__ == "__main__":
    main()
