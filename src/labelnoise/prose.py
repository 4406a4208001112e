"""Numbers and findings as words, so that no sentence of the book holds a number typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelnoise import titles, tuning
from labelnoise.statistics import Interval, interval
from labelnoise.transitions import Matrix, noise_rate
from labelnoise.trials import OURS


def with_interval(value: Interval, unit: str = "points", digits: int = 1) -> str:
    """``+0.8 points (+0.5 to +1.1, n = 10)``."""
    if value.n == 1:
        return f"{value.mean:+z.{digits}f} {unit} (one seed, so no interval)"
    low, high = (f"{bound:+z.{digits}f}" for bound in (value.low, value.high))
    return f"{value.mean:+z.{digits}f} {unit} ({low} to {high}, n = {value.n})"


def listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def noise_sentence(fits: pd.DataFrame, nominal: Mapping[str, Matrix]) -> str:
    """The rate of each noise, and how often the chi-square test rejects its T and the transpose at 5 %.

    Args:
        fits: as `tables.fit_of_noise` gives it.
        nominal: noise to T, shape (n_classes, n_classes).
    """
    parts = []
    for noise, matrix in nominal.items():
        cell = fits[fits["noise"] == noise]
        rejected = (cell.filter(like="p_value") < 0.05).sum()
        part = (
            f"{titles.noise_title(noise)} flips {100 * noise_rate(matrix):.0f} % of the labels, and the test below "
            f"rejects its T in {rejected['p_value']} of {len(cell)} corruptions"
        )
        if not np.allclose(matrix, matrix.T) and cell["p_value_transposed"].notna().all():
            part += f", the transpose of T in {rejected['p_value_transposed']}"
        parts.append(part)
    return f"{'; '.join(parts)}. By chance one rejection in twenty is expected."


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


def medians_sentence(gains: pd.DataFrame) -> str:
    """The median of the differences of each row, which failed runs hardly move.

    Args:
        gains: rows of `tables.gains`.
    """
    if gains.empty:
        return "There is no median to tell."
    parts = [
        f"{row['median']:+z.1f} points"
        + ("" if np.isnan(row["median_low"]) else f" ({row['median_low']:+z.1f} to {row['median_high']:+z.1f})")
        + f" for {_cell(row)}"
        for row in gains.to_dict("records")
    ]
    return f"The median of the differences, which a failed run hardly moves, is {listed(parts)}."


def further_sentence(gains: pd.DataFrame) -> str:
    """What the runs beyond those that all arms have give by themselves.

    Args:
        gains: as `tables.gains` gives it, of these runs.
    """
    if gains.empty:
        return "There are no further ones here."
    return f"By themselves the further runs change the accuracy by {_changes(gains)}."


def sources_sentence(differences: pd.DataFrame) -> str:
    """Between what an estimated T in place of the true one changes the accuracy.

    Args:
        differences: as `tables.against_true` gives it.
    """
    if differences.empty:
        return "No method has an estimated T beside the true one in this run."
    ends = differences.sort_values("gain").iloc[[0, -1]].to_dict("records")
    least, most = (
        f"{with_interval(_gain(row))} ({titles.method_title(row['method'], row['transition'])}; {_cell(row)})"
        for row in ends
    )
    told = differences["corrected"] < 0.05
    return (
        f"An estimated T in place of the true one changes the accuracy after the last epoch by {least} to {most}. Of "
        f"{len(differences)} comparisons {(told & (differences['gain'] < 0)).sum()} are losses beyond chance and "
        f"{(told & (differences['gain'] > 0)).sum()} gains, after Holm's correction."
    )


def _changes(gains: pd.DataFrame) -> str:
    rows = gains.to_dict("records")
    return listed([f"{with_interval(_gain(row))} for {_cell(row)} with {_given(row['transition'])}" for row in rows])


def _gain(row: Mapping[Any, Any]) -> Interval:
    return Interval(row["gain"], row["low"], row["high"], float("nan"), row["n"])


def _given(source: str) -> str:
    return "the true T" if source == "true" else f"T by {titles.source_title(source)}"


def _cell(row: Mapping[Any, Any]) -> str:
    return f"{titles.MODEL_TITLES[row['model']]} on {titles.noise_title(row['noise'])}"


def arm_sentence(gains: pd.DataFrame) -> str:
    """Between what a method changes the accuracy on several noises and networks.

    Args:
        gains: rows of `tables.gains`, all of one method and source of T.
    """
    if gains.empty:
        return "The method asked for is not among the arms of this run."
    first, n = gains.iloc[0].to_dict(), len(gains)
    above, below = (int((gains[end] * sign > 0).sum()) for end, sign in (("low", 1), ("high", -1)))
    source = first["transition"]
    given = f" with {_given(source)}" if source else ""
    return (
        f"{sentence(titles.method_title(first['method'], ''))}{given} changes the accuracy of cross-entropy "
        f"by {gains['gain'].min():+.1f} to {gains['gain'].max():+.1f} points, and of the 95 % intervals of {n} pairs "
        f"of a network and a noise {above} lie above zero and {below} below."
    )


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


def recipe_sentence(table: pd.DataFrame) -> str:
    """What accuracy our own recipe reaches with each T.

    Args:
        table: its rows of `tables.as_table`.
    """
    if table.empty:
        return "Our own recipe is not among the arms of this run."
    arm = ["model", "noise", "transition"]
    parts = []
    for row in table[arm].drop_duplicates().to_dict("records"):
        reached = interval(100 * table[(table[arm] == pd.Series(row)).all(axis=1)]["last_accuracy"])
        spread = f" ± {reached.deviation:.1f}" if reached.n > 1 else ""
        given = _given(row["transition"])
        parts.append(f"{reached.mean:.1f}{spread} % for {_cell(row)} with {given} (n = {reached.n})")
    return f"Our own recipe reaches {listed(parts)}: mean and standard deviation after the last epoch."


def tuning_sentence(tries: pd.DataFrame) -> str:
    """How many tries there were, and how far the published settings are behind the best.

    Args:
        tries: as `tables.tries` gives it.
    """
    counts = tries.groupby(["model", "noise", "method", "transition"], sort=False).size()
    protocol = tries[tries["protocol"]]
    return (
        f"By noisy validation labels alone, with {counts.min()} tries for each of {len(counts)} combinations of "
        f"a method, a network and a noise. In {int(protocol['reported'].sum())} of these no try was better than the "
        f"published settings by more than {tuning.MARGIN:g} standard errors, and they stay; in half of all they are at "
        f"most {protocol['behind'].median():.2f} millinats behind the best."
    )


def standard_errors(losses: tuning.Losses) -> str:
    """``0.92 millinats for LeNet on “0.5” and 0.26 ...``: what a difference of two scores is known to.

    Args:
        losses: as `tuning.losses` gives it.
    """
    parts = []
    for model, noise in dict.fromkeys((arm.model, arm.noise) for arm in losses):
        alike = {arm: by for arm, by in losses.items() if (arm.model, arm.noise) == (model, noise)}
        error = 1000 * tuning.standard_error(alike)
        parts.append(f"{error:.2f} millinats for {_cell({'model': model, 'noise': noise})}")
    return listed(parts)


def errors_sentence(*tables: pd.DataFrame) -> str:
    """The smallest mean error of T on each noise, beside the oracle's.

    Args:
        tables: as `matrix_tables.errors` gives them, with at least one estimator besides the oracle.
    """
    errors = pd.concat(tables)
    estimated = errors[errors["estimator"] != "oracle"].sort_values("mean").drop_duplicates("noise").set_index("noise")
    best = [(noise, estimated.loc[noise]) for noise in dict.fromkeys(errors["noise"])]
    parts = [
        f"{row['mean']:.3f} on {titles.noise_title(noise)} ({titles.source_title(row['estimator'])}, "
        f"{row['times_oracle']:.1f} times the oracle's, n = {row['n']})"
        for noise, row in best
    ]
    return f"The smallest mean relative L1 errors are {listed(parts)}."


def precision_sentence(precision: pd.DataFrame) -> str:
    """Which of the estimators that state intervals has the least bias and spread together, and what they cover.

    Args:
        precision: as `matrix_tables.precision` gives it.
    """
    precision = precision[precision["coverage"].notna()]
    total = precision["bias"] + precision["spread"]
    parts = []
    for noise in dict.fromkeys(precision["noise"]):
        row = precision.loc[total[precision["noise"] == noise].idxmin()]
        name = titles.source_title(row["estimator"])
        others = precision[(precision["noise"] == noise) & (precision["estimator"] != row["estimator"])]
        parts.append(
            f"on {titles.noise_title(noise)} {name} has a bias of {row['bias']:.3f} and "
            f"a spread of {row['spread']:.3f}, and its 95 % intervals hold {100 * row['coverage']:.0f} % of the entries"
            + (f" (the others' at most {100 * others['coverage'].max():.0f} %)" if len(others) else "")
        )
    return f"Of the estimators that state intervals, {listed(parts)} (n = {precision['n'].iloc[0]})."


def votes_sentence(spread: pd.DataFrame) -> str:
    """How many times as much the votes vary over the images of a class as by chance.

    Args:
        spread: as `votes.spread` gives it.
    """
    ratio, p_value = spread["ratio"], max(spread["p_value"].max(), 1e-300)  # smaller ones are 0 in floating point
    return (
        f"From image to image of one class, the share of votes for it has {ratio.min():.1f} to {ratio.max():.1f} times "
        f"the variance that chance gives (p at most {p_value:.0e} for each class)."
    )


def standing_sentence(gains: pd.DataFrame) -> str:
    """How many methods gain and lose on each noise, and which gains most, our own recipe left out.

    It has more than the others: epochs, changed images and the validation images.

    Args:
        gains: as `tables.gains` gives it.
    """
    parts = []
    for noise in dict.fromkeys(gains["noise"]):
        rows = gains[(gains["noise"] == noise) & (gains["method"] != OURS)]
        best, told = rows.loc[rows["gain"].idxmax()].to_dict(), rows["gain"][rows["corrected"] < 0.05]
        parts.append(
            f"on {titles.noise_title(noise)}, of {len(rows)} methods {(told > 0).sum()} gain on cross-entropy beyond "
            f"chance and {(told < 0).sum()} lose; the largest gain is {with_interval(_gain(best))} "
            f"({titles.method_title(best['method'], best['transition'])})"
        )
    return f"{sentence('; '.join(parts))}."
