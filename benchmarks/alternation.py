"""What the parts of alternating likelihood bring: the error of T without each of them.

    python benchmarks/alternation.py               # about 90 core-seconds a run; adds to
                                                   # results/benchmarks/alternation.json what that lacks
    python benchmarks/alternation.py 10 paper-0.6  # with 10 seeds, on one of the sets

LeNet on the two sets of the source paper, split, flipped and begun as the trials of the same seeds are, from the T that
confident learning has in their records; products in float32, so that every processor takes about as long. Without
cross-fitting each network speaks of images that it was trained on; without the temperature T is the likeliest for what
the networks say as they say it; without pooling the last round alone counts. That one is read from the same training.
"""

import dataclasses
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from labelnoise.book import plans, project
from labelnoise.noise import derive_seed
from labelnoise.training import alternate, rounds
from labelnoise.transitions import l1_error
from labelnoise.trials import Trial, initial_model, prepare, provenance

NOISES = ("paper-0.5", "paper-0.6")
SEEDS = 5
ARMS: dict[str, dict[str, Any]] = {
    "all parts": {},
    "without cross-fitting": {"held_out": False},
    "without the temperature": {"tempered": False},
}
LAST_ROUND = "without pooling"
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "alternation.json"


def alternating(noise: str, seed: int) -> Trial:
    """The trial whose splits, flips, start and weights a run has; in float32."""
    plain = plans.estimation(noises=[noise], model="lenet", seeds=seed + 1)[seed]
    asked = plans.learner(plain, "alternating")
    return dataclasses.replace(asked, settings=dataclasses.replace(asked.settings, precision="float32"))


def errors(noise: str, seed: int, parts: dict[str, Any]) -> tuple[float, float]:
    """The relative L1 error of T by all rounds together, and by the last one alone."""
    asked = alternating(noise, seed)
    recorded = plans.estimation(noises=[noise], model="lenet", seeds=seed + 1)[seed]
    record = project.ledger().find(recorded, ["confident-learning"])
    if record is None:
        raise SystemExit(f"There is no record of cross-entropy on {noise} with seed {seed}; run labelnoise reproduce.")
    prepared = prepare(asked)
    turns = alternate(
        [initial_model(asked, "cpu", number) for number in range(3)],
        prepared.noisy,
        prepared.test,
        torch.tensor(record.transition_matrices["confident-learning"], dtype=torch.float64).numpy(),
        rounds(asked.settings),
        seed=derive_seed("order", asked.dataset, asked.seed),
        **parts,
    )
    truth = prepared.transition_matrix
    return l1_error(turns.transition_matrix, truth), l1_error(turns.matrices[-1], truth)


def kept() -> list[dict[str, Any]]:
    """The runs that the file has."""
    return json.loads(RESULT.read_text())["runs"] if RESULT.exists() else []


def keep(noise: str, seed: int, found: dict[str, float], seconds: float) -> None:
    """Add a run's errors by arm to the file, which another process may write to."""
    with FileLock(Path(tempfile.gettempdir()) / "labelnoise-alternation.lock"):
        new = [
            {"noise": noise, "seed": seed, "arm": arm, "l1": error, "seconds": seconds} for arm, error in found.items()
        ]
        runs = sorted(kept() + new, key=lambda run: (run["noise"], run["seed"]))
        whole = {"provenance": provenance.here(), "model": "lenet", "precision": "float32", "runs": runs}
        RESULT.write_text(json.dumps(whole, indent=1) + "\n")


def main() -> None:
    seeds = int(sys.argv[1]) if sys.argv[1:] else SEEDS
    torch.set_num_threads(1)
    done = {(run["noise"], run["seed"], run["arm"]) for run in kept()}
    for seed, noise, (arm, parts) in itertools.product(range(seeds), sys.argv[2:] or NOISES, ARMS.items()):
        if (noise, seed, arm) in done:
            continue
        start = time.process_time()
        together, last = (round(error, 5) for error in errors(noise, seed, parts))
        seconds = round(time.process_time() - start, 1)
        keep(noise, seed, {arm: together} if parts else {arm: together, LAST_ROUND: last}, seconds)
        print(f"{noise}  seed {seed}  {arm:<26}{together:.4f}  last round {last:.4f}  {seconds} s", flush=True)


if __name__ == "__main__":
    main()
