"""The command ``labelnoise``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

import labelnoise
from labelnoise.book import chapters, parameters, project
from labelnoise.data import sources
from labelnoise.errors import InputError
from labelnoise.own import estimate as estimate_command
from labelnoise.own import train as train_command
from labelnoise.trials import Ledger, cluster, missing, on_terminal, replay, sweep


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


def _data(_: argparse.Namespace) -> int:
    folder = sources.fashion_mnist()
    print(f"Fashion-MNIST is in {folder}, checked by sha256.")
    return 0


@contextmanager
def _workers(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Where trials are to run, as `sweep.sweep` takes it."""
    if options.scheduler is None:
        yield {"workers": options.workers}
    else:
        with cluster.connect(options.scheduler) as (executor, workers):
            yield {"executor": executor, "workers": workers}


def _chapter(options: argparse.Namespace) -> int:
    if bool(options.name) == options.all:
        raise InputError(f"Name one chapter, or pass --all; the chapters are {', '.join(project.sources())}.")
    given = _assignments(options.parameter)
    names = list(project.sources()) if options.all else [options.name]
    with _workers(options) as workers:
        for name in names:
            path = chapters.run(name, given, publish=options.publish, progress=on_terminal, **workers)
            print(f"{name}: {os.path.relpath(path)}", flush=True)
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    ledger = project.published_ledger()
    if options.fresh:
        Path(options.fresh).mkdir(parents=True, exist_ok=True)
        ledger = Ledger(Path(options.fresh) / "trials.jsonl")
    asked = parameters.planned_by_all()
    todo = missing(asked, ledger)
    print(f"{len(asked) - len(todo)} of {len(asked)} trials are on record in {ledger.path}.", flush=True)
    with _workers(options) as workers:
        sweep(asked, ledger, progress=on_terminal, **workers)
    return 0


def _replay(options: argparse.Namespace) -> int:
    ledger = project.published_ledger()
    records = replay.choose(ledger, options.n, options.seed)
    if not records:
        raise InputError(f"There are no records in {ledger.path}; run `labelnoise reproduce` first.")
    different = 0
    for record in records:
        (result,) = replay.replay([record], ledger)
        asked = record.trial
        title = " ".join(filter(None, (asked.key, asked.model, asked.noise, asked.method, asked.transition)))
        kind = "bit for bit" if result.exact else f"within {replay.LOSS_TOLERANCE} nats of noisy validation loss"
        verdict = f"agrees {kind}" if result.agrees else f"DIFFERS, expected to agree {kind}"
        print(f"{title}, seed {asked.seed}: {verdict} (loss difference {result.loss_difference:.6f})", flush=True)
        different += not result.agrees
    print(f"{len(records) - different} of {len(records)} replayed trials agree.")
    return 1 if different else 0


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return value


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    top = argparse.ArgumentParser(prog="labelnoise", description="Learning from noisy labels: run the book's chapters.")
    top.add_argument("--version", action="version", version=f"labelnoise {labelnoise.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    for name, module, help_text in (
        ("estimate", estimate_command, "estimate T from your own labels and predicted probabilities"),
        ("train", train_command, "train a network on your own images and noisy labels"),
    ):
        own = commands.add_parser(
            name,
            help=help_text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLE,
        )
        module.add_arguments(own)

    data = commands.add_parser("data", help="find or fetch Fashion-MNIST, and check it")
    data.set_defaults(run=_data)

    chapter = commands.add_parser(
        "chapter",
        help="run a chapter, with other parameters if you like",
        description="Train the trials that are missing, execute the chapter and render its page under runs/.",
        epilog='example: labelnoise chapter 05_robustness -p models "[lenet]" -p rate_noises "[symmetric-0.3]"',
    )
    chapter.add_argument("name", nargs="?", help="its name, such as 03_correction")
    chapter.add_argument("--all", action="store_true", help="every chapter")
    chapter.add_argument(
        "-p", dest="parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
    )
    chapter.add_argument("--publish", action="store_true", help="put it into the book, its records among the published")
    chapter.set_defaults(run=_chapter)

    reproduce = commands.add_parser(
        "reproduce",
        help="train every trial of the book that is not on record",
        epilog="example: labelnoise reproduce --workers 2 --fresh /tmp/again",
    )
    reproduce.add_argument("--fresh", metavar="DIR", help="train all of them, into a new ledger in this folder")
    reproduce.set_defaults(run=_reproduce)

    again = commands.add_parser("replay", help="train some recorded trials again and compare")
    again.add_argument("-n", type=_positive, default=5, help="how many (default 5)")
    again.add_argument("--seed", type=int, default=0, help="chooses which (default 0)")
    again.set_defaults(run=_replay)

    for command in (chapter, reproduce):
        where = command.add_mutually_exclusive_group()
        where.add_argument("--workers", type=_positive, help="how many trials at once (default one a core)")
        where.add_argument("--scheduler", metavar="ADDRESS", help="run them on this Dask cluster: tcp://host:port")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; a user's mistake gives one sentence on stderr and exit status 2."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except InputError as error:
        print(f"labelnoise: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"labelnoise: {error.filename or 'A file'} can't be read or written: {error.strerror}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        done = "finished trials are on record, run the same command to go on."
        print(f"\nlabelnoise: stopped; {getattr(options, 'stopped', done)}", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
