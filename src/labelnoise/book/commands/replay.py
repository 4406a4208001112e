"""``labelnoise replay``."""

import argparse

from labelnoise.book import project
from labelnoise.book.commands import positive
from labelnoise.errors import InputError
from labelnoise.trials import check_device, replay

DESCRIPTION = EXAMPLE = None


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.add_argument("-n", type=positive, default=5, help="how many (default 5)")
    command.add_argument("--seed", type=int, default=0, help="chooses which (default 0)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what trains (default cpu)")


def run(options: argparse.Namespace) -> int:
    """Train recorded trials again; the status is 1 if one differs."""
    ledger = project.published_ledger()
    check_device(options.device)
    records = replay.choose(ledger, options.n, options.seed)
    if not records:
        raise InputError(f"There are no records in {ledger.path}; run `labelnoise reproduce` first.")
    minutes = sum(record.seconds for record in records) / 60
    print(f"{len(records)} trials to train again, which took {minutes:.0f} min when they were recorded.", flush=True)
    different = 0
    for record in records:
        (result,) = replay.replay([record], ledger, options.device)
        asked = record.trial
        title = " ".join(filter(None, (asked.key, asked.model, asked.noise, asked.method, asked.transition)))
        kind = "bit for bit" if result.exact else f"within {replay.LOSS_TOLERANCE} nats of noisy validation loss"
        verdict = f"agrees {kind}" if result.agrees else f"DIFFERS, expected to agree {kind}"
        print(f"{title}, seed {asked.seed}: {verdict} (loss difference {result.loss_difference:.6f})", flush=True)
        different += not result.agrees
    print(f"{len(records) - different} of {len(records)} replayed trials agree.")
    return 1 if different else 0
