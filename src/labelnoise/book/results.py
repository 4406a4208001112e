"""Accuracies, gains and differences: the table that readers see, and what their sentences need."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from labelnoise.book import tables, titles
from labelnoise.statistics import paired_difference


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """How many runs of each arm failed (`tables.failed`), and the mean accuracy in percent of the others, if any."""
    sound = 100 * table["last_accuracy"].mask(table["failed"])
    cells = table.assign(sound=sound).groupby(tables.ARM_COLUMNS, sort=False)
    return cells.agg(failed=("failed", "sum"), others=("sound", "mean")).reset_index()


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """What each method reaches after the last epoch, and what it gains over cross-entropy, the best first.

    p-values are corrected for all comparisons of this table (see `statistics.holm`).

    Args:
        table: as `tables.as_table` gives it, of one network, with cross-entropy.

    Returns:
        One row per noise and method: the mean accuracy in percent with its standard deviation; the lowest of the runs;
        how many failed, and in brackets the mean of the others; the gain in points with its 95 % interval; and p. The
        heading of the methods says how many runs each has, or a column does where they differ.
    """
    noisy = table[table["noise"] != "clean"]
    gains = tables.gains(noisy).drop(columns="n")
    rows = tables.accuracies(noisy).merge(gains, how="left", on=tables.ARM_COLUMNS)
    rows = rows.merge(failures(noisy), on=tables.ARM_COLUMNS)
    noises = rows["noise"].unique().tolist()
    rows = rows.assign(cell=rows["noise"].map(noises.index), order=-rows["gain"].fillna(0.0))
    rows = rows.sort_values(["cell", "order"])
    plain = rows["gain"].isna()
    shown = pd.DataFrame(
        {
            "noise": rows["noise"].map(titles.noise_title),
            "method": [titles.method_title(*arm) for arm in zip(rows["method"], rows["transition"], strict=True)],
            "n": rows["n"],
            "accuracy (%)": rows["last_accuracy"],
            "lowest": rows["lowest"],
            "failed (others)": [_failed(*row) for row in zip(rows["failed"], rows["others"], strict=True)],
            "gain (points)": [titles.spanned(*row) for row in rows[["gain", "low", "high"]].to_numpy()],
            "p": rows["corrected"].map(titles.p_value),
        }
    )
    shown.loc[plain, "gain (points)"] = ""
    shown.loc[rows["corrected"].isna(), "p"] = ""
    if shown["n"].nunique() == 1:
        shown = shown.rename(columns={"method": f"method, n = {shown['n'].iloc[0]}"}).drop(columns="n")
    return shown.set_index(list(shown.columns[:2]))


def of_trainings(by_training: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of several tables of `tables.as_table` with noise, with columns ``training``, its name, and ``arm``."""
    rows = pd.concat([table.assign(training=name) for name, table in by_training.items()])
    rows = rows[rows["noise"] != "clean"].reset_index(drop=True)
    return rows.assign(arm=[titles.method_title(*arm) for arm in zip(rows["method"], rows["transition"], strict=True)])


def beside(rows: pd.DataFrame, names: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """Accuracies in percent after the last epoch: one row per noise and seed, one column per arm that has a name.

    Args:
        rows: as `of_trainings` gives it, of one network and data set; in "plain training" a name follows on
            "plain ".
        names: method and source of its T, to a name.
    """
    arms = [names.get(arm, "") for arm in zip(rows["method"], rows["transition"], strict=True)]
    named = rows.assign(name=arms).query("name != ''")
    plain = named["training"].map({"plain training": "plain "}).fillna("")
    wide = named.assign(name=plain + named["name"])
    return 100 * wide.pivot_table(index=["noise", "seed"], columns="name", values="last_accuracy")


def differences(accuracies: pd.DataFrame, pairs: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Paired differences of columns on each of the paper's sets, as far as they are there, with 95 % intervals.

    Args:
        accuracies: one row per noise and seed, one column per arm.
        pairs: what a difference is called, to the two columns, of which the second is taken from the first.

    Returns:
        Columns mean, low and high; the index has the pair and the noise.
    """
    rows = []
    for name, pair in pairs.items():
        both = accuracies.reindex(columns=list(pair)).dropna()
        for noise, cell in both.groupby("noise"):
            if noise in ("paper-0.5", "paper-0.6"):
                found = paired_difference(*cell.to_numpy().T)
                rows.append([name, noise, found.mean, found.low, found.high])
    return pd.DataFrame(rows, columns=["pair", "noise", "mean", "low", "high"]).set_index(["pair", "noise"])


def _failed(count: int, others: float) -> str:
    return f"{count} ({others:.1f})" if count and pd.notna(others) else str(count)
