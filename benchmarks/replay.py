"""Trains recorded trials of the book again, and writes which of them agree.

    python benchmarks/replay.py       # one in fifty of all, about an hour; writes results/benchmarks/replay.json
    python benchmarks/replay.py 10    # as many as you like

Which ones is drawn at random; `labelnoise replay` compares without writing.
"""

import json
import sys
from pathlib import Path

from labelnoise.book import project
from labelnoise.trials import provenance, replay

SEED = 2
SHARE = 0.02
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "replay.json"


def main(n: int | None = None) -> None:
    ledger = project.published_ledger()
    compared = []
    for record in replay.choose(ledger, n or round(SHARE * len(list(ledger))), SEED):
        (one,) = replay.replay([record], ledger)
        asked = record.trial
        found = {name: getattr(asked, name) for name in ("key", "model", "noise", "method", "transition", "seed")}
        found |= {name: record.provenance[name] for name in ("processor", "date")}
        found |= {name: getattr(one, name) for name in ("exact", "agrees", "loss_difference")}
        compared.append(found | {"same_bits": record.weights_sha256 == one.replayed.weights_sha256})
        print(compared[-1], flush=True)
    result = {"provenance": provenance.here(), "tolerance": replay.LOSS_TOLERANCE, "trials": compared}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
