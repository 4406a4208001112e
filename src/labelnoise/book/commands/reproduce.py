"""``labelnoise reproduce``."""

import argparse
from pathlib import Path

from labelnoise.book import parameters, project
from labelnoise.book.commands import _headline, add_where, forecast, where_to_run
from labelnoise.trials import Ledger, on_terminal, sweep

DESCRIPTION = None
EXAMPLE = "example: labelnoise reproduce --workers 2 --fresh /tmp/again"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.add_argument("--fresh", metavar="DIR", help="train all of them, into a new ledger in this folder")
    command.add_argument("--headline", action="store_true", help="train the answer to the main question from nothing")
    command.add_argument("--dry-run", action="store_true", help="say what would be trained, and stop")
    add_where(command)


def run(options: argparse.Namespace) -> int:
    """Train what is missing."""
    of_the_book = ledger = project.published_ledger()
    folder = options.fresh or (project.root() / "runs" / "headline" if options.headline else None)
    if folder:
        ledger = Ledger(Path(folder) / "trials.jsonl")
    asked = _headline.trials() if options.headline else parameters.planned_by_all()
    with where_to_run(options) as where:
        print(forecast(asked, ledger, (), options.workers), flush=True)
        if options.dry_run:
            return 0
        ledger.path.parent.mkdir(parents=True, exist_ok=True)
        sweep(asked, ledger, progress=on_terminal, **where)
    if options.headline:
        print(_headline.comparison(asked, of_the_book, ledger))
    return 0
