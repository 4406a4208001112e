"""What readers see in place of identifiers, in figures, tables and sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelnoise import names
from labelnoise._imports import without_hash
from labelnoise.data import DATASETS
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.training import METHODS, MODELS

MODEL_TITLES = {name: model.title for name, model in MODELS.items()}
DATASET_TITLES = {name: entry.title for name, entry in DATASETS.items()}
METHOD_TITLES = {name: recipe.title for name, recipe in METHODS.items()}
SOURCE_TITLES = {
    "": "", "true": "true T", "oracle": "oracle", "cleanlab": "cleanlab",
    **{name: estimator.title for name, estimator in (ESTIMATORS | FEATURE_ESTIMATORS).items()},
    **{name: recipe.title for name, recipe in METHODS.items() if recipe.learns_transition},
}  # fmt: skip


def dataset_title(dataset: str) -> str:
    """How a reader is told of a data set."""
    return DATASET_TITLES.get(dataset, dataset)


def noise_title(noise: str) -> str:
    """How figures and tables name a noise: the paper's as "0.5" and "0.6", in quotes; a data set stands for its own."""
    if noise in DATASET_TITLES:
        return DATASET_TITLES[noise]
    kind, rate, draw = names.in_parts(noise)
    if kind == "random":
        return f"random {rate}, draw {draw}"
    return f"“{rate}”" if kind == "paper" else noise.replace("-", " ")


def source_title(transition: str) -> str:
    """How figures and tables name a source of T: a distorted T by how it is, an own estimator as its author does."""
    if distortion := names.distortion(transition):
        return f"T {distortion.replace('-', ' ')}"
    source, _ = names.in_two(transition)  # less what networks these probabilities are from
    return SOURCE_TITLES.get(source, without_hash(source))


def method_title(method: str, transition: str) -> str:
    """How figures and tables name a method with the source of its T."""
    title = METHOD_TITLES.get(method, without_hash(method))
    return f"{title}, {source_title(transition)}" if transition else title


def signed(value: float, digits: int = 1) -> str:
    """A difference with its sign; one that rounds to 0 has none, as it could be on either side."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text


def p_value(value: float) -> str:
    """A p-value to three digits."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def spanned(value: float, low: float, high: float, digits: int = 1) -> str:
    """``+0.8 (+0.5 to +1.1)``: a difference and its interval, if it has one."""
    return signed(value, digits) + ("" if np.isnan(low) else f" ({signed(low, digits)} to {signed(high, digits)})")


def blanked(table: pd.DataFrame) -> pd.DataFrame:
    """A table with empty cells where nothing is known."""
    shown = table.astype(object)
    return shown.where(shown.notna(), "")


def titled(table: pd.DataFrame) -> pd.DataFrame:
    """A table with the names that readers see in place of identifiers; a method's source of T goes into its name."""
    if {"method", "transition"} <= set(table):
        arms = [method_title(*arm) for arm in zip(table["method"], table["transition"], strict=True)]
        table = table.assign(method=arms).drop(columns="transition")
    readable = {"model": lambda model: MODEL_TITLES.get(model, model), "noise": noise_title, "estimator": source_title}
    shown = {name: table[name].map(title) for name, title in readable.items() if name in table}
    headings = {"model": "network", "best_accuracy": "best epoch", "last_accuracy": "last epoch",
                "protocol": "default", "protocol behind": "default behind"}  # fmt: skip
    return table.assign(**shown).rename(columns=headings)
