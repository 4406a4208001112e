"""``labelnoise chapter``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

import yaml

from labelnoise.book import parameters, project
from labelnoise.book.commands import add_where, forecast, positive, where_to_run
from labelnoise.book.plan import by_estimators, check_publishable
from labelnoise.errors import InputError

DESCRIPTION = "Train the trials that are missing, execute the chapter and render its page under runs/."
EXAMPLE = 'example: labelnoise chapter 03_correction -p noise_rates "[0.1, 0.3]"'


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.add_argument("name", nargs="?", help="its name, such as 03_correction")
    command.add_argument("--all", action="store_true", help="every chapter")
    command.add_argument(
        "-p", dest="parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
    )
    command.add_argument("--seeds", type=positive, metavar="N", help="independent runs of each, as -p seeds N")
    command.add_argument("--dry-run", action="store_true", help="say what would be trained, and stop")
    command.add_argument("--publish", action="store_true", help="put it into the book, its records among the published")
    add_where(command)


def _assignments(pairs: Sequence[Sequence[str]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in pairs:
        try:
            values[name] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # the latter for a date or number that is none
            raise InputError(
                f"The value {text!r} of parameter {name} can't be read; write it like [0.1, 0.3]."
            ) from None
    return values


def run(options: argparse.Namespace) -> int:
    """Check what is asked for, which is quick, then train and draw it."""
    if bool(options.name) == options.all:
        raise InputError(f"Name one chapter, or pass --all; the chapters are {', '.join(project.notebook_names())}.")
    changed = _assignments(options.parameter) | ({"seeds": options.seeds} if options.seeds else {})
    plans = {
        name: parameters.planned(name, changed)
        for name in ([options.name] if options.name else project.notebook_names())
    }
    if options.publish and any((parameters.defaults(name) | changed).get("profile") == "smoke" for name in plans):
        raise InputError("A smoke run is too small to publish; run the chapter with profile full.")
    for plan in plans.values() if options.publish else ():
        check_publishable(plan)
    groups = by_estimators(plans.values())
    ledger = project.published_ledger() if options.publish else project.ledger()

    def announce() -> None:
        for trials, estimators in groups:
            print(forecast(trials, ledger, estimators, options.workers), flush=True)
        for sentence in filter(None, (plan.besides for plan in plans.values())):
            print(sentence, flush=True)

    if options.dry_run:
        announce()
        return 0
    from labelnoise.book import chapters  # papermill and torch, after what may be wrong
    from labelnoise.trials import on_terminal

    with where_to_run(options) as where:
        announce()
        chapters.train(plans.values(), publish=options.publish, progress=on_terminal, **where)
    for name, path in chapters.draw(list(plans), changed, publish=options.publish):
        print(f"{name}: {os.path.relpath(path)}", flush=True)
    return 0
