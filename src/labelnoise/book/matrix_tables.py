"""What records tell of estimated T: errors, bias, spread and coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import scipy.special

from labelnoise import transitions
from labelnoise.data import true_matrix
from labelnoise.estimators.rule import leads
from labelnoise.statistics import interval
from labelnoise.trials import Record

LEVEL = 0.95  # of the intervals whose coverage is counted
CELL = ["dataset", "noise", "model", "images"]


def _truth(record: Record) -> transitions.Matrix:
    return true_matrix(record.trial.dataset, record.trial.noise, record.trial.seed)


def _estimates(records: Iterable[Record]) -> Iterator[tuple[Record, transitions.Matrix, str, transitions.Matrix]]:
    """Each T in the records: the record, the true T, a name, and the T by that name.

    The oracle's T is the same in all trials that share their labels, so only cross-entropy's is among them.
    """
    for record in records:
        truth = _truth(record)
        for name, matrix in record.transition_matrices.items():
            if name != "oracle" or record.trial.method == "cross-entropy":
                yield record, truth, name, np.array(matrix)


def true_matrices(records: Iterable[Record]) -> dict[str, transitions.Matrix]:
    """Noise to the mean of the T that its records' labels were corrupted with, shape (n_classes, n_classes).

    It is the same for all seeds, but for noise that depends on the image.
    """
    collected = defaultdict(list)
    for record in records:
        collected[record.trial.noise].append(_truth(record))
    return {noise: np.mean(matrices, axis=0) for noise, matrices in collected.items()}


def matrix_errors(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record and T in it: the trial's fields, ``estimator``, and its ``l1`` and ``frobenius`` errors.

    The oracle is listed once for trials that share their labels. Errors are relative, as fractions (see
    `transitions.l1_error`, `transitions.frobenius_error`).
    """
    rows = []
    for record, truth, name, matrix in _estimates(records):
        asked = record.trial
        fields = [asked.dataset, asked.noise, asked.model, asked.images or 0, asked.method, asked.seed]
        errors = [transitions.l1_error(matrix, truth), transitions.frobenius_error(matrix, truth)]
        rows.append([*fields, name, *errors])
    return pd.DataFrame(rows, columns=[*CELL, "method", "seed", "estimator", "l1", "frobenius"])


def errors(table: pd.DataFrame, estimators: Sequence[str]) -> pd.DataFrame:
    """The error of T for each estimator and noise, the oracle being among them.

    Args:
        table: as `matrix_errors` gives it.
        estimators: which to list, in this order.

    Returns:
        One row per noise and estimator: the ``mean`` of the relative L1 error, its ``deviation``, ``n``,
        ``times_oracle``, the ratio of means, and ``frobenius``, the mean of that error.
    """
    rows = []
    for noise, cell in table.groupby("noise", sort=False):
        limit = cell.loc[cell["estimator"] == "oracle", "l1"].mean()
        for name in estimators:
            found = cell[cell["estimator"] == name]
            summary = interval(found["l1"])
            ratio = summary.mean / limit if limit else float("nan")
            rows.append([noise, name, summary.mean, summary.deviation, summary.n, ratio, found["frobenius"].mean()])
    return pd.DataFrame(rows, columns=["noise", "estimator", "mean", "deviation", "n", "times_oracle", "frobenius"])


def beaten(records: Iterable[Record], estimators: Sequence[str]) -> pd.DataFrame:
    """In how many classes another label is at least as frequent as the right one, by T and by its estimates.

    Returns:
        One row per data set and estimator: ``classes`` by the true T, ``found``, the mean by the estimates, and ``n``.
    """
    rows = [
        [record.trial.dataset, name, (leads(truth) <= 0).sum(), (leads(matrix) <= 0).sum()]
        for record, truth, name, matrix in _estimates(records)
        if name in estimators
    ]
    table = pd.DataFrame(rows, columns=["dataset", "estimator", "classes", "found"])
    cells = table.groupby(["dataset", "estimator"], sort=False)
    return cells.agg(classes=("classes", "mean"), found=("found", "mean"), n=("found", "size")).reset_index()


def rounds(*tables: pd.DataFrame) -> pd.DataFrame:
    """Mean relative L1 error of alternating likelihood's T, of each round alone and of all together, one row per noise.

    Args:
        tables: as `matrix_errors` gives them.
    """
    found = pd.concat(tables)
    found = found[found["estimator"].str.startswith("round-") | (found["estimator"] == "alternating")]
    means = found.groupby(["noise", "estimator"], sort=False)["l1"].mean().unstack("estimator")
    means = means[sorted(means, key=lambda name: (name == "alternating", name))].rename_axis(columns=None)
    return means.rename(columns=lambda name: name.replace("-", " ").replace("alternating", "together")).reset_index()


def mean_matrices(records: Iterable[Record], names: Sequence[str]) -> dict[str, dict[str, transitions.Matrix]]:
    """Noise and estimator to the mean of its T over the records that have it, shape (n_classes, n_classes)."""
    collected = defaultdict(list)
    for record, _, name, matrix in _estimates(records):
        collected[record.trial.noise, name].append(matrix)
    noises = dict.fromkeys(noise for noise, _ in collected)
    return {noise: {name: np.mean(collected[noise, name], axis=0) for name in names} for noise in noises}


def spread_and_coverage(records: Iterable[Record]) -> pd.DataFrame:
    """Bias, spread and coverage of each estimator over independent draws.

    Errors are relative L1 ones, as fractions: ``bias`` of the mean T over the draws, ``spread`` the mean over the draws
    of their distance to that mean, ``stated`` what that distance would be on average if the entries were normal with
    the deviations that the estimator states. ``coverage`` is the share of the entries that lie in their 95 % interval,
    the mean over the draws with a 95 % t interval, ``low`` to ``high``: the entries of one draw hang together, draws do
    not. ``at_best`` is the same share for intervals of the right width, from the spread over the draws, which no user
    knows: what bias leaves of the promise. Without deviations of its own, an estimator has NaN for what they give.
    """
    drawn = defaultdict(list)
    for record, truth, name, matrix in _estimates(records):
        if name != "oracle" and not name.startswith("round-"):
            stated = record.deviations.get(name, np.full_like(truth, np.nan))
            drawn[record.trial.noise, name].append((matrix - truth, stated))
    quantile = scipy.special.ndtri((1 + LEVEL) / 2)
    rows = []
    for (noise, name), pairs in drawn.items():
        errors, deviations = (np.array(each) for each in zip(*pairs, strict=True))
        covered = [float("nan")] * 3
        if not np.isnan(deviations).any():
            held = interval((np.abs(errors) <= quantile * deviations).mean(axis=(1, 2)))
            covered = [held.mean, held.low, held.high]
        centre = errors.mean(axis=0)
        n_classes = len(centre)
        bias = np.abs(centre).sum() / n_classes
        spread = np.abs(errors - centre).sum(axis=(1, 2)).mean() / n_classes
        # The mean distance of a normal value from its mean is sqrt(2 / pi) deviations.
        stated = np.sqrt(2 / np.pi) * deviations.sum(axis=(1, 2)).mean() / n_classes
        several = len(errors) > 1
        at_best = (np.abs(errors) <= quantile * errors.std(axis=0, ddof=1)).mean() if several else np.nan
        rows.append([noise, name, bias, spread, stated, *covered, at_best, len(errors)])
    noises = [noise for noise, _ in drawn]
    rows.sort(key=lambda row: noises.index(row[0]))
    columns = ["noise", "estimator", "bias", "spread", "stated", "coverage", "low", "high", "at_best", "n"]
    return pd.DataFrame(rows, columns=columns)


def traces(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record, estimator and epoch, counted from 1: noise, seed, error of T, noisy validation loss."""
    rows = []
    for record in records:
        truth = _truth(record)
        for name, matrices in record.trace.items():
            losses = record.history["noisy_validation_loss"]
            for epoch, (matrix, loss) in enumerate(zip(matrices, losses, strict=True), 1):
                error = transitions.l1_error(matrix, truth)
                rows.append([record.trial.noise, record.trial.seed, name, epoch, error, loss])
    return pd.DataFrame(rows, columns=["noise", "seed", "estimator", "epoch", "l1", "noisy_validation_loss"])


def orientation(records: Iterable[Record], estimators: Sequence[str]) -> pd.DataFrame:
    """How far the estimates lie from T and from its transpose, one row per estimator and noise whose transpose differs.

    ``to_t`` and ``to_transpose`` are mean relative L1 distances, ``nearer`` is the share of draws that are nearer to T.
    """
    rows = [
        [record.trial.noise, name, transitions.l1_error(matrix, truth), transitions.l1_error(matrix, truth.T)]
        for record, truth, name, matrix in _estimates(records)
        if name in estimators and not np.allclose(truth, truth.T)
    ]
    table = pd.DataFrame(rows, columns=["noise", "estimator", "to_t", "to_transpose"])
    table = table.assign(nearer=table["to_t"] < table["to_transpose"], n=1)
    cells = table.groupby(["noise", "estimator"], sort=False)
    return cells.agg({"to_t": "mean", "to_transpose": "mean", "nearer": "mean", "n": "sum"}).reset_index()


def held_out(in_sample: pd.DataFrame, cross_fitted: pd.DataFrame, estimators: Sequence[str]) -> pd.DataFrame:
    """Mean relative L1 error of T from probabilities in sample, held out and calibrated.

    There is one row per noise and estimator.

    Args:
        in_sample: as `matrix_errors` gives it, of cross-entropy.
        cross_fitted: the same, of cross-fitting.
        estimators: which to list.
    """
    means = pd.concat([in_sample, cross_fitted]).groupby(["noise", "estimator"], sort=False)["l1"].mean()
    rows = [
        [noise, name, means[noise, name], means[noise, f"{name}, held out"], means[noise, f"{name}, calibrated"]]
        for noise in in_sample["noise"].unique()
        for name in estimators
        if (noise, f"{name}, held out") in means  # networks in folds keep the estimators that there were
    ]
    return pd.DataFrame(rows, columns=["noise", "estimator", "in sample", "held out", "calibrated"])
