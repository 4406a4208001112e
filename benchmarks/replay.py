"""Trains recorded trials of the book again, and writes which of them agree.

    python benchmarks/replay.py       # one in fifty of each ledger, an hour; writes results/benchmarks/replay.json
    python benchmarks/replay.py 10    # as many of each as you like

Which ones is drawn at random; `labelnoise replay` compares without writing.
"""

import json
import sys
from pathlib import Path
from typing import Any

from labelnoise.trials import Ledger, Record, provenance, replay

SEED = 2
SHARE = 0.02
RESULTS = Path(__file__).parents[1] / "results"
LEDGERS = ("trials", "tuning", "rates")


def drawn(n: int | None = None) -> list[tuple[Record, Ledger]]:
    """Some records of each ledger, each with its ledger."""
    found = []
    for name in LEDGERS:
        ledger = Ledger(RESULTS / f"{name}.jsonl")
        number = n or round(SHARE * len(list(ledger)))
        found += [(record, ledger) for record in replay.choose(ledger, number, SEED)]
    return found


def compared(record: Record, ledger: Ledger) -> dict[str, Any]:
    """What came out when a record was trained again."""
    (one,) = replay.replay([record], ledger)
    asked = record.trial
    found = {name: getattr(asked, name) for name in ("key", "model", "noise", "method", "transition", "seed")}
    found |= {name: record.provenance[name] for name in ("processor", "date")}
    found |= {name: getattr(one, name) for name in ("exact", "agrees", "loss_difference")}
    return found | {"same_bits": record.weights_sha256 == one.replayed.weights_sha256}


def write(trials: list[dict[str, Any]]) -> None:
    result = {"provenance": provenance.here(), "tolerance": replay.LOSS_TOLERANCE, "trials": trials}
    (RESULTS / "benchmarks" / "replay.json").write_text(json.dumps(result, indent=1) + "\n")


def main(n: int | None = None) -> None:
    trials = []
    for record, ledger in drawn(n):
        trials.append(compared(record, ledger))
        print(trials[-1], flush=True)
    write(trials)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
