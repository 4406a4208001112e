"""What the rules of `labelnoise.rule` say of recorded trainings, beside what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from labelnoise.book.tables import ARM_COLUMNS
from labelnoise.estimators import rule
from labelnoise.training import method
from labelnoise.trials import Record, n_validation


def predicted_gains(records: Iterable[Record], training: str = "") -> pd.DataFrame:
    """What noisy validation labels say of each gain over cross-entropy, beside the gain itself, one row per run.

    Both are of the last epoch. T is what confident learning reads from the cross-entropy fit, so no clean label has a
    part in the prediction. A refit is left out, as it has learned from the validation images.

    Args:
        records: of any arms, with cross-entropy of the same seeds among them.
        training: what the records have in common, for the first column.

    Returns:
        Columns training, dataset, model, noise, method, transition, seed; the ``margin`` of T (see `rule.margin`); in
        points of accuracy the ``gain``, what is ``predicted`` (see `rule.slope`), its ``resolution``, and ``fall``:
        what cross-entropy has lost since the epoch with its highest noisy validation accuracy, as a practitioner would
        see it before any correction; the ``verdict``, whether one is ``told``, and whether it is ``right``.
    """
    done = [record for record in records if not record.trial.refit and not method(record.trial.method).folds]
    plain = {
        (r.trial.dataset, r.trial.model, r.trial.noise, r.trial.seed): r
        for r in done
        if r.trial.method == "cross-entropy"
    }
    rows = []
    for record in done:
        asked = record.trial
        other = plain.get((asked.dataset, asked.model, asked.noise, asked.seed))
        if other is None or other is record:
            continue
        matrix = other.transition_matrices["confident-learning"]
        per_point = rule.slope(matrix) / 100
        seen, before = (np.array(r.history["noisy_validation_accuracy"]) / per_point for r in (record, other))
        measured = [100 * r.history["clean_test_accuracy"][-1] for r in (record, other)]
        predicted, resolution = seen[-1] - before[-1], 100 * rule.gain_resolution(n_validation(asked), matrix)
        verdict = rule.verdict(predicted, resolution)
        told, gain = verdict != "can't tell", measured[0] - measured[1]
        rows.append(
            {
                "training": training, "dataset": asked.dataset, "model": asked.model, "noise": asked.noise,
                "method": asked.method, "transition": asked.transition or "", "seed": asked.seed,
                "margin": rule.margin(matrix), "gain": gain,
                "predicted": predicted, "resolution": resolution,
                "fall": before.max() - before[-1],
                "verdict": verdict, "told": told, "right": told and np.sign(predicted) == np.sign(gain),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


SIZES = {"less than 1 point": (0, 1), "1 to 3 points": (1, 3), "more than 3 points": (3, np.inf)}


def by_margin(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean gain and margin of each cell: a data set, network, noise, method and source of T.

    Args:
        rows: as `predicted_gains` gives it.

    Returns:
        Columns dataset, model, noise, method, transition, ``margin``, ``gain`` and ``n``.
    """
    cells = rows.groupby(["dataset", *ARM_COLUMNS], sort=False)
    return cells.agg(margin=("margin", "mean"), gain=("gain", "mean"), n=("gain", "size")).reset_index()


def rightness(rows: pd.DataFrame) -> pd.DataFrame:
    """How often the rule is right, by the size of the gain or loss to foretell: one row per size and one of all.

    Args:
        rows: as `predicted_gains` gives it.

    Returns:
        Columns ``runs``; ``told``, on which the rule gives a verdict; ``right``, those of them where its sign is right;
        and ``sign right``, the share of all runs on which it would be, if it always gave one.
    """
    size, agrees = rows["gain"].abs(), np.sign(rows["predicted"]) == np.sign(rows["gain"])
    cells = {title: (size >= low) & (size < high) for title, (low, high) in SIZES.items()}
    cells["all"] = size >= 0
    found = {
        title: [cell.sum(), rows["told"][cell].sum(), rows["right"][cell].sum(), agrees[cell].mean()]
        for title, cell in cells.items()
    }
    columns = ["runs", "told", "right", "sign right"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def ruled(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """What the rule says of runs that have something in common, a row each.

    Args:
        rows: as `predicted_gains` gives it.
        by: columns of it.

    Returns:
        Those columns, ``runs``, ``told`` and ``right`` as in `rightness`; ``within``, the share of all whose gain is no
        further from what was predicted than the resolution; and the mean ``predicted``, ``gain`` and ``margin``.
    """
    within = (rows["gain"] - rows["predicted"]).abs() <= rows["resolution"]
    return rows.assign(within=within).groupby(list(by), sort=False).agg(
        runs=("gain", "size"), told=("told", "sum"), right=("right", "sum"), within=("within", "mean"),
        predicted=("predicted", "mean"), gain=("gain", "mean"), margin=("margin", "mean"),
    ).reset_index()  # fmt: skip
