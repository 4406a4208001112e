"""Numbers and findings as words, so that no sentence of the book holds a number typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from labelnoise.book import titles
from labelnoise.statistics import Interval, interval
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


def changes_sentence(gains: pd.DataFrame, what: str) -> str:
    """By how much something changes the accuracy, with its intervals.

    Args:
        gains: rows of `tables.gains`.
        what: the subject.
    """
    return f"{what} changes the accuracy by {_changes(gains)}." if len(gains) else f"{what} is not among these runs."


def losses_sentence(differences: pd.DataFrame) -> str:
    """By how much other settings change the loss on noisy validation labels, for each method.

    Args:
        differences: as `tables.difference` gives it, in millinats.
    """
    if differences.empty:
        return "There are no losses to compare."
    parts = [
        f"{with_interval(_gain(row), 'millinats', 2)} for {titles.method_title(row['method'], row['transition'])}"
        for row in differences.to_dict("records")
    ]
    return f"Against the published settings the loss on noisy validation labels changes by {listed(parts)}."


def lowest_sentence(table: pd.DataFrame) -> str:
    """Where the two lowest runs of each method end.

    Args:
        table: rows of `tables.as_table`.
    """
    if table.empty:
        return "There are no such runs here."
    arms = table["method"].map(lambda method: titles.method_title(method, ""))
    parts = []
    for arm in arms.unique():
        lowest = 100 * table["last_accuracy"][arms == arm].nsmallest(2)
        parts.append(f"at {listed([f'{value:.1f}' for value in lowest])} % with {arm}")
    return f"The lowest runs end {', '.join(parts)}."


def sources_sentence(differences: pd.DataFrame) -> str:
    """Between what an estimated T in place of the true one changes the accuracy, for each network and noise.

    Args:
        differences: as `tables.against_true` gives it.
    """
    if differences.empty:
        return "No method has an estimated T beside the true one in this run."
    parts = []
    for _, cell in differences.groupby(["model", "noise"], sort=False):
        least, most = (titles.signed(value) for value in (cell["gain"].min(), cell["gain"].max()))
        parts.append(f"{least} to {most} points for {_cell(cell.iloc[0].to_dict())}")
    beyond = (differences["low"] > 0) | (differences["high"] < 0)
    return (
        f"An estimated T in place of the true one changes the accuracy after the last epoch by {listed(parts)}, in the "
        f"mean of a method. Of {len(differences)} intervals {beyond.sum()} leave out zero; after Holm's correction "
        f"{(differences['corrected'] < 0.05).sum()} of the differences can be told from zero."
    )


def parts_sentence(parts: pd.DataFrame) -> str:
    """What accuracy our own recipe reaches on each noise, whole and with a part of it left out.

    Args:
        parts: as `tables.ablation` gives it.
    """
    means = (100 * parts.groupby(["part", "noise"], sort=False)["last_accuracy"].mean()).unstack(sort=False)
    told = [
        f"{part} {listed([f'{value:.1f} % on {titles.noise_title(str(noise))}' for noise, value in row.items()])}"
        for part, row in zip(means.index, means.to_dict("records"), strict=True)
    ]
    return f"{sentence('; '.join(told))} (LeNet, true T, n = {parts['seed'].nunique()})."


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


def recipe_sentence(table: pd.DataFrame) -> str:
    """What accuracy our own recipe reaches with each T.

    Args:
        table: its rows of `tables.as_table`.
    """
    if table.empty:
        return "Our own recipe is not among the arms of this run."
    arm, several = ["model", "noise", "transition"], table["transition"].nunique() > 1
    given, parts = _given(table["transition"].iloc[0]), []
    for row in table[arm].drop_duplicates().to_dict("records"):
        reached = interval(100 * table[(table[arm] == pd.Series(row)).all(axis=1)]["last_accuracy"])
        spread = f" ± {reached.deviation:.1f}" if reached.n > 1 else ""
        own = f" with {_given(row['transition'])}" if several else ""
        parts.append(f"{reached.mean:.1f}{spread} % for {_cell(row)}{own} (n = {reached.n})")
    recipe = "Our own recipe" + ("" if several else f" with {given}")
    return f"{recipe} reaches {listed(parts)}: mean and standard deviation after the last epoch."


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
