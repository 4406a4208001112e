"""What the numbers of the book were made on, from the records: processors, versions, dates, hashes, and its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import labelnoise
from labelnoise.data import sources
from labelnoise.trials import Record

MACHINE = ["processor", "instructions", "torch", "python", "labelnoise"]


def made_on(ledgers: Mapping[str, Iterable[Record]]) -> pd.DataFrame:
    """How many records were made with each processor and set of versions, one row per ledger and these.

    Args:
        ledgers: the name of each, and its records.

    Returns:
        Columns ledger, those of `MACHINE`, ``records``, ``core_hours``, and the dates ``first`` and ``last``.
    """
    rows = [
        [name, *(record.provenance.get(field, "") for field in [*MACHINE, "date"]), record.seconds / 3600]
        for name, records in ledgers.items()
        for record in records
    ]
    table = pd.DataFrame(rows, columns=["ledger", *MACHINE, "date", "hours"])
    cells = table.groupby(["ledger", *MACHINE], sort=False)
    return cells.agg(
        records=("hours", "size"), core_hours=("hours", "sum"), first=("date", "min"), last=("date", "max")
    ).reset_index()


def measured_on(benchmarks: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Where and when each file of `benchmarks/` was measured, a row each: its name, the date, torch and processor.

    Args:
        benchmarks: name to what `costs.measured` gives.
    """
    columns = ["date", "torch", "processor"]
    rows = [[name, *(result["provenance"][field] for field in columns)] for name, result in benchmarks.items()]
    return pd.DataFrame(rows, columns=["benchmark", *columns])


def replayed(result: Mapping[str, Any]) -> pd.DataFrame:
    """How the trials that `benchmarks/replay.py` trained again compare, a row for each processor of their records.

    Returns:
        Columns processor, ``replayed``, how many of these have the ``same bits``, how many ``agree``, and the ``largest
        difference`` of the noisy validation loss, in millinats.
    """
    trials = pd.DataFrame(result["trials"]).assign(replayed=1, millinats=lambda one: 1000 * one["loss_difference"])
    cells = trials.groupby("processor", sort=False)
    found = cells.agg({"replayed": "sum", "same_bits": "sum", "agrees": "sum", "millinats": "max"}).reset_index()
    names = {"same_bits": "same bits", "agrees": "agree", "millinats": "largest difference"}
    return found.rename(columns=names).sort_values("replayed", ascending=False, ignore_index=True)


def hashes(paths: Sequence[Path]) -> pd.DataFrame:
    """The sha256 of files, and of the content of the data that are looked for: columns file and sha256."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    found |= sources.SHA256 | {sources.VOTES: sources.VOTES_SHA256}
    return pd.DataFrame(found.items(), columns=["file", "sha256"])


def version_line(records: Iterable[Record]) -> str:
    """Which version this is, and from when to when its records were made."""
    dates = sorted(record.provenance.get("date", "") for record in records)
    return f"This is version {labelnoise.__version__}, with records of {dates[0]} to {dates[-1]}."


def bibtex(citation: str) -> str:
    """How to cite the book, as BibTeX.

    Args:
        citation: in the Citation File Format, 1.2.0.
    """
    told = yaml.safe_load(citation)
    fields = {
        "author": " and ".join(
            f"{{{who['name']}}}" if "name" in who else f"{who['family-names']}, {who['given-names']}"
            for who in told["authors"]
        ),
        "title": f"{{{told['title']}}}",
        "year": str(told["date-released"])[:4],
        "version": str(told["version"]),
    } | ({"url": told["url"]} if "url" in told else {})
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@software{{labelnoise{fields['year']},", *lines, "}"])
