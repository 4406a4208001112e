"""``labelnoise reproduce``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from labelnoise._files import check_target
from labelnoise.book import parameters, project
from labelnoise.book.commands import add_where, forecast, where_to_run
from labelnoise.statistics import interval
from labelnoise.training import OURS
from labelnoise.trials import Ledger, Trial, on_terminal, sweep

DESCRIPTION = None
EXAMPLE = "example: labelnoise reproduce --workers 2 --fresh /tmp/again"

# The answer to the book's main question, by training.
ARMS: dict[str, list[tuple[str, str | None]]] = {
    "methods": [("cross-entropy", None), ("forward", "true")],
    "modern": [(OURS, "true")],
}
RUNS = 10


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.add_argument("--fresh", metavar="DIR", help="train all of them, into a new ledger in this folder")
    command.add_argument("--headline", action="store_true", help="train the answer to the main question from nothing")
    command.add_argument("--dry-run", action="store_true", help="say what would be trained, and stop")
    add_where(command)


def run(options: argparse.Namespace) -> int:
    """Train what is missing."""
    folder = options.fresh or (project.root() / "runs" / "headline" if options.headline else None)
    # Before the book's records are read and all its trials planned, which takes seconds.
    fresh = check_target(Path(folder, "trials.jsonl")) if folder else None
    of_the_book = project.published_ledger()
    ledger = Ledger(fresh) if fresh else of_the_book
    asked = headline() if options.headline else parameters.planned_by_all()
    with where_to_run(options) as where:
        print(forecast(asked, ledger, (), options.workers), flush=True)
        if options.dry_run:
            return 0
        ledger.path.parent.mkdir(parents=True, exist_ok=True)
        sweep(asked, ledger, progress=on_terminal, **where)
    if options.headline:
        print(comparison(asked, of_the_book, ledger))
    return 0


def headline() -> list[Trial]:
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
