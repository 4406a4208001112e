"""The command ``labelnoise``: each of its commands enters a room of the package only when it runs."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Sequence

import labelnoise
from labelnoise._imports import reason
from labelnoise.errors import InputError

# Command to its module, which has HELP, DESCRIPTION, EXAMPLE, add_arguments and run, and what it is for.
COMMANDS = {
    "estimate": ("labelnoise.own.estimate", "estimate T from your own labels and predicted probabilities"),
    "train": ("labelnoise.own.train", "train a network on your own images and noisy labels"),
    "data": ("labelnoise.book.commands.data", "find or fetch Fashion-MNIST, and check it"),
    "chapter": ("labelnoise.book.commands.chapter", "run a chapter, with other parameters if you like"),
    "reproduce": ("labelnoise.book.commands.reproduce", "train every trial of the book that is not on record"),
    "replay": ("labelnoise.book.commands.replay", "train some recorded trials again and compare"),
}


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The command's arguments; of its commands only the one that these name has its own."""
    top = argparse.ArgumentParser(prog="labelnoise", description="Learning from noisy labels: run the book's chapters.")
    top.add_argument("--version", action="version", version=f"labelnoise {labelnoise.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, (place, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name in arguments:
            command.add_argument("--debug", action="store_true", help="show where code of your own has failed")
            module = importlib.import_module(place)
            command.description, command.epilog = module.DESCRIPTION, module.EXAMPLE
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return top


def _open_closed() -> None:
    """Open the standard files that were closed before, as by ``>&-``, whose places other files would take."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the first that is free
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode))


def _told(error: OSError) -> str:
    """Which file failed and why; of many that are copied, whose error has no words of its own, the first."""
    copied = error.args[0] if isinstance(error, shutil.Error) else None
    name, why = copied[0][1:] if isinstance(copied, list) else (error.filename, error.strerror or reason(error))
    return f"{name or 'A file'} can't be read or written: {why}."


def _let_go() -> None:
    """Drop what is left for readers that are gone, as it would fail again at exit; see Python's text on SIGPIPE."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _status(options: argparse.Namespace) -> int:
    try:
        status: int = options.run(options)
        return status
    except BrokenPipeError:  # an OSError that is no file's
        raise
    except InputError as error:
        if options.debug and error.__cause__:
            traceback.print_exception(error.__cause__)
        print(f"labelnoise: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"labelnoise: {_told(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        done = "finished trials are on record, run the same command to go on."
        print(f"\nlabelnoise: stopped; {getattr(options, 'stopped', done)}", file=sys.stderr)
        return 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; a user's mistake gives one sentence on stderr and exit status 2."""
    _open_closed()
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(words).parse_args(words)  # which ends with a closed pipe by itself
    try:
        status = _status(options)
        for stream in (sys.stdout, sys.stderr):  # here, where a reader that is gone, such as head, can be answered
            stream.flush()
    except BrokenPipeError:
        _let_go()
        return 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1
    return status


if __name__ == "__main__":
    sys.exit(main())
