"""``labelnoise train``: a network, T and suggestions for cleaner labels from images and noisy labels."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelnoise._checks import check_choice, check_whole
from labelnoise._imports import is_own, reason
from labelnoise.errors import InputError, MismatchError
from labelnoise.own import images as image_files
from labelnoise.own._methods import AUTO, SINGLE, TRIED, check_method, compared, scaled_settings
from labelnoise.own._network import TrainedNetwork, check_network, network_maker
from labelnoise.own._outputs import check_folder
from labelnoise.own._terminal import Progress, as_text, lines
from labelnoise.own.images import OwnSet, copies
from labelnoise.own.suggestions import add_threshold, check_threshold, ranked
from labelnoise.training import MODELS, method

if TYPE_CHECKING:
    import pandas as pd

    from labelnoise.own.kept import Findings, Trained
    from labelnoise.own.report import Report

DESCRIPTION = """Train a network on images with noisy labels: estimate T with intervals, train with it, and rank the
labels by how likely each is wrong.

"""
DESCRIPTION += image_files.DATA_FORMS
EXAMPLE = """example:
  labelnoise train photos/ --network lenet --out report/
writes report/report.html, report.json, suggestions.csv, labels_cleaned.csv and model.safetensors. A network of your
own is made by a function of n_classes, in_channels and image_size: --network my_module:make_network. To load it:
  labelnoise.load_network("report/model.safetensors").predict_proba(images)"""

NOTES = (
    "T and the suggestions come from networks that were trained without the labels that they judge. Assumed: flips "
    "depend on the class alone, not on the image.",
    "The intervals hold what another draw of the images and another round of training would change, for networks of "
    "this kind; see the book's chapter on precision.",
    "The noisy labels that were held out to compare networks also chose the epoch of each. The network that is handed "
    "over was then trained again, on all images.",
    "A suggestion is the likeliest clean class by Bayes' rule from a network's P(clean | x) and T. They are ranked by "
    "how many times as likely as the label the likeliest other class is.",
)


def check_names(network: str, name: str) -> None:
    """Refuse what can't be had on any set, before one is read.

    Args:
        network, name: as `trained_report` takes them.

    Raises:
        InputError: an unknown network or method.
    """
    check_network(network)
    check_method(name)


def check_how(name: str, device: str, seed: int, workers: int | None, before: str = "") -> None:
    """Refuse a way to train that can't be had on any set, before one is read.

    Args:
        name, device, seed, workers: as `trained_report` takes them.
        before: what stands before the names in messages.

    Raises:
        InputError: an unknown method or device, or numbers that can't be used.
    """
    check_method(name)
    check_choice(device, "device", ("cpu", "cuda", "auto"))
    check_whole(seed, f"{before}seed", 0)
    if workers is not None:
        check_whole(workers, f"{before}workers", 1)


def trained_report(
    own: OwnSet,
    network: str,
    name: str,
    seed: int,
    progress: Callable[[int], Progress] | None = None,
    *,
    device: str = "cpu",
    workers: int | None = None,
) -> tuple[Trained, Report]:
    """Train on a set, and report what is found of its labels.

    Args:
        own: the set.
        network: as `network_maker` takes it.
        name: a method, or "auto".
        seed: of the weights, the split and the order of the images.
        progress: given how many epochs there are in all, makes what is told of each.
        device: cpu, cuda or auto.
        workers: processes; as many as there are cores, or none for few images, if None.

    Raises:
        InputError: an unknown network or method, no such device here, or a method that can't be had on this set.
    """
    (n, channels, size, _), n_classes = own.images.shape, len(own.class_names)
    names, _ = compared(name, n, n_classes)
    make = network_maker(network, n_classes, channels, size, seed)
    from labelnoise.own import _training
    from labelnoise.own._workers import found_device, team_size

    settings = scaled_settings(network, n)
    told = progress(_training.epochs_in_all(names, settings)) if progress else None
    try:
        trained = _training.train(
            own.data, make, name, settings, seed=seed, network=network, device=found_device(device),
            workers=team_size(network, n) if workers is None else workers, progress=told,
        )  # fmt: skip
    except (Exception, SystemExit) as error:
        known = isinstance(error, InputError) and not isinstance(error, MismatchError)
        if known or not is_own(network):  # of an own network a part ran that was not tried before
            raise
        raise InputError(f"The network {network} fails in training: {reason(error)}.") from error
    return trained, report_of(own, trained, network, name)


def network_of(own: OwnSet, trained: Trained, network: str, resized: int | None = None) -> TrainedNetwork:
    """The network that is handed over, with what it takes images by.

    Args:
        own: the set that it was trained on.
        trained: what came of it.
        network: as `trained_report` takes it.
        resized: to what size the images were brought, if they were.
    """
    channels, size = own.images.shape[1:3]
    about = {"network": network, "in_channels": channels, "image_size": size, "class_names": own.class_names}
    about |= {"mean": trained.scale[0], "deviation": trained.scale[1], "resized": resized}
    return TrainedNetwork(trained.network, about)


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
    taken = found.choice.method if found.choice else TRIED[1] if name == AUTO else name
    title = f"{model} by {method(taken).title} on {n:,} images of {n_classes} classes"
    notes = (*([str(found.choice)] if found.choice else []), *NOTES)
    by_image = image_dependent(found.probs, own.noisy_labels, np.eye(n_classes))
    told = (*copies(own), *doubts_of_matrix(own.noisy_labels, own.class_names, bounds), *by_image)
    listed = ranked(own.noisy_labels, own.class_names, found.judged, image=own.image_names)
    return Report(title, own.class_names, counts, bounds, notes, listed, found.gain, own.decisions, told)


def measured(own: OwnSet, found: Findings) -> dict[str, float]:
    """How long the network trains, how accurate it is on held-out labels, and in the end on clean ones, fractions."""
    best = found.history[found.best_epoch]
    facts: dict[str, float] = {"epochs": len(found.history), "best_epoch": found.best_epoch + 1}
    facts |= {"noisy_validation_accuracy": round(best.noisy_validation_accuracy, 4)}
    if own.test_images is not None and found.test_accuracy is not None:
        facts |= {"clean_test_accuracy": round(found.test_accuracy, 4)}
    return facts


def as_table(facts: Mapping[str, float]) -> pd.DataFrame:
    """Facts by name as they are shown, fractions in percent, one row per fact."""
    import pandas as pd

    values = [f"{100 * value:.1f} %" if isinstance(value, float) else str(value) for value in facts.values()]
    return pd.DataFrame({"": [key.replace("_", " ") for key in facts], "value": values})


def run(options: argparse.Namespace) -> int:
    """The command; all that it finds goes to a folder, and the report to the terminal too."""
    check_folder(options.out, *filter(None, (options.data, options.labels)))
    check_threshold(options.threshold, "--threshold")
    check_how(options.method, options.device, options.seed, options.workers, "--")
    asked = {"label_column": options.label_column, "image_size": options.image_size}
    own = image_files.read_images(options.data, options.labels, **asked)

    def begin(total: int) -> Progress:
        # Only now is it certain that there is no mistake.
        print(lines(own.decisions), flush=True)
        return Progress(total)

    how = (options.network, options.method, options.seed, begin)
    trained, report = trained_report(own, *how, device=options.device, workers=options.workers)
    report = replace(report, threshold=options.threshold)

    from labelnoise.own import _page

    network = network_of(own, trained, options.network, options.image_size)
    found = measured(own, trained)
    facts, pictures = as_table(found), _page.pictures_of(own, report.suggestions)
    model = {"model.safetensors": network.as_bytes()}
    written = _page.write(options.out, report, facts, pictures, found | network.about, **model)
    print(as_text(report), "", facts.to_string(index=False, header=False), "", written, sep="\n")
    return 0


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes to a parser."""
    command.add_argument("data", type=Path, metavar="DATA", help="an .npz, a folder, a Parquet file or an .npy")
    command.add_argument("labels", type=Path, nargs="?", metavar="LABELS", help="the labels, if DATA is an .npy")
    command.add_argument("--label-column", metavar="NAME", help="the column of the labels, in a table of several")
    command.add_argument("--image-size", type=int, metavar="PIXELS", help="bring all images to this size, square")
    known = f"{', '.join(MODELS)}, a classifier of torchvision such as resnet18, or MODULE:FUNCTION, whose code is run "
    known += "with all that you may do, so name only code that you trust (default lenet)"
    command.add_argument("--network", default="lenet", metavar="NAME", help=known)
    known = f"auto, which compares {', '.join(TRIED)} and takes the best (the default); one of {', '.join(SINGLE)}; "
    known += "or a loss of your own as MODULE:NAME"
    command.add_argument("--method", default="auto", metavar="NAME", help=known)
    command.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="default report")
    command.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda or auto (default auto)")
    command.add_argument("--workers", type=int, metavar="N", help="processes that train side by side (default: cores)")
    command.add_argument("--seed", type=int, default=0, help="of the weights, the split and the order (default 0)")
    add_threshold(command)
    command.set_defaults(run=run, stopped="nothing was written.")
