"""What trials cost, and how many there are, as sentences."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from labelnoise.book import titles
from labelnoise.book.prose import listed
from labelnoise.trials import tuning


def core_hours(seconds: Iterable[float]) -> str:
    """``2.1 core-hours``, of trainings with one thread each."""
    return f"{sum(seconds) / 3600:.1f} core-hours"


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
    """What is left of a worker's rate with one per core, and what Dask adds to the local pool, as fractions."""
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
    for model in costs["model"].unique():
        rows = costs[costs["model"] == model].to_dict("records")
        plain = next(row["alone"] for row in rows if row["method"] == "cross-entropy")
        arms = [row for row in rows if row["method"] != "cross-entropy"]
        times = sorted((row["in all"] / plain, titles.method_title(row["method"], row["transition"])) for row in arms)
        ends = [f"{ratio:.1f} times ({name})" for ratio, name in (times[0], times[-1])]
        parts.append(f"between {' and '.join(ends)} as long as cross-entropy with {titles.MODEL_TITLES[model]}")
    return f"A training, with what it needs before it, takes {listed(parts)}."


def tuning_sentence(tries: pd.DataFrame) -> str:
    """How many tries there were, and how far the published settings are behind the best.

    Args:
        tries: as `tuning_tables.tries` gives it.
    """
    counts = tries.groupby(["model", "noise", "method", "transition"], sort=False).size()
    protocol = tries[tries["protocol"]]
    return (
        f"By noisy validation labels alone, with {counts.min()} tries for each of {len(counts)} combinations of "
        f"a method, a network and a noise. In {int(protocol['reported'].sum())} of these no try was better than the "
        f"published settings by more than {tuning.STANDARD_ERRORS:g} standard errors, and they stay; in half of all "
        f"they are at most {protocol['behind'].median():.2f} millinats behind the best."
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
        parts.append(f"{error:.2f} millinats for {titles.MODEL_TITLES[model]} on {titles.noise_title(noise)}")
    return listed(parts)
