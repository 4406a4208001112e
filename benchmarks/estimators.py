"""Seconds and memory of the estimators of T, beside cleanlab's, interleaved in one run on one thread.

    python benchmarks/estimators.py          # about 5 minutes, 3 GB; writes results/benchmarks/estimators.json
    python benchmarks/estimators.py small    # a fiftieth of the samples, in seconds; writes nothing

(a) From probabilities: a made-up network of 10 or 1,000 classes with its noisy labels, in single
    and in double precision. Beside ours stands `compute_confident_joint` and `estimate_latent` of
    cleanlab. Maximum likelihood takes 20 steps.
(b) From features: 60,000 samples of 10 classes.

Seconds are medians over rounds, in each of which every estimator runs once. Memory is the largest
sum of what an estimator has allocated at one time beyond its input, as tracemalloc sees it, by the
size of the input; it is taken apart from the seconds, which it would lengthen.
"""

import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cleanlab.count
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from labelnoise import transitions
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS, Floats, maximum_likelihood
from labelnoise.noise import Labels, corrupt
from labelnoise.trials import provenance

SIZES = ((1_000_000, 10), (50_000, 1000))
WIDTHS = (64, 128, 512)
ROUNDS = {"probabilities": 5, "features": 1}
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "estimators.json"


def by_cleanlab(pred_probs: Floats, noisy_labels: Labels) -> transitions.Matrix:
    """T as cleanlab gives it, transposed to rows of clean classes."""
    joint = cleanlab.count.compute_confident_joint(noisy_labels, pred_probs)
    _, noise_matrix, _ = cleanlab.count.estimate_latent(joint, noisy_labels)
    return np.asarray(noise_matrix).T


FROM_PROBABILITIES: dict[str, Callable[..., transitions.Matrix]] = {
    "cleanlab": by_cleanlab,
    **ESTIMATORS,
    "likelihood, 20 steps": partial(maximum_likelihood, tolerance=-1, max_steps=20),
}


def labelled(n_samples: int, n_classes: int) -> tuple[Labels, Labels]:
    """Clean and noisy labels, shape (n_samples,), with every class among the noisy ones."""
    generator = np.random.default_rng(0)
    clean = generator.permutation(np.arange(n_samples) % n_classes)
    noisy = corrupt(clean, transitions.symmetric(n_classes, 0.3), generator)
    noisy[:n_classes] = np.arange(n_classes)
    return clean, noisy


def probabilities(clean: Labels, n_classes: int, dtype: str) -> Floats:
    """The softmax of logits that favour the clean class, as of a fair network: (n_samples, n_classes)."""
    scores = np.random.default_rng(1).standard_normal((len(clean), n_classes), dtype=np.float32)
    scores[np.arange(len(clean)), clean] += 3 + np.log(n_classes)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores.astype(dtype, copy=False)


def clustered(clean: Labels, n_classes: int, width: int) -> NDArray[np.float32]:
    """Gaussian classes, as the features of a network: (n_samples, width)."""
    generator = np.random.default_rng(1)
    means = 4 / np.sqrt(2 * width) * generator.standard_normal((n_classes, width), dtype=np.float32)
    return means[clean] + generator.standard_normal((len(clean), width), dtype=np.float32)


def measured(
    functions: Mapping[str, Callable[..., transitions.Matrix]], given: Floats, labels: Labels, rounds: int
) -> dict[str, Any]:
    """Seconds of each round and peak bytes of each function."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function(given, labels)
            seconds[name].append(round(time.perf_counter() - start, 5))
    peaks = {}
    for name, function in functions.items():
        tracemalloc.start()
        function(given, labels)
        peaks[name] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return {name: {"seconds": seconds[name], "peak_bytes": peaks[name]} for name in functions}


def show(case: dict[str, Any]) -> None:
    shape = f"{case['n_samples']:,} x {case['width']:,} {case['dtype']}"
    print(f"\n{shape:<44}{'seconds':>9}{'of cleanlab':>13}{'memory of input':>17}")
    medians = {name: statistics.median(each["seconds"]) for name, each in case["estimators"].items()}
    for name, each in case["estimators"].items():
        beside = f"{medians[name] / medians['cleanlab']:.2f}" if "cleanlab" in medians else ""
        print(f"  {name:<42}{medians[name]:>9.3f}{beside:>13}{each['peak_bytes'] / case['input_bytes']:>17.2f}")


def main() -> None:
    small = sys.argv[1:] == ["small"]
    share = 50 if small else 1
    cases = []
    with threadpool_limits(1):
        for n_samples, n_classes in SIZES:
            clean, noisy = labelled(max(n_samples // share, 2 * n_classes), n_classes)
            for dtype in ("float64", "float32"):
                given = probabilities(clean, n_classes, dtype)
                found = measured(FROM_PROBABILITIES, given, noisy, ROUNDS["probabilities"])
                cases.append({"n_samples": len(clean), "width": n_classes, "dtype": dtype, "estimators": found})
                cases[-1]["input_bytes"] = given.nbytes
                show(cases[-1])
        clean, noisy = labelled(60_000 // share, 10)
        for width in WIDTHS:
            given = clustered(clean, 10, width)
            found = measured(FEATURE_ESTIMATORS, given, noisy, ROUNDS["features"])
            cases.append({"n_samples": len(clean), "width": width, "dtype": "float32", "estimators": found})
            cases[-1]["input_bytes"] = given.nbytes
            show(cases[-1])
    if small:
        return
    versions = {name: version(name) for name in ("numpy", "scipy", "cleanlab", "scikit-learn")}
    result = {"threads": 1, "provenance": provenance.here(), "versions": versions, "cases": cases}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
