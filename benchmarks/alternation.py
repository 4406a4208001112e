"""What the parts of alternating likelihood bring: the error of T without each of them.

    python benchmarks/alternation.py           # about 7 core-minutes: 5 seeds, 2,000 images; adds to
                                               # results/benchmarks/alternation.json what that lacks
    python benchmarks/alternation.py 10 18000  # 10 seeds, all images: 1 core-hour
    python benchmarks/alternation.py 2-4 2000  # the seeds 2 and 3, to run several side by side

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

import numpy as np
import torch
from filelock import FileLock

from labelnoise.book import plans, project
from labelnoise.noise import derive_seed
from labelnoise.training import alternate, rounds
from labelnoise.transitions import l1_error
from labelnoise.trials import Trial, initial_model, prepare, provenance

NOISES = ("paper-0.5", "paper-0.6")
SEEDS, IMAGES, ALL = "0-5", 2_000, 18_000
ARMS: dict[str, dict[str, Any]] = {
    "all parts": {},
    "without cross-fitting": {"held_out": False},
    "without the temperature": {"tempered": False},
}
LAST_ROUND = "without pooling"
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "alternation.json"


def plain(noise: str, images: int, seed: int) -> Trial:
    """The cross-entropy trial that a run begins from."""
    fewer: dict[str, Any] = {} if images == ALL else {"images": images}
    return plans.estimation(noises=[noise], model="lenet", seeds=seed + 1, **fewer)[seed]


def errors(begin: Trial, parts: dict[str, Any]) -> tuple[float, float]:
    """The relative L1 error of T by all rounds together, and by the last one alone."""
    record = project.ledger().find(begin, ["confident-learning"])
    if record is None:
        raise SystemExit(f"There is no record of trial {begin.key}; run labelnoise reproduce.")
    asked = plans.learner(begin, "alternating")
    asked = dataclasses.replace(asked, settings=dataclasses.replace(asked.settings, precision="float32"))
    prepared = prepare(asked)
    turns = alternate(
        [initial_model(asked, "cpu", number) for number in range(3)],
        prepared.noisy,
        prepared.test[torch.arange(10)],  # T does not read it, and it takes time to measure on
        np.array(record.transition_matrices["confident-learning"]),
        rounds(asked.settings),
        seed=derive_seed("order", asked.dataset, asked.seed),
        **parts,
    )
    truth = prepared.transition_matrix
    return l1_error(turns.transition_matrix, truth), l1_error(turns.matrices[-1], truth)


def kept() -> list[dict[str, Any]]:
    """The runs that the file has."""
    return list(json.loads(RESULT.read_text())["runs"]) if RESULT.exists() else []


def keep(run: dict[str, Any], found: dict[str, float]) -> None:
    """Add a run's errors by arm to the file, which other processes may write to."""
    with FileLock(Path(tempfile.gettempdir()) / "labelnoise-alternation.lock"):
        new = [{**run, "arm": arm, "l1": round(error, 5)} for arm, error in found.items()]
        runs = sorted(kept() + new, key=lambda each: (each["images"], each["noise"], each["seed"], each["arm"]))
        whole = {"provenance": provenance.here(), "model": "lenet", "precision": "float32", "runs": runs}
        RESULT.write_text(json.dumps(whole, indent=1) + "\n")


def main() -> None:
    first, _, end = ([*sys.argv[1:], SEEDS][0]).rpartition("-")
    images = int(sys.argv[2]) if sys.argv[2:] else IMAGES
    torch.set_num_threads(1)
    done = {(run["images"], run["noise"], run["seed"], run["arm"]) for run in kept()}
    for seed, noise, (arm, parts) in itertools.product(range(int(first or 0), int(end)), NOISES, ARMS.items()):
        if (images, noise, seed, arm) in done:
            continue
        start = time.process_time()
        together, last = errors(plain(noise, images, seed), parts)
        run = {"noise": noise, "images": images, "seed": seed, "seconds": round(time.process_time() - start, 1)}
        keep(run, {arm: together} if parts else {arm: together, LAST_ROUND: last})
        print(f"{noise}  seed {seed}  {arm:<26}{together:.4f}  last round {last:.4f}  {run['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
