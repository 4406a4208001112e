"""Records as tables: what figures and tests are drawn from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from labelnoise import transitions
from labelnoise.trials import Record


def as_table(records: Iterable[Record]) -> pd.DataFrame:
    """One row a record: the trial's fields, accuracies at the best and last epoch, errors of T.

    ``error_NAME`` is the relative L1 error of that T (see `transitions.l1_error`), as a fraction.
    """
    rows = []
    for record in records:
        asked = record.trial
        truth = transitions.named(asked.noise, asked.n_classes)
        accuracy = record.history["clean_test_accuracy"]
        rows.append(
            {
                "key": asked.key, "dataset": asked.dataset, "noise": asked.noise, "model": asked.model,
                "method": asked.method, "transition": asked.transition or "", "seed": asked.seed,
                "best_epoch": record.best_epoch + 1, "best_accuracy": accuracy[record.best_epoch],
                "last_accuracy": accuracy[-1], "memorised": record.history["memorised"][-1],
                "noisy_validation_loss": record.history["noisy_validation_loss"][record.best_epoch],
                "seconds": record.seconds,
            }
            | {f"error_{name}": transitions.l1_error(t, truth) for name, t in record.transition_matrices.items()}
        )  # fmt: skip
    return pd.DataFrame(rows)


def as_curves(records: Iterable[Record]) -> pd.DataFrame:
    """One row a record and epoch, counted from 1: the trial's fields and what was measured."""
    frames = []
    for record in records:
        asked = record.trial
        frame = pd.DataFrame(dict(record.history))
        frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
        for name in ("seed", "transition", "method", "model", "noise", "dataset"):
            frame.insert(0, name, getattr(asked, name) or "" if name != "seed" else asked.seed)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
