"""``labelnoise reproduce``."""

import argparse
from pathlib import Path

from labelnoise.book import parameters, project
from labelnoise.book.commands import add_where, where_to_run
from labelnoise.trials import Ledger, check_device, missing, on_terminal, sweep

DESCRIPTION = None
EXAMPLE = "example: labelnoise reproduce --workers 2 --fresh /tmp/again"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.add_argument("--fresh", metavar="DIR", help="train all of them, into a new ledger in this folder")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what trains (default cpu)")
    add_where(command)


def run(options: argparse.Namespace) -> int:
    """Train what is missing."""
    if options.scheduler is None:
        check_device(options.device)
    ledger = project.published_ledger()
    if options.fresh:
        Path(options.fresh).mkdir(parents=True, exist_ok=True)
        ledger = Ledger(Path(options.fresh) / "trials.jsonl")
    asked = parameters.planned_by_all()
    todo = missing(asked, ledger)
    print(f"{len(asked) - len(todo)} of {len(asked)} trials are on record in {ledger.path}.", flush=True)
    with where_to_run(options) as where:
        sweep(asked, ledger, progress=on_terminal, device=options.device, **where)
    return 0
