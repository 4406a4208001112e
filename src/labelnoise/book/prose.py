"""Numbers and findings as words, so that no sentence of the book holds a number typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from labelnoise.book import titles
from labelnoise.names import distortion
from labelnoise.statistics import Interval
from labelnoise.training import OURS


def with_interval(value: Interval, unit: str = "points", digits: int = 1) -> str:
    """``+0.8 points (+0.5 to +1.1, n = 10)``."""
    mean, low, high = (titles.signed(number, digits) for number in (value.mean, value.low, value.high))
    if value.n == 1:
        return f"{mean} {unit} (one seed, so no interval)"
    return f"{mean} {unit} ({low} to {high}, n = {value.n})"


def listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def gains_sentence(gains: pd.DataFrame, what: str = "the accuracy after the last epoch") -> str:
    """What each paired difference to cross-entropy is, and how many of them differ from zero.

    Args:
        gains: rows of `tables.gains`.
        what: what changes.
    """
    if gains.empty:
        return "Forward correction is not among the arms of this run."
    gained, lost, told = ((gains["low"] > 0).sum(), (gains["high"] < 0).sum(), (gains["corrected"] < 0.05).sum())
    return (
        f"Against cross-entropy, paired by seed, {what} changes by {_changes(gains)}: means with 95 % intervals. "
        f"Of these {len(gains)} intervals {gained} lie above zero and {lost} below; after Holm's correction for all "
        f"comparisons of their table {told} of the differences can be told from zero."
    )


def distortions_sentence(gains: pd.DataFrame, errors: pd.DataFrame) -> str:
    """How wrong a T may be: the largest error with which correction still gains, and the smallest with which it loses.

    Args:
        gains: as `tables.gains` gives it, of T that are distorted and others.
        errors: as `tables.distortion_errors` gives it.
    """
    named = gains.assign(distortion=gains["transition"].map(distortion)).dropna(subset="distortion")
    found = [errors[noise][name] for noise, name in zip(named["noise"], named["distortion"], strict=True)]
    rows = named.assign(error=found)
    parts = []
    for what, those, extreme in (
        ("the largest error of T with which the mean is a gain is", rows[rows["gain"] > 0], "max"),
        ("the smallest with which it is a loss is", rows[rows["gain"] < 0], "min"),
    ):
        if len(those):
            row = those.loc[those["error"].agg(f"idx{extreme}")].to_dict()
            source, noise = titles.source_title(row["transition"]), titles.noise_title(row["noise"])
            parts.append(f"{what} {row['error']:.2f} ({source} on {noise}: {with_interval(_gain(row))})")
    return f"{sentence('; '.join(parts))}." if parts else "No T is distorted in this run."


def _changes(gains: pd.DataFrame) -> str:
    rows = gains.to_dict("records")
    several = gains["transition"].nunique() > 1
    return listed(
        [
            f"{with_interval(_gain(row))} for {_cell(row)}" + (f" with {_given(row['transition'])}" if several else "")
            for row in rows
        ]
    )


def _gain(row: Mapping[Any, Any]) -> Interval:
    return Interval(row["gain"], row["low"], row["high"], float("nan"), row["n"])


def _given(source: str) -> str:
    return "the true T" if source == "true" else f"T by {titles.source_title(source)}"


def _cell(row: Mapping[Any, Any]) -> str:
    return f"{titles.MODEL_TITLES[row['model']]} on {titles.noise_title(row['noise'])}"


def range_sentence(gains: pd.DataFrame, where: str) -> str:
    """The noises on which each method changes the accuracy by least, or lowers it most, and raises it most.

    Args:
        gains: as `tables.gains` gives it, of one network.
        where: what they have in common, such as ``with LeNet on three classes``.
    """
    parts = []
    for asked in gains[["method", "transition"]].drop_duplicates().to_dict("records"):
        arm = gains[(gains["method"] == asked["method"]) & (gains["transition"] == asked["transition"])]
        ends = arm.sort_values("gain").iloc[[0, -1]].to_dict("records")
        least, most = (f"{row['gain']:+.1f} points on {titles.noise_title(row['noise'])}" for row in ends)
        parts.append(f"{titles.method_title(asked['method'], asked['transition'])}, between {least} and {most}")
    n = f"n = {gains['n'].min()}" if gains["n"].nunique() == 1 else f"n = {gains['n'].min()} to {gains['n'].max()}"
    return (
        f"After the last epoch each method changes the accuracy of cross-entropy {where} by, in the mean ({n}): "
        f"{'; '.join(parts)}."
    )


def standing_sentence(gains: pd.DataFrame) -> str:
    """How many methods gain and lose on each noise, and which gains most; our own recipe is said to be left out.

    A method counts once with each T that it is given. The recipe has more than the others: epochs, changed images and
    the validation images.

    Args:
        gains: as `tables.gains` gives it.
    """
    parts, ours = [], (gains["method"] == OURS).any()
    for noise in gains["noise"].unique():
        rows = gains[(gains["noise"] == noise) & (gains["method"] != OURS)]
        best, told = rows.loc[rows["gain"].idxmax()].to_dict(), rows["gain"][rows["corrected"] < 0.05]
        parts.append(
            f"on {titles.noise_title(noise)}, of {len(rows)} methods, each counted with each T that it is given, "
            f"{(told > 0).sum()} gain on cross-entropy beyond chance and {(told < 0).sum()} lose; "
            f"the largest gain is {with_interval(_gain(best))} "
            f"({titles.method_title(best['method'], best['transition'])})"
        )
    left_out = " Our own recipe has more than the others and is left out of this count." if ours else ""
    return f"{sentence('; '.join(parts))}.{left_out}"
