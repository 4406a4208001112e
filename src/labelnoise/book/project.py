"""Where the book's files lie, and the records a chapter asks for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from labelnoise.book.plans import Plan
from labelnoise.errors import InputError
from labelnoise.trials import Ledger, Progress, Record, Trial, shown, sweep

FRONT_PAGE = "index"


def root() -> Path:
    """The checkout that this package is installed from, or else the one around the current folder.

    Raises:
        InputError: there is neither.
    """
    here = Path.cwd()
    for folder in (Path(__file__).parents[3], here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "_toc.yml").is_file():
            return folder
    raise InputError(f"{here} is not in a checkout of the book; clone it and run this command there.")


def notebook_names() -> dict[str, Path]:
    """Every chapter's name and source notebook, by name, so that those that show the others come late."""
    paths = sorted((root() / "notebooks").glob("*.ipynb"))
    return {path.stem: path for path in paths}


def as_listed() -> list[str]:
    """The names of the chapters in the order of the book's contents; those that these leave out come last."""
    contents = root() / "_toc.yml"
    listed = re.findall(r"file: chapters/(\S+)", contents.read_text()) if contents.is_file() else []
    names = notebook_names()
    return [name for name in dict.fromkeys([FRONT_PAGE, *listed, *names]) if name in names]


def notebook_path(name: str) -> Path:
    """The source notebook of a chapter.

    Raises:
        InputError: there is no such chapter.
    """
    known = notebook_names()
    if name not in known:
        raise InputError(f"There is no chapter {name!r}; use one of: {', '.join(known)}.")
    return known[name]


def published_path(name: str) -> Path:
    """Where a chapter lies in the book."""
    folder = root() / "book"
    return folder / f"{name}.ipynb" if name == FRONT_PAGE else folder / "chapters" / f"{name}.ipynb"


def published_ledger() -> Ledger:
    """The records that the published book is drawn from."""
    return Ledger(root() / "results" / "trials.jsonl")


def ledger() -> Ledger:
    """The records that a chapter reads, and appends to.

    A reader's own trials go to ``runs/``, over the published ones; ``$LABELNOISE_LEDGER`` names
    another file to append to.
    """
    own = os.environ.get("LABELNOISE_LEDGER")
    return Ledger(own if own else root() / "runs" / "trials.jsonl", base=published_ledger())


def own_folder() -> Path:
    """Where the run on the sample lies that the published chapter on one's own data is drawn from."""
    return root() / "results" / "own"


def given_path(text: str) -> Path:
    """A path that a reader gave a chapter, seen from ``$LABELNOISE_FOLDER``: where `labelnoise chapter` was called."""
    return Path(os.environ.get("LABELNOISE_FOLDER", ""), text)


def _read(records: Iterable[Record], estimators: Sequence[str] = ()) -> list[Record]:
    """The records as pages show them.

    They are noted in the file that ``$LABELNOISE_READ`` names, if there is one, as what a page is drawn from.
    """
    found = list(records)
    if path := os.environ.get("LABELNOISE_READ"):
        with open(path, "a", encoding="utf-8") as file:
            for record in found:
                date = record.provenance.get("date", "")
                file.write(json.dumps([record.trial.key, record.weights_sha256, record.seconds, date]) + "\n")
    return [shown(record, estimators) for record in found]


def every(name: str) -> list[Record]:
    """All records of a file in ``results/``, such as trials or tuning."""
    return _read(Ledger(root() / "results" / f"{name}.jsonl"))


def tries() -> list[Record]:
    """The records by which settings were chosen (benchmarks/protocol.py and benchmarks/tuning.py)."""
    return every("tuning")


def recorded(trials: Sequence[Trial]) -> list[Record]:
    """The records of those trials that have one; nothing is trained."""
    known = ledger()
    return _read(record for trial in trials if (record := known.find(trial)) is not None)


def obtain(plan: Plan) -> dict[str, list[Record]]:
    """The records that a chapter asks for, by what they are for: read, or trained now with progress shown meanwhile."""
    from IPython.display import clear_output

    shown = False

    def show(progress: Progress) -> None:
        nonlocal shown
        shown = True
        clear_output(wait=True)
        print(progress, flush=True)

    known = ledger()
    estimators = plan.estimators or ()
    records = sweep(plan.trials, known, estimators=estimators, progress=show)
    found = {record.trial: record for record in _read(records, estimators)}
    if shown:
        clear_output()
    return {name: [found[trial] for trial in trials] for name, trials in plan.groups.items()}
