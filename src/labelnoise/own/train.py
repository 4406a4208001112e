"""``labelnoise train``: a network, T and suggestions for cleaner labels from images and noisy labels."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelnoise.errors import InputError
from labelnoise.own import images as image_files
from labelnoise.own._networks import network_maker
from labelnoise.own._outputs import check_folder, write_folder
from labelnoise.own._terminal import lines
from labelnoise.own.images import OwnSet
from labelnoise.training import METHODS, MODELS, PROTOCOL, method, protocol

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from labelnoise.own._training import Findings, Trained
    from labelnoise.own.report import Report

AUTO = "forward"  # with T by alternating likelihood, the estimator of least error in the book
SINGLE = [name for name, recipe in METHODS.items() if not recipe.folds]  # methods that train one network

DESCRIPTION = """Train a network on images with noisy labels: estimate T with intervals, train with it, and rank the
labels by how likely each is wrong.

"""
DESCRIPTION += image_files.FORMS
EXAMPLE = """example:
  labelnoise train photos/ --network lenet --out report/
writes report/report.html, report.json, suggestions.csv and model.safetensors. A network of your own is made by a
function of n_classes, in_channels and image_size: --network my_module:make_network."""

NOTES = (
    "T and the suggestions come from networks that were trained without the labels that they judge. Assumed: flips "
    "depend on the class alone, not on the image.",
    "The intervals hold what another draw of the images and another round of training would change, for networks of "
    "this kind; see the book's chapter on precision.",
    "The noisy labels that were held out to compare this network with cross-entropy also chose the epoch of both.",
    "A suggestion is the likeliest clean class by Bayes' rule from a network's P(clean | x) and T. Look at an image "
    "before you change its label.",
)


def check_method(name: str) -> str:
    """The method that a name stands for, "auto" being `AUTO`.

    Raises:
        InputError: there is none, or it trains no single network.
    """
    chosen = AUTO if name == "auto" else name
    if method(chosen).folds:
        raise InputError(f"{name} trains no single network; use one of: auto, {', '.join(SINGLE)}.")
    return chosen


def suggestions(own: OwnSet, found: Findings) -> pd.DataFrame:
    """One row per image, those whose label is likeliest to be wrong first."""
    import pandas as pd

    labels, posterior = own.noisy_labels, found.posterior
    names, rows = np.array(own.class_names, dtype=object), np.arange(len(labels))
    columns = {"row": rows, "image": own.image_names, "label": names[labels]}
    columns |= {"suggestion": names[posterior.argmax(axis=1)], "p_wrong": 1 - posterior[rows, labels]}
    return pd.DataFrame(columns).sort_values("p_wrong", ascending=False, kind="stable", ignore_index=True)


def trained_report(
    own: OwnSet,
    network: str,
    name: str,
    seed: int,
    progress: Callable[[int], Callable[[nn.Module], None]] | None = None,
) -> tuple[Trained, Report]:
    """Train on a set, and report what is found of its labels.

    Args:
        own: the set.
        network: as `network_maker` takes it.
        name: a method, or "auto".
        seed: of the weights, the split and the order of the images.
        progress: given how many epochs there are in all, makes what is called after each.

    Raises:
        InputError: an unknown network or method.
    """
    name = check_method(name)
    (n, channels, size, _), n_classes = own.images.shape, len(own.class_names)
    make = network_maker(network, n_classes, channels, size, seed)
    from labelnoise.own import _training

    settings = _training.scaled_settings(protocol("", network if network in PROTOCOL else "lenet", name), n)
    after_epoch = progress(_training.epochs_in_all(name, settings)) if progress else None
    trained = _training.train(own.data, make, name, settings, seed=seed, after_epoch=after_epoch)
    return trained, report_of(own, trained, network, name)


def report_of(own: OwnSet, found: Findings, network: str, name: str) -> Report:
    """What is told of the labels of a set after training on it.

    Args:
        own: the set.
        found: what came of training.
        network, name: as `trained_report` takes them.

    Raises:
        InputError: an unknown method.
    """
    from labelnoise.own.doubts import doubts_of_matrix, image_dependent
    from labelnoise.own.report import Report, at_least_counted

    n, n_classes = len(own.noisy_labels), len(own.class_names)
    counts = np.bincount(own.noisy_labels, minlength=n_classes)
    bounds = at_least_counted(found.transition_matrix, found.deviation, counts)
    model = MODELS[network].title if network in MODELS else network
    title = f"{model} by {METHODS[check_method(name)].title} on {n:,} images of {n_classes} classes"
    told = doubts_of_matrix(own.noisy_labels, own.class_names, bounds)
    told += tuple(image_dependent(found.probs, own.noisy_labels, np.eye(n_classes)))
    return Report(title, own.class_names, counts, bounds, NOTES, found.gain, own.decisions, told)


def measured(own: OwnSet, found: Findings) -> dict[str, float]:
    """How long the best epoch was in coming, and how accurate the network is then on held-out labels, a fraction."""
    best = found.history[found.best_epoch]
    facts: dict[str, float] = {"epochs": len(found.history), "best_epoch": found.best_epoch + 1}
    facts |= {"noisy_validation_accuracy": round(best.noisy_validation_accuracy, 4)}
    return facts | ({} if own.test_images is None else {"clean_test_accuracy": round(best.clean_test_accuracy, 4)})


def as_table(facts: Mapping[str, float]) -> pd.DataFrame:
    """Facts by name as they are shown, one row per fact."""
    import pandas as pd

    return pd.DataFrame({"": [key.replace("_", " ") for key in facts], "value": map(str, facts.values())})


def run(options: argparse.Namespace) -> int:
    """The command; all that it finds goes to a folder, and the report to the terminal too."""
    check_folder(options.out)
    check_method(options.method)
    own = image_files.read(options)

    def begin(total: int) -> Callable[[nn.Module], None]:
        # Only now is it certain that there is no mistake.
        print(lines(own.decisions), flush=True)
        return _progress(total)

    trained, report = trained_report(own, options.network, options.method, options.seed, begin)
    from safetensors.torch import save

    from labelnoise.own._page import page, pictures_of
    from labelnoise.own.report import as_arrays, as_json, as_text

    ranked, found, best = suggestions(own, trained), measured(own, trained), trained.fit.best_model
    channels, size = own.images.shape[1:3]
    about = {"network": options.network, "in_channels": channels, "image_size": size, "class_names": own.class_names}
    about |= {"mean": trained.scale[0], "deviation": trained.scale[1]}
    weights = {key: value.contiguous() for key, value in best.state_dict().items()}
    facts = as_table(found)
    files = {
        "report.html": page(report, facts, pictures_of(own, ranked)),
        "suggestions.csv": ranked.round(6).to_csv(index=False).encode(),
        "model.safetensors": save(weights, {"labelnoise": json.dumps(about)}),
        **as_arrays(report),
    }
    write_folder(options.out, as_json(report) | found | about, files)
    print(as_text(report), "", facts.to_string(index=False, header=False), "", sep="\n")
    print(f"Written to {options.out}: report.json, {', '.join(files)}.")
    return 0


def _progress(total: int) -> Callable[[nn.Module], None]:
    """Shows epochs and the time left on stderr: on a terminal as a bar, else as a line for every tenth of them."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    bar = tqdm(total=total, unit="epoch", file=sys.stderr if terminal else io.StringIO())

    def show(_: nn.Module) -> None:
        bar.update()
        if not terminal and bar.n * 10 // total > (bar.n - 1) * 10 // total:
            print(bar, file=sys.stderr, flush=True)
        if bar.n == total:
            bar.close()

    return show


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes to a parser."""
    image_files.add_arguments(command)
    known = f"{', '.join(MODELS)}, or MODULE:FUNCTION (default lenet)"
    command.add_argument("--network", default="lenet", metavar="NAME", help=known)
    known = f"auto, which is forward correction, {', '.join(SINGLE)} (default auto)"
    command.add_argument("--method", default="auto", metavar="NAME", help=known)
    command.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="default report")
    command.add_argument("--seed", type=int, default=0, help="of the weights, the split and the order (default 0)")
    command.set_defaults(run=run, stopped="nothing was written.")
