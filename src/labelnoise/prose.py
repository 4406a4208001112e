"""Numbers and findings as words, so that no sentence of the book holds a number typed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from labelnoise import rule, titles, tuning
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


def gains_sentence(gains: pd.DataFrame) -> str:
    """What each paired difference to cross-entropy is, and how many of them exclude zero.

    Args:
        gains: as `tables.gains` gives it.
    """
    if gains.empty:
        return "Forward correction is not among the arms of this run."
    parts = []
    for row in gains.to_dict("records"):
        gain = Interval(row["gain"], row["low"], row["high"], float("nan"), row["n"])
        source = titles.source_title(row["transition"])
        cell = f"{titles.MODEL_TITLES[row['model']]} on {titles.noise_title(row['noise'])}"
        parts.append(f"{with_interval(gain)} for {cell} with the {source}")
    gained, lost = int((gains["low"] > 0).sum()), int((gains["high"] < 0).sum())
    return (
        f"Against cross-entropy, paired by seed, the accuracy changes by {listed(parts)}: means with 95 % intervals. "
        f"Of these {len(gains)} intervals {gained} lie above zero and {lost} below."
    )


def further_sentence(gains: pd.DataFrame) -> str:
    """What the runs beyond those that all arms have give by themselves.

    Args:
        gains: as `tables.gains` gives it, of these runs.
    """
    if gains.empty:
        return "here there are no further ones."
    parts = []
    for row in gains.to_dict("records"):
        gain = Interval(row["gain"], row["low"], row["high"], float("nan"), row["n"])
        parts.append(f"{with_interval(gain)} ({titles.source_title(row['transition'])})")
    return f"the further ones alone give {listed(parts)}."


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
    given = f" with {'the true T' if source == 'true' else f'T by {titles.source_title(source)}'}" if source else ""
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
        given = "the true T" if row["transition"] == "true" else f"T by {titles.source_title(row['transition'])}"
        cell = f"{titles.MODEL_TITLES[row['model']]} on {titles.noise_title(row['noise'])}"
        parts.append(f"{reached.mean:.1f}{spread} % for {cell} with {given} (n = {reached.n})")
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
        f"published settings by more than chance would have it, and they stay; in half of all they are at most "
        f"{protocol['behind'].median():.2f} millinats behind the best."
    )


def margin_sentence(cells: pd.DataFrame) -> str:
    """What correction changes where the right label leads by more than `rule.MARGIN`, and where it does not.

    Args:
        cells: as `rule_tables.by_margin` gives it.
    """
    clear = cells["margin"] > rule.MARGIN
    parts = []
    for where, gains in (
        (f"leads the next one by more than {rule.MARGIN:g} in every class", cells["gain"][clear]),
        (f"leads by less in some class{'' if clear.any() else f' than {rule.MARGIN:g}'}", cells["gain"][~clear]),
    ):
        if len(gains):
            parts.append(
                f"where the right label, by an estimate of T, {where}, correction changes the accuracy by "
                f"{gains.min():+.1f} to {gains.max():+.1f} points, {gains.median():+.1f} in the median, and "
                f"{(gains > 0).sum()} of {len(gains)} means are gains"
            )
    return f"{sentence('; '.join(parts))}."


def rule_sentence(rows: pd.DataFrame, which: str) -> str:
    """How often the rule gives a verdict, how often that is right, and what it misses.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
        which: what the runs have in common, such as ``with the usual settings``.
    """
    told = rows["verdict"] != "can't tell"
    right = int((np.sign(rows["predicted"]) == np.sign(rows["gain"]))[told].sum())
    text = (
        f"In {told.sum()} of {len(rows)} runs {which} the accuracy on held-out noisy labels says whether correcting "
        f"gains or loses, in {right} of these {told.sum()} rightly"
    )
    if told.all():
        return f"{text}."
    silent = rows["gain"][~told]
    return (
        f"{text}; in the others it can't tell, and correcting changes the accuracy by {silent.min():+.1f} to "
        f"{silent.max():+.1f} points, {silent.abs().median():.1f} in the median."
    )


def falls_sentence(rows: pd.DataFrame) -> str:
    """What correction gains where cross-entropy itself is seen to fall, and where it is not.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
    """
    falls = rows["fall"] > rows["resolution"]
    if not falls.any():
        return "In no run does cross-entropy's own accuracy on held-out noisy labels fall by more than the resolution."
    fallen, rest = rows[falls], rows["gain"][~falls]
    cells = len(fallen[["training", "model", "noise"]].drop_duplicates())
    return (
        f"In {len(fallen)} of {len(rows)} runs, of {cells} pairs of a training and a noise, cross-entropy's own "
        "accuracy on held-out noisy labels ends further below its best epoch than the resolution, and correcting "
        f"changes the accuracy by {fallen['gain'].min():+.1f} to {fallen['gain'].max():+.1f} points"
        + (f"; in the others by {rest.median():+.1f} in the median." if len(rest) else ".")
    )


def core_hours(seconds: Iterable[float]) -> str:
    """``2.1 core-hours``, of trainings with one thread each."""
    return f"{sum(seconds) / 3600:.1f} core-hours"


def standard_errors(
    losses: Mapping[tuning.Arm, Mapping[tuning.Choice, Sequence[float]]], models: Sequence[str], noises: Sequence[str]
) -> str:
    """``0.92 millinats for LeNet on “0.5” and 0.26 ...``: what a difference of two scores is known to.

    Args:
        losses: as `tuning.losses` gives it.
    """
    parts = []
    for model in models:
        for noise in noises:
            alike = {arm: by for arm, by in losses.items() if (arm.model, arm.noise) == (model, noise)}
            error = 1000 * tuning.standard_error(alike)
            parts.append(f"{error:.2f} millinats for {titles.MODEL_TITLES[model]} on {titles.noise_title(noise)}")
    return listed(parts)


def performance_sentence(throughput: pd.DataFrame, by_chapter: pd.DataFrame) -> str:
    """How many times the common loop our throughput is, and what all trials cost.

    Args:
        throughput: as `costs.throughput_summary` gives it.
        by_chapter: as `costs.by_chapter` gives it, the sum in the last row.
    """
    whole = throughput.groupby("network", sort=False).last()
    parts = [f"{row['times (a)']:.1f} times as many {network}" for network, row in whole.iterrows()]
    cost = by_chapter.iloc[-1]
    return (
        f"With one trial a core a machine trains {listed(parts)} images a second as with the common DataLoader loop. "
        f"All {cost['trials of its own']} trials of "
        f"the book together take {cost['core-hours']:.1f} core-hours."
    )


def workers_sentence(efficiency: float, dask_overhead: float) -> str:
    """What is left of a worker's rate with one a core, and what Dask adds to the local pool, as fractions."""
    return (
        f"With a worker a core each keeps {100 * efficiency:.0f} % of the rate it has alone, and the same sweep on "
        f"Dask takes {100 * dask_overhead:+.1f} % of the local pool's time more on trials of about ten seconds."
    )


def status_sentence(made: pd.DataFrame, replayed: pd.DataFrame) -> str:
    """How many records there are, what they cost and when they were made, and how many came out again.

    Args:
        made: as `status.made_on` gives it.
        replayed: as `status.replayed` gives it.
    """
    machines = len(made[["processor", "instructions", "torch"]].drop_duplicates())
    kinds = "one kind of processor and one build of torch" if machines == 1 else f"{machines} kinds of machine"
    return (
        f"{made['records'].sum()} trainings are on record, {made['core_hours'].sum():.1f} core-hours, made from "
        f"{made['first'].min()} to {made['last'].max()} on {kinds}. Of {len(replayed)} that were drawn at random and "
        f"trained again, {(replayed['agrees'] == 'yes').sum()} agree."
    )


def costs_sentence(costs: pd.DataFrame) -> str:
    """Between how many times cross-entropy's seconds a training takes, with what it needs first.

    Args:
        costs: as `costs.by_method` gives it, cross-entropy and another method among the rows of each network.
    """
    parts = []
    for model in dict.fromkeys(costs["model"]):
        rows = costs[costs["model"] == model].to_dict("records")
        plain = next(row["alone"] for row in rows if row["method"] == "cross-entropy")
        arms = [row for row in rows if row["method"] != "cross-entropy"]
        times = sorted((row["in all"] / plain, titles.method_title(row["method"], row["transition"])) for row in arms)
        ends = [f"{ratio:.1f} times ({name})" for ratio, name in (times[0], times[-1])]
        parts.append(f"between {' and '.join(ends)} as long as cross-entropy with {titles.MODEL_TITLES[model]}")
    return f"A training, with what it needs before it, takes {listed(parts)}."


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
        gain = Interval(best["gain"], best["low"], best["high"], float("nan"), best["n"])
        parts.append(
            f"on {titles.noise_title(noise)}, of {len(rows)} methods {(told > 0).sum()} gain on cross-entropy beyond "
            f"chance and {(told < 0).sum()} lose; the largest gain is {with_interval(gain)} "
            f"({titles.method_title(best['method'], best['transition'])})"
        )
    return f"{sentence('; '.join(parts))}."
