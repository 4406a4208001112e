"""What the rules of `labelnoise.estimators.rule` say of recorded trainings, beside what came of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from labelnoise.book.tables import ARM_COLUMNS, guesses, trial_fields
from labelnoise.estimators import rule
from labelnoise.training import method
from labelnoise.trials import Record, Trial, n_validation

RULED_ON = ["training", "dataset", *ARM_COLUMNS]  # what tells the cells apart to which the rules are applied


def predicted_gains(records: Iterable[Record], training: str = "") -> pd.DataFrame:
    """What noisy validation labels say of each gain over cross-entropy, beside the gain itself, one row per run.

    Both are of the last epoch. T is what confident learning reads from the cross-entropy fit, so no clean label has a
    part in the prediction; a run without it has no row. Of a refit nothing is predicted (NaN), as it has learned from
    the validation images.

    Args:
        records: of any arms, with cross-entropy of the same seeds among them.
        training: what the records have in common, for the first column.

    Returns:
        Columns training, dataset, model, noise, method, transition, seed; how many ``epochs`` the training had; the
        ``margin`` of T (see `rule.margin`); in points of accuracy the ``gain``, what is ``predicted`` (see
        `rule.slope`) and its ``resolution``; the ``verdict``, whether one is ``told``, and whether it is ``right``; and
        whether the run ``failed``, so `tables.guesses` where that of cross-entropy does not.
    """
    done = [record for record in records if not method(record.trial.method).folds]
    plain = {_together(record.trial): record for record in done if record.trial.method == "cross-entropy"}
    rows = []
    for record in done:
        asked = record.trial
        other = plain.get(_together(asked))
        if other is None or other is record or "confident-learning" not in other.transition_matrices:
            continue
        matrix = other.transition_matrices["confident-learning"]
        per_point = rule.slope(matrix) / 100
        seen, before = (r.history["noisy_validation_accuracy"][-1] / per_point for r in (record, other))
        measured = [100 * r.history["clean_test_accuracy"][-1] for r in (record, other)]
        predicted, resolution = seen - before, 100 * rule.gain_resolution(n_validation(asked), matrix)
        verdict = rule.verdict(predicted, resolution)
        if asked.refit:
            predicted, resolution, verdict = np.nan, np.nan, "can't tell"
        told, gain = verdict != "can't tell", measured[0] - measured[1]
        rows.append(
            {
                "training": training, **trial_fields(asked), "epochs": asked.settings.epochs,
                "margin": rule.margin(matrix), "gain": gain, "predicted": predicted, "resolution": resolution,
                "verdict": verdict, "told": told, "right": told and np.sign(predicted) == np.sign(gain),
                "failed": guesses(record) and not guesses(other),
            }
        )  # fmt: skip
    judged = ["margin", "gain", "predicted", "resolution", "verdict", "told", "right", "failed"]
    columns = [*RULED_ON, "seed", "epochs", *judged]
    # Also where there are no rows, as a table with others would otherwise hold objects.
    return pd.DataFrame(rows, columns=columns).astype({"told": bool, "right": bool, "failed": bool})


def _together(asked: Trial) -> tuple[object, ...]:
    """What a trial and the cross-entropy that it is compared with have in common."""
    return asked.dataset, asked.model, asked.noise, asked.seed, asked.settings.epochs, asked.refit


LONG = 20  # epochs from which on a training is called long
SIZES = {"less than 1 point": (0, 1), "1 to 3 points": (1, 3), "more than 3 points": (3, np.inf)}


def by_margin(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean gain and margin of each cell: a training, data set, network, noise, method, source of T and length.

    Args:
        rows: as `predicted_gains` gives it.

    Returns:
        Columns training, dataset, model, noise, method, transition, epochs, ``margin``, ``gain``, ``kept`` and ``n``.
        What is kept is the gain with the uncorrected network in place of runs that failed.
    """
    kept = rows.assign(kept=rows["gain"].mask(rows["failed"], 0.0))
    means = {name: (name, "mean") for name in ("margin", "gain", "kept")}
    return kept.groupby([*RULED_ON, "epochs"], sort=False).agg(**means, n=("gain", "size")).reset_index()


def choices(cells: pd.DataFrame) -> pd.DataFrame:
    """What comes of correcting unless the run fails, always, where the margin is small, in long training, and never.

    Args:
        cells: as `by_margin` gives it.

    Returns:
        One row per choice, with columns ``better``, the number of cells in which it reaches the better one of always
        and never; ``misses``, in which it stays more than a point behind that; and in points of accuracy what the
        choice ``gives away`` against it, the mean over the cells.
    """
    gain = cells["gain"]
    gained = {
        "correct unless the run fails": cells["kept"],
        "correct always": gain,
        "follow the rule": gain.where(cells["margin"] <= rule.BOUND, 0.0),
        "correct in long training": gain.where(cells["epochs"] >= LONG, 0.0),
        "never correct": 0.0 * gain,
    }
    lost = {choice: gain.clip(lower=0) - points for choice, points in gained.items()}
    rows = {choice: [(behind <= 0).sum(), (behind > 1).sum(), behind.mean()] for choice, behind in lost.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["better", "misses", "gives away"])


def rightness(rows: pd.DataFrame) -> pd.DataFrame:
    """How often the rule is right, by the size of the gain or loss to foretell: one row per size and one of all.

    Args:
        rows: as `predicted_gains` gives it.

    Returns:
        Columns ``runs``; ``verdicts``, how often the rule gives one; and ``right``, how often that has the right sign.
    """
    size = rows["gain"].abs()
    cells = {title: (size >= low) & (size < high) for title, (low, high) in SIZES.items()}
    cells["all"] = size >= 0
    found = {title: [cell.sum(), rows["told"][cell].sum(), rows["right"][cell].sum()] for title, cell in cells.items()}
    return pd.DataFrame.from_dict(found, orient="index", columns=["runs", "verdicts", "right"])
