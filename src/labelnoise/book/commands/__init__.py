"""What ``labelnoise`` does with the book: a module for each command, and what several of them take."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def add_where(command: argparse.ArgumentParser) -> None:
    """The arguments that say where trials run."""
    where = command.add_mutually_exclusive_group()
    where.add_argument("--workers", type=positive, help="how many trials at once (default one a core)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="run them on this Dask cluster: tcp://host:port")


@contextmanager
def where_to_run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Where trials are to run, as `trials.sweep` takes it."""
    if options.scheduler is None:
        yield {"workers": options.workers}
    else:
        from labelnoise.trials import cluster

        with cluster.connect(options.scheduler) as (executor, workers):
            yield {"executor": executor, "workers": workers}


def positive(text: str) -> int:
    """A whole number from 1 up."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return value
