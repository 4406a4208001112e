"""One page to look at every recorded cell: states from records, and the page that shows them without a kernel.

A cell is a data set, a noise and a network. The page's script and style stand beside this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from labelnoise import data
from labelnoise.book import plans, tables, titles
from labelnoise.data import true_matrix
from labelnoise.names import in_parts
from labelnoise.statistics import interval, paired_difference
from labelnoise.training import method
from labelnoise.transitions import Matrix, l1_error
from labelnoise.trials import Record, Trial, trial

Cell = tuple[str, str, str]  # data set, noise and network

PLAIN = "cross-entropy"
START = {"method": "forward, true", "estimator": "alternating"}  # what is shown first, where a cell has it
EPOCHS = {"best": "best_accuracy", "last": "last_accuracy"}
FILES = {"style": "css", "script": "js"}
KIND_TITLES = {"paper": "the source paper's", "clean": "none", "human": "human votes"}


def cell(asked: Trial) -> Cell:
    """The cell of a trial."""
    return asked.dataset, asked.noise, asked.model


def compared(records: Iterable[Record]) -> list[Record]:
    """The records whose accuracies the page shows.

    They have the settings with which their arm is reported (see `plans.chosen_trial`), so an arm has one record per
    seed, and a seed with which cross-entropy is on record. Networks in folds see fewer images, and are left out.
    """
    shown = [record for record in records if _chosen(record.trial)]
    plain = {(cell(record.trial), record.trial.seed) for record in shown if record.trial.method == PLAIN}
    return [record for record in shown if (cell(record.trial), record.trial.seed) in plain]


def _chosen(asked: Trial) -> bool:
    (dataset, noise, model), arm = cell(asked), (asked.method, asked.transition)
    alike = plans.chosen_trial(dataset=dataset, noise=noise, model=model, arm=arm, seed=asked.seed)
    return asked == alike and not method(asked.method).folds


def estimates(records: Iterable[Record]) -> dict[Cell, dict[str, list[tuple[Matrix, Matrix]]]]:
    """Cell and estimator to the T of each record, and the true one beside it.

    They are of the trials that `plans.estimation` has: cross-entropy's for the oracle and every estimator, and a
    learner's own.
    """
    found: dict[Cell, dict[str, list[tuple[Matrix, Matrix]]]] = {}
    for record in records:
        asked, name = record.trial, record.trial.method
        if name != PLAIN and not method(name).learns_transition:
            continue
        dataset, noise, model = cell(asked)
        plain = trial(dataset=dataset, noise=noise, model=model, method=PLAIN, seed=asked.seed)
        if asked == plans.learner(plain, name):
            truth = true_matrix(dataset, noise, asked.seed)
            for estimator in record.transition_matrices if name == PLAIN else [name]:
                pair = (np.array(record.transition_matrices[estimator]), truth)
                found.setdefault(cell(asked), {}).setdefault(estimator, []).append(pair)
    return found


def states(records: Iterable[Record]) -> dict[str, Any]:
    """All that the page can show, as plain values that JSON has; accuracies are in percent.

    Returns:
        ``cells``, each with its ``methods``, named METHOD or "METHOD, SOURCE" of T, its ``estimators``, and the
        ``ceiling``, the mean accuracy of cross-entropy without noise; ``choices``, field to its values and their
        titles, in the order of the records, rates by size; ``classes``, data set to class names; and ``start``.
    """
    records = list(records)
    grouped: dict[Cell, list[Record]] = {}
    for record in compared(records):
        grouped.setdefault(cell(record.trial), []).append(record)
    methods = {key: _methods(group) for key, group in grouped.items()}
    cells: list[dict[str, Any]] = []
    for key, pairs in estimates(records).items():
        if key in methods:
            dataset, noise, model = key
            kind, *rate = in_parts(noise)
            clean = methods.get((dataset, "clean", model))
            cells.append(
                {
                    "dataset": dataset, "noise": noise, "kind": kind, "rate": "-".join(filter(None, rate)),
                    "model": model, "title": titles.noise_title(noise), "methods": methods[key],
                    "ceiling": clean[PLAIN]["last"]["accuracy"][0] if clean else None,
                    "estimators": {name: _estimator(of) for name, of in pairs.items()},
                }
            )  # fmt: skip
    classes = {one["dataset"]: list(data.DATASETS[one["dataset"]].class_names) for one in cells}
    return {"choices": _choices(cells), "classes": classes, "start": START, "cells": cells}


def _choices(cells: list[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    shown = {field: list(dict.fromkeys(one[field] for one in cells)) for field in ("dataset", "kind", "rate", "model")}
    numbers = {one["rate"]: [part for part in in_parts(one["noise"])[1:] if part] for one in cells}
    shown["rate"].sort(key=lambda rate: [float(number) for number in numbers[rate]])
    for field in ("method", "estimator"):
        shown[field] = list(dict.fromkeys(name for one in cells for name in one[f"{field}s"]))
    titled = {
        "dataset": titles.dataset_title,
        "kind": lambda kind: KIND_TITLES.get(kind, kind.replace("-", " ")),
        "rate": lambda rate: ", number ".join(numbers[rate]) or "fixed",
        "model": lambda model: titles.MODEL_TITLES.get(model, model),
        "method": lambda name: titles.method_title(*(part or "" for part in plans.arm(name))),
        "estimator": titles.source_title,
    }
    return {field: [(value, titled[field](value)) for value in values] for field, values in shown.items()}


def _methods(records: list[Record]) -> dict[str, Any]:
    """Method to its curves and accuracies over seeds, and those of cross-entropy with the same seeds, of one cell."""
    table = tables.as_table(records)
    curves = {record.trial.key: record.history["clean_test_accuracy"] for record in records}
    plain = table[table["method"] == PLAIN].set_index("seed")
    found: dict[str, Any] = {}
    for (name, source), rows in table.groupby(["method", "transition"], sort=False):
        shown = found[f"{name}, {source}" if source else str(name)] = {
            "seeds": rows["seed"].tolist(),
            "curves": [[round(100 * value, 2) for value in curves[key]] for key in rows["key"]],
        }
        for epoch, column in EPOCHS.items():
            values, alike = 100 * rows[column], 100 * plain.loc[rows["seed"], column]
            spreads = {"accuracy": interval(values), "plain": interval(alike)}
            shown[epoch] = {of: _rounded(spread.mean, spread.deviation) for of, spread in spreads.items()}
            if name != PLAIN:
                gain = paired_difference(values, alike)
                shown[epoch]["gain"] = _rounded(gain.mean, gain.low, gain.high)
    return found


def _estimator(pairs: list[tuple[Matrix, Matrix]]) -> dict[str, Any]:
    """Mean T and true T, shape (n_classes, n_classes), and the mean of the relative L1 error over the records."""
    mean, truth = (np.mean(each, axis=0).round(4).tolist() for each in zip(*pairs, strict=True))
    error = np.mean([l1_error(estimate, true) for estimate, true in pairs])
    return {"mean": mean, "truth": truth, "error": round(float(error), 4), "n": len(pairs)}


def _rounded(*values: float) -> list[float | None]:
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]  # JSON has no NaN


def page(shown: Mapping[str, Any]) -> str:
    """The HTML that shows `states`, with style and script; it asks no file and no host for anything."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
    compact = {"separators": (",", ":"), "allow_nan": False, "ensure_ascii": False}
    environment.policies["json.dumps_kwargs"] = compact
    files = {name: Markup(Path(__file__).with_name(f"explore.{kind}").read_text()) for name, kind in FILES.items()}
    return environment.get_template("explore.html.jinja").render(states=shown, **files)
