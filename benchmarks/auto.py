"""How good the method is that `labelnoise train` takes by itself, beside each that it compares.

    python benchmarks/auto.py        # about a quarter of an hour of one core; writes results/benchmarks/auto.json

Stopped, it goes on where it was.

On small sets with known clean labels: subsets of Fashion-MNIST, scikit-learn's digits, and letters drawn in
matplotlib's fonts, of which some are mirror images of others. What is compared are the networks as they are when one of
them is taken, trained on four fifths of the noisy labels; beside it stands the one that is handed over, trained on all.
The rule was
chosen by what the clean labels of other draws on the same sets said; nothing by these draws.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from labelnoise import noise, transitions
from labelnoise.data import fashion_mnist
from labelnoise.names import PAPER
from labelnoise.noise import Labels, derive_seed
from labelnoise.own import _training, images
from labelnoise.own._methods import scaled_settings
from labelnoise.own._network import network_maker
from labelnoise.training import predict_probs
from labelnoise.trials import provenance

TESTED = 2000  # images of a test set, at most
SEEDS = range(20, 21)  # drawn after the rule had been chosen, by seeds 0, 10 and 11
RESULT = Path(__file__).parents[1] / "results" / "benchmarks" / "auto.json"

Pixels = NDArray[np.uint8]
Set = tuple[Pixels, Labels, Pixels, Labels]
Flip = Callable[[Pixels, Labels, int, np.random.Generator], Labels]


def fashion(n: int, classes: tuple[int, ...] | None = None) -> Set:
    """The first n training images of Fashion-MNIST, or of some classes of it."""
    found = fashion_mnist(classes)
    train, test = found.train_images[:n].numpy(), found.test_images[:TESTED].numpy()
    return train, found.train_labels[:n], test, found.test_labels[:TESTED]


def digits(n: int) -> Set:
    """n of scikit-learn's digits, each pixel three times as wide and high; the others are tested with."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    small = (255 * pixels[order].reshape(-1, 8, 8) / 16).astype(np.uint8)
    large = np.pad(small.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))[:, None]
    labels = labels[order].astype(np.int64)
    return large[:n], labels[:n], large[n:], labels[n:]


def letters(n: int, alphabet: str = "bdpqnuhyae") -> Set:
    """Letters in fonts of several kinds and sizes, moved, turned and on grey noise."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = [path for path in sorted(folder.glob("DejaVuS*.ttf")) if "Display" not in path.name]
    fonts = [ImageFont.truetype(str(path), size) for path in paths for size in (16, 19, 22)]
    generator = np.random.default_rng(1)
    labels = generator.integers(len(alphabet), size=n + TESTED)
    pixels = np.empty((n + TESTED, 1, 28, 28), np.uint8)
    for k, label in enumerate(labels):
        image = Image.new("L", (28, 28))
        x, y = generator.integers(11, 18, size=2).tolist()
        font = fonts[generator.integers(len(fonts))]
        ImageDraw.Draw(image).text((x, y), alphabet[label], fill=255, font=font, anchor="mm")
        turned = np.asarray(image.rotate(generator.normal(0, 8), Image.Resampling.BILINEAR))
        pixels[k, 0] = (turned * generator.uniform(0.5, 1) + generator.normal(0, 25, (28, 28))).clip(0, 255)
    return pixels[:n], labels[:n], pixels[n:], labels[n:]


def by(matrix: Callable[[int], Any]) -> Flip:
    """Flips by a transition matrix, made from the number of classes."""
    return lambda pixels, labels, n_classes, generator: noise.corrupt(labels, matrix(n_classes), generator)


def symmetric(rate: float) -> Flip:
    return by(lambda n_classes: transitions.symmetric(n_classes, rate))


def pair_flip(rate: float) -> Flip:
    return by(lambda n_classes: transitions.pair_flip(n_classes, rate))


def instance(rate: float) -> Flip:
    return lambda pixels, labels, n_classes, generator: noise.draw(
        noise.instance_probs(pixels, labels, n_classes, rate, generator), generator
    )


CELLS: dict[str, tuple[Callable[[], Set], Flip]] = {
    "fashion, 300, symmetric 0.2": (lambda: fashion(300), symmetric(0.2)),
    "fashion, 1000, symmetric 0.4": (lambda: fashion(1000), symmetric(0.4)),
    "fashion, 1500, symmetric 0.05": (lambda: fashion(1500), symmetric(0.05)),
    "fashion, 2000, pair-flip 0.4": (lambda: fashion(2000), pair_flip(0.4)),
    "fashion, 2000, by image 0.3": (lambda: fashion(2000), instance(0.3)),
    "fashion, 4000, symmetric 0.6": (lambda: fashion(4000), symmetric(0.6)),
    "three classes, 1000, paper 0.5": (lambda: fashion(1000, (0, 1, 3)), by(lambda _: PAPER["paper-0.5"])),
    "three classes, 3000, paper 0.6": (lambda: fashion(3000, (0, 1, 3)), by(lambda _: PAPER["paper-0.6"])),
    "four tops, 2000, pair-flip 0.3": (lambda: fashion(2000, (0, 2, 4, 6)), pair_flip(0.3)),
    "digits, 1000, symmetric 0.4": (lambda: digits(1000), symmetric(0.4)),
    "digits, 1000, pair-flip 0.3": (lambda: digits(1000), pair_flip(0.3)),
    "letters, 1500, symmetric 0.4": (lambda: letters(1500), symmetric(0.4)),
    "letters, 1500, pair-flip 0.3": (lambda: letters(1500), pair_flip(0.3)),
    # So small that T can hardly be known.
    "digits, 300, pair-flip 0.3": (lambda: digits(300), pair_flip(0.3)),
    "digits, 300, symmetric 0.4": (lambda: digits(300), symmetric(0.4)),
    "letters, 400, symmetric 0.4": (lambda: letters(400), symmetric(0.4)),
    "fashion, 400, pair-flip 0.3": (lambda: fashion(400), pair_flip(0.3)),
    "three classes, 130, paper 0.5": (lambda: fashion(130, (0, 1, 3)), by(lambda _: PAPER["paper-0.5"])),
    "four tops, 160, pair-flip 0.3": (lambda: fashion(160, (0, 2, 4, 6)), pair_flip(0.3)),
}


def measure(name: str, seed: int) -> dict[str, Any]:
    """One cell with one seed: the clean test accuracy of each method, and which one was taken."""
    make_set, flip = CELLS[name]
    pixels, clean, test_pixels, test_labels = make_set()
    n_classes = int(clean.max()) + 1
    noisy = flip(pixels, clean, n_classes, np.random.default_rng(derive_seed("auto", name, seed)))
    own = images.from_arrays(pixels, noisy)
    fits: dict[str, Any] = {}
    keep = _training._shown

    def kept(method: str, fit: Any, held_out: Any) -> Any:
        found = keep(method, fit, held_out)
        fits[method] = fit.model if found.epoch == len(fit.history) - 1 else fit.best_model
        return found

    start = time.process_time()
    settings = scaled_settings("lenet", len(noisy))
    make = network_maker("lenet", n_classes, 1, 28, seed)
    with patch.object(_training, "_shown", kept):
        trained = _training.train(own.data, make, "auto", settings, seed=seed)
    seconds = time.process_time() - start
    mean, deviation = trained.scale
    scaled = (torch.from_numpy(test_pixels).float() - mean) / deviation

    def accuracy(network: Any) -> float:
        return float((predict_probs(network, scaled).argmax(axis=1) == test_labels).mean())

    assert trained.choice is not None
    return {
        "cell": name,
        "seed": seed,
        "taken": trained.choice.method,
        "accuracy": {method: accuracy(network) for method, network in fits.items()},
        "handed_over": accuracy(trained.network),
        "agreement": {score.method: score.agreement for score in trained.choice.scores},
        "n_held_out": trained.choice.n_held_out,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    rows: list[dict[str, Any]] = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    for seed in SEEDS:
        for name in CELLS:
            if (name, seed) not in {(row["cell"], row["seed"]) for row in rows}:
                rows.append(measure(name, seed))
                print(rows[-1], file=sys.stderr, flush=True)
                RESULT.write_text(json.dumps({"provenance": provenance.here(), "rows": rows}, indent=1) + "\n")
    summary(rows)


def summary(rows: list[dict[str, Any]]) -> None:
    """Print the means of each cell, and how far auto is from the best single method."""
    methods = list(rows[0]["accuracy"])
    cells = {name: found for name in CELLS if (found := [row for row in rows if row["cell"] == name])}
    means = {name: {m: statistics.mean(row["accuracy"][m] for row in cells[name]) for m in methods} for name in cells}
    auto = {name: statistics.mean(row["accuracy"][row["taken"]] for row in cells[name]) for name in cells}
    short = {name: 100 * (auto[name] - max(means[name].values())) for name in cells}
    for name in cells:
        print(name, {m: round(100 * each, 1) for m, each in means[name].items()}, f"auto {short[name]:+.1f}")
    print(f"auto less the best in each cell: {statistics.mean(short.values()):+.2f}, least {min(short.values()):+.2f}")


if __name__ == "__main__":
    main()
