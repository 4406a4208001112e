"""``labelnoise train``: a network, T and suggestions for cleaner labels from images and noisy labels."""

from __future__ import annotations

import argparse
import base64
import html
import importlib
import io
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save
from torch import nn

from labelnoise import training
from labelnoise.errors import InputError
from labelnoise.noise import derive_seed
from labelnoise.own._images import OwnSet, read_images
from labelnoise.own._outputs import check_folder, write_folder
from labelnoise.own._page import page, table
from labelnoise.own._report import Report, as_json, as_text, at_least_counted
from labelnoise.own._training import Trained, check_method, epochs_in_all, scaled_settings, train
from labelnoise.training import METHODS, MODELS, PROTOCOL, Fit, protocol
from labelnoise.trials import duration

DESCRIPTION = """Train a network on images with noisy labels: estimate T with intervals, train with it, and rank the
labels by how likely each is wrong.

DATA is an .npz with Xtr (n, height, width[, channels]) uint8 and Str (n,), the noisy labels, and if you like Xts and
Yts, clean test images and labels; or a folder of images with one CSV file in it, with the columns image and label; or a
Parquet file with the columns image and label as Hugging Face writes it. Images are square, 28 to 64 pixels wide."""
EXAMPLE = """example:
  labelnoise train photos/ --network lenet --out report/
writes report/report.html, report.json, suggestions.csv and model.safetensors. A network of your own is made by a
function of n_classes, in_channels and image_size: --network my_module:make_network."""

SHOWN_IMAGES = 48
NOTES = (
    "T and the suggestions come from networks that were trained without the labels that they judge. Assumed: flips "
    "depend on the class alone, not on the image.",
    "The intervals hold what another draw of the images and another round of training would change, for networks of "
    "this kind; see the book's chapter on precision.",
    "The noisy labels that were held out to compare this network with cross-entropy also chose the epoch of both.",
    "A suggestion is the likeliest clean class by Bayes' rule from a network's P(clean | x) and T. Look at an image "
    "before you change its label.",
)


def network_maker(name: str, n_classes: int, channels: int, size: int, seed: int) -> Callable[[int], nn.Module]:
    """Makes networks with fresh weights by a number.

    Args:
        name: of a network of the book, or ``module:function`` with a function of the three numbers that follow.
        n_classes, channels, size: of the images, size in pixels.
        seed: of the weights.

    Raises:
        InputError: no such network, or one that does not give logits of shape (n, n_classes).
    """
    if ":" not in name:
        training.build(name, n_classes, channels, size, seed=0)
        return lambda number: training.build(name, n_classes, channels, size, seed=derive_seed("own", seed, number))
    module, _, function = name.partition(":")
    sys.path.insert(0, str(Path.cwd()))  # as python itself has it
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"The network {name} can't be imported: {error}.") from None
    finally:
        sys.path.remove(str(Path.cwd()))

    def make(number: int) -> nn.Module:
        with training.seeded(derive_seed("own", seed, number)):
            return factory(n_classes, channels, size)

    try:
        shape = tuple(make(0).eval()(torch.zeros(2, channels, size, size)).shape)
    except Exception as error:  # whatever their code raises
        raise InputError(f"The network {name} fails on images of {(2, channels, size, size)}: {error}.") from None
    if shape != (2, n_classes):
        raise InputError(f"The network {name} gives {shape} for 2 images; it must give logits of {(2, n_classes)}.")
    return make


def suggestions(own: OwnSet, trained: Trained) -> pd.DataFrame:
    """A row an image, those whose label is likeliest to be wrong first."""
    labels, posterior = own.data.noisy_labels, trained.posterior
    names = np.array(own.class_names, dtype=object)
    wrong = 1 - posterior[np.arange(len(labels)), labels]
    columns = {"row": np.arange(len(labels)), "image": own.image_names, "label": names[labels]}
    frame = pd.DataFrame({**columns, "suggestion": names[posterior.argmax(axis=1)], "p_wrong": wrong})
    return frame.sort_values("p_wrong", ascending=False, kind="stable", ignore_index=True)


def _pictures(own: OwnSet, ranked: pd.DataFrame) -> str:
    figures = ""
    for row, label, suggestion in ranked.head(SHOWN_IMAGES)[["row", "label", "suggestion"]].to_numpy():
        pixels, file = own.data.train_images[row].permute(1, 2, 0).numpy(), io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "png")
        text = html.escape(f"{own.image_names[row]}: {label}, rather {suggestion}")
        source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        figures += f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
    return f'<h2>Labels that are likeliest to be wrong</h2><div class="pictures">{figures}</div>'


def trained_report(
    own: OwnSet,
    network: str,
    name: str,
    seed: int,
    progress: Callable[[int], Callable[[nn.Module], None]] | None = None,
) -> tuple[Trained, Report]:
    """Train on a set, and what is found of its labels.

    Args:
        own: the set.
        network: as `network_maker` takes it.
        name: a method, or "auto".
        seed: of the weights, the split and the order of the images.
        progress: takes how many epochs there are in all to what is called after each.

    Raises:
        InputError: an unknown network or method.
    """
    name = check_method(name)
    (n, channels, size, _), n_classes = own.data.train_images.shape, len(own.class_names)
    make = network_maker(network, n_classes, channels, size, seed)
    settings = scaled_settings(protocol("", network if network in PROTOCOL else "lenet", name), n)
    after_epoch = progress(epochs_in_all(name, settings)) if progress else None
    trained = train(own.data, make, name, settings, seed=seed, after_epoch=after_epoch)
    counts = np.bincount(own.data.noisy_labels, minlength=n_classes)
    bounds = at_least_counted(trained.alternation.transition_matrix, trained.alternation.deviation, counts)
    shown = MODELS[network].title if network in MODELS else network
    title = f"{shown} by {METHODS[name].title} on {n:,} images of {n_classes} classes"
    return trained, Report(title, own.class_names, counts, bounds, NOTES, trained.gain)


def measured(own: OwnSet, fit: Fit) -> dict[str, float]:
    """How long the best epoch was in coming, and how accurate the network is then on held-out labels."""
    best = fit.history[fit.best_epoch]
    found: dict[str, float] = {"epochs": len(fit.history), "best_epoch": fit.best_epoch + 1}
    found |= {"noisy_validation_accuracy": round(best.noisy_validation_accuracy, 4)}
    return found | ({} if own.data.test_images is None else {"clean_test_accuracy": round(best.clean_test_accuracy, 4)})


def as_table(facts: Mapping[str, float]) -> pd.DataFrame:
    """Facts by name as they are shown."""
    return pd.DataFrame({"": [key.replace("_", " ") for key in facts], "value": map(str, facts.values())})


def run(options: argparse.Namespace) -> int:
    """The command; all that it finds goes to a folder, and the report to the terminal too."""
    check_folder(options.out)
    check_method(options.method)
    own = read_images(options.data)
    trained, report = trained_report(own, options.network, options.method, options.seed, _progress)
    ranked, found, fit = suggestions(own, trained), measured(own, trained.fit), trained.fit
    channels, size = own.data.train_images.shape[1:3]
    about = {"network": options.network, "in_channels": channels, "image_size": size, "class_names": own.class_names}
    about |= {"mean": trained.scale[0], "deviation": trained.scale[1]}
    weights = {key: value.contiguous() for key, value in fit.best_model.state_dict().items()}
    facts = as_table(found)
    files = {
        "report.html": page(report, f"<h2>Training</h2>{table(facts)}{_pictures(own, ranked)}"),
        "suggestions.csv": ranked.round(6).to_csv(index=False).encode(),
        "model.safetensors": save(weights, {"labelnoise": json.dumps(about)}),
    }
    write_folder(options.out, as_json(report) | found | about, files)
    print(as_text(report), "", facts.to_string(index=False, header=False), "", sep="\n")
    print(f"Written to {options.out}: report.json, {', '.join(files)}.")
    return 0


def _progress(total: int) -> Callable[[nn.Module], None]:
    """Shows each epoch on stderr: on a terminal on one line, else a line for every tenth of them."""
    started, done = time.monotonic(), 0

    def show(_: nn.Module) -> None:
        nonlocal done
        done += 1
        left = (time.monotonic() - started) / done * (total - done)
        line = f"epoch {done} of {total}, about {duration(left)} left"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="" if done < total else "\n", file=sys.stderr, flush=True)
        elif done * 10 // total > (done - 1) * 10 // total:
            print(line, file=sys.stderr, flush=True)

    return show


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    single = [name for name, recipe in METHODS.items() if not recipe.folds]
    command.add_argument("data", type=Path, metavar="DATA", help="an .npz, a folder or a Parquet file")
    known = f"{', '.join(training.MODELS)}, or MODULE:FUNCTION (default lenet)"
    command.add_argument("--network", default="lenet", metavar="NAME", help=known)
    known = f"auto, which is forward correction, {', '.join(single)} (default auto)"
    command.add_argument("--method", default="auto", metavar="NAME", help=known)
    command.add_argument("--out", type=Path, default=Path("report"), metavar="DIR", help="default report")
    command.add_argument("--seed", type=int, default=0, help="of the weights, the split and the order (default 0)")
    command.set_defaults(run=run, stopped="nothing was written.")
