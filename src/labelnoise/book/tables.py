"""Records as tables: what figures and tests are drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from labelnoise import data, transitions
from labelnoise.book.plan import rated
from labelnoise.data import corruption
from labelnoise.errors import InputError
from labelnoise.names import in_parts
from labelnoise.statistics import goodness_of_fit, holm, interval, median_interval, paired_difference
from labelnoise.training import OURS
from labelnoise.trials import Record, Trial

FAILED = 0.02  # of noisy validation labels: what a run that failed tells of them beyond the most frequent one, at most


def guesses(record: Record) -> bool:
    """Whether a run tells noisy validation labels hardly better than naming the most frequent one does."""
    frequent = np.mean(record.transition_matrices["oracle"], axis=0).max()  # of classes that are equally frequent
    return bool(record.history["noisy_validation_accuracy"][-1] < frequent + FAILED)


def failed(record: Record) -> bool:
    """Whether a run `guesses` where naming the clean classes would do better, which only the true T says."""
    matrix = np.array(record.transition_matrices["oracle"])
    return guesses(record) and bool(matrix.mean(axis=0).max() + FAILED <= matrix.diagonal().mean())


def trial_fields(asked: Trial) -> dict[str, object]:
    """What tables say of a trial; the source of T is an empty text where it is given none."""
    names = ("dataset", "noise", "model", "method")
    return {name: getattr(asked, name) for name in names} | {"transition": asked.transition or "", "seed": asked.seed}


def as_table(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record: the trial's fields, accuracies at the best and last epoch, and whether it `failed`."""
    rows = []
    for record in records:
        accuracy = record.history["clean_test_accuracy"]
        rows.append(
            {
                "key": record.trial.key, **trial_fields(record.trial),
                "best_epoch": record.best_epoch + 1, "best_accuracy": accuracy[record.best_epoch],
                "last_accuracy": accuracy[-1], "memorised": record.history["memorised"][-1],
                "noisy_validation_loss": record.history["noisy_validation_loss"][record.best_epoch],
                "seconds": record.seconds, "failed": failed(record),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def as_curves(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record and epoch, counted from 1: the trial's fields and what was measured."""
    frames = []
    for record in records:
        epochs = range(1, len(record.history["clean_test_accuracy"]) + 1)
        frames.append(pd.DataFrame({**trial_fields(record.trial), "epoch": epochs, **record.history}))
    return pd.concat(frames, ignore_index=True)


def as_ends(records: Iterable[Record]) -> pd.DataFrame:
    """What trainings of several lengths end with: the last row of each record's `as_curves`."""
    return pd.concat([as_curves([record]).tail(1) for record in records], ignore_index=True)


ARM_COLUMNS = ["model", "noise", "method", "transition"]


def _refuse_repeats(table: pd.DataFrame) -> None:
    repeated = table[table.duplicated([*ARM_COLUMNS, "seed"])]
    if len(repeated):
        row = repeated.iloc[0]
        raise InputError(
            f"The table has two trials of {row['model']}, {row['noise']}, {row['method']} with seed {row['seed']}; "
            "compare trials of one data set and one setting at a time."
        )


def gains(table: pd.DataFrame, column: str = "last_accuracy") -> pd.DataFrame:
    """Each method against cross-entropy, paired by seed, in points.

    Args:
        table: as `as_table` gives it.
        column: "best_accuracy", "last_accuracy" or "memorised".

    Returns:
        One row per network, noise, method and source of T: ``gain``, ``low``, ``high`` (95 % interval), ``n``,
        ``p_value`` of a gain of 0, ``corrected``, that for the number of rows (see `statistics.holm`), and ``median``,
        ``median_low``, ``median_high`` (see `statistics.median_interval`).

    Raises:
        InputError: a seed occurs twice in a cell.
    """
    return _paired(table, ["model", "noise"], ("method", "cross-entropy"), column)


def against_true(table: pd.DataFrame, column: str = "last_accuracy") -> pd.DataFrame:
    """Each method with an estimated T against the same method with the true one, as `gains` has them.

    A method that was never given the true T has no row.
    """
    cells = ["model", "noise", "method"]
    comparable = table.groupby(cells)["transition"].transform(lambda sources: (sources == "true").any())
    return _paired(table[comparable.astype(bool)], cells, ("transition", "true"), column)


def _paired(table: pd.DataFrame, cells: list[str], baseline: tuple[str, str], column: str) -> pd.DataFrame:
    """In each of the cells, its arms against that one whose value of a column `baseline` names."""
    _refuse_repeats(table)
    name, value = baseline
    rows = []
    for _, cell in table.groupby(cells, sort=False):
        base = cell[cell[name] == value].set_index("seed")[column]
        for arm, runs in cell[cell[name] != value].groupby(ARM_COLUMNS, sort=False):
            values = runs.set_index("seed")[column]
            seeds = values.index.intersection(base.index)
            gain = paired_difference(100 * values.loc[seeds], 100 * base.loc[seeds])
            median = median_interval(100 * (values.loc[seeds] - base.loc[seeds]))
            rows.append([*arm, gain.mean, gain.low, gain.high, gain.n, gain.p_value, *median])
    medians = ["median", "median_low", "median_high"]
    found = pd.DataFrame(rows, columns=[*ARM_COLUMNS, "gain", "low", "high", "n", "p_value", *medians])
    # One seed tells nothing, and so is no comparison to correct for.
    tested = found["p_value"].notna()
    found.loc[tested, "corrected"] = holm(found.loc[tested, "p_value"].astype(float))
    return found


def spread(values: pd.Series) -> str:
    """Fractions in percent: ``93.5 ± 0.4``, the mean and the sample standard deviation."""
    summary = interval(100 * values)
    return f"{summary.mean:.1f} ± {summary.deviation:.1f}"


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent at the best and the last epoch, and memorised labels at the last, one row per cell.

    Returns:
        Text such as ``93.5 ± 0.4``, the mean and the sample standard deviation over seeds; of the accuracy after the
        last epoch the ``lowest``, too; and n.

    Raises:
        InputError: a seed occurs twice in a cell.
    """
    _refuse_repeats(table)
    cells = table.groupby(ARM_COLUMNS, sort=False)
    measured = cells[["best_accuracy", "last_accuracy", "memorised"]].agg(spread)
    lowest = cells["last_accuracy"].min().map("{:.1%}".format).str.removesuffix("%")
    measured.insert(2, "lowest", lowest)
    return measured.assign(n=cells["seed"].nunique()).reset_index()


def by_rate(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the ``family`` and the ``rate`` of each noise; runs without noise stand at 0 in every family.

    Args:
        table: as `as_table` gives it, of noises such as ``symmetric-0.2``.

    Raises:
        InputError: a noise of another kind.
    """
    noisy = table[table["noise"] != "clean"]
    rated(noisy["noise"])
    parts = noisy["noise"].map(in_parts).str
    noisy = noisy.assign(family=parts[0], rate=parts[1].astype(float))
    clean = table[table["noise"] == "clean"]
    families = [clean.assign(family=family, rate=0.0) for family in noisy["family"].unique()]
    return pd.concat([*families, noisy], ignore_index=True)


def ablation(records: Iterable[Record]) -> pd.DataFrame:
    """The rows of `as_table` with a column ``part``: what of graph-guided training is left out (`plans.ablation`)."""
    records = list(records)

    def part(asked: Trial) -> str:
        if asked.method != OURS:
            return "with a graph of pixels"
        if not asked.refit:
            return "without the validation images"
        return "the whole" if asked.settings.augmentation else "without augmented images and averaging"

    return as_table(records).assign(part=[part(record.trial) for record in records])


def distortion_errors(dataset: str, noises: Sequence[str], distortions: Sequence[str], seeds: int) -> pd.DataFrame:
    """Mean relative L1 error of T over seeds once it is distorted, a row per distortion and a column per noise."""
    from labelnoise.trials import wrong_matrix  # what begins a trial imports torch

    def error(noise: str, name: str, seed: int) -> float:
        truth = data.true_matrix(dataset, noise, seed)
        return transitions.l1_error(wrong_matrix(name, truth, seed), truth)

    columns = {
        noise: [np.mean([error(noise, name, seed) for seed in range(seeds)]) for name in distortions]
        for noise in noises
    }
    return pd.DataFrame(columns, index=list(distortions))


def fit_of_noise(dataset: str, noises: Sequence[str], seeds: int) -> pd.DataFrame:
    """Chi-square p-values of the flips under their T and under its transpose, one row per noise and seed."""
    clean = data.load(dataset)
    rows = []
    for noise in noises:
        for seed in range(seeds):
            noisy, matrix = corruption(dataset, noise, seed)
            row = [noise, seed, goodness_of_fit(clean.train_labels, noisy, matrix)]
            # Only with columns that sum to 1, too, is the transpose a transition matrix.
            both_ways = np.allclose(matrix.sum(axis=0), 1)
            row.append(goodness_of_fit(clean.train_labels, noisy, matrix.T) if both_ways else np.nan)
            rows.append(row)
    return pd.DataFrame(rows, columns=["noise", "seed", "p_value", "p_value_transposed"])


def difference(
    first: Iterable[Record], second: Iterable[Record], column: str = "last_accuracy", unit: float = 0.01
) -> pd.DataFrame:
    """What each arm has more than the same arm in other records, paired by seed.

    Args:
        first, second: the records.
        column: of `as_table`; the accuracy after the last epoch, unless told otherwise.
        unit: what the difference is counted in; points of a fraction, unless told otherwise.

    Returns:
        One row per arm that both have: ``gain``, ``low``, ``high`` (95 % interval) and ``n``.
    """
    one, other = list(first), list(second)
    rows = []
    if one and other:
        both = as_table(one).merge(as_table(other), on=[*ARM_COLUMNS, "seed"], suffixes=("", "_other"))
        for arm, cell in both.groupby(ARM_COLUMNS, sort=False):
            gain = paired_difference(cell[column] / unit, cell[f"{column}_other"] / unit)
            rows.append([*arm, gain.mean, gain.low, gain.high, gain.n])
    return pd.DataFrame(rows, columns=[*ARM_COLUMNS, "gain", "low", "high", "n"])


def where(table: pd.DataFrame, **fields: object) -> pd.DataFrame:
    """The rows whose columns have these values."""
    return table[(table[list(fields)] == pd.Series(fields)).all(axis=1)]


def mean(table: pd.DataFrame, column: str = "last_accuracy", **fields: object) -> float:
    """The mean in percent of a column over the rows whose columns have these values, or NaN if there is none."""
    return float(100 * where(table, **fields)[column].mean())
