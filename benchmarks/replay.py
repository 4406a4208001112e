"""Trains recorded trials of the book again, and writes which of them agree.

    python benchmarks/replay.py trials       # those that pages show; writes results/benchmarks/replay.json
    python benchmarks/replay.py tries        # those by which settings were chosen; writes replay_tries.json there
    python benchmarks/replay.py trials 10    # as many of each file as you like, in place of one in fifty

Which ones is drawn at random. One in fifty takes about an hour for trials and 20 minutes for tries; `labelnoise replay`
compares without writing.
"""

import json
import sys
from pathlib import Path

from labelnoise.trials import Ledger, provenance, replay

SEED = 2
SHARE = 0.02
RESULTS = Path(__file__).parents[1] / "results"
KINDS = {"trials": ("replay", ["trials"]), "tries": ("replay_tries", ["tuning", "rates"])}  # result, and files


def main(kind: str, n: int | None = None) -> None:
    name, files = KINDS[kind]
    compared = []
    for ledger in (Ledger(RESULTS / f"{file}.jsonl") for file in files):
        for record in replay.choose(ledger, n or round(SHARE * len(list(ledger))), SEED):
            (one,) = replay.replay([record], ledger)
            asked = record.trial
            found = {name: getattr(asked, name) for name in ("key", "model", "noise", "method", "transition", "seed")}
            found |= {name: record.provenance[name] for name in ("processor", "date")}
            found |= {name: getattr(one, name) for name in ("exact", "agrees", "loss_difference")}
            compared.append(found | {"same_bits": record.weights_sha256 == one.replayed.weights_sha256})
            print(compared[-1], flush=True)
    result = {"provenance": provenance.here(), "tolerance": replay.LOSS_TOLERANCE, "trials": compared}
    (RESULTS / "benchmarks" / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "trials", *map(int, sys.argv[2:]))
