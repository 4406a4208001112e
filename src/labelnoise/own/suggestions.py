"""Labels by how likely each is wrong, what each should rather be, and labels that are cleaned by a stated rule."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from labelnoise._checks import check_number
from labelnoise.noise import Labels

if TYPE_CHECKING:
    import pandas as pd

    from labelnoise.estimators import Judged

# Above it a label is likelier to be wrong than to be right, so that its change lowers the expected number of wrong
# labels. In benchmarks/rankings.py 0.7 left as many wrong, and 0.9 more, but these raised the number in fewer cells.
THRESHOLD = 0.5
FEW = 10  # rows that a report shows
MOST_TIMES = 1000  # times that are told apart there
SUGGESTIONS, CLEANED = "suggestions.csv", "labels_cleaned.csv"


def ranked(noisy_labels: Labels, class_names: Sequence[str], judged: Judged, **names: Sequence[str]) -> pd.DataFrame:
    """One row per label, the clearest first: columns ``row``, ``label``, ``suggestion``, ``p_wrong`` and ``times``.

    Args:
        noisy_labels: shape (n_samples,).
        class_names: one per class.
        judged: as `wrong_labels` gives it.
        names: further columns in the order of the samples, such as the names of images.
    """
    import pandas as pd

    classes = np.array(class_names, dtype=object)
    columns = {"row": np.arange(len(noisy_labels)), **names, "label": classes[noisy_labels]}
    columns |= {"suggestion": classes[judged.suggestions], "p_wrong": judged.p_wrong, "times": judged.times}
    return pd.DataFrame(columns).sort_values("times", ascending=False, kind="stable", ignore_index=True)


def others(suggestions: pd.DataFrame) -> pd.DataFrame:
    """The rows of `ranked` whose suggestion is another class than the label."""
    return suggestions[suggestions["suggestion"] != suggestions["label"]]


def changes(suggestions: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """The rows of `ranked` whose label is changed to the suggestion, as it is likelier to be wrong than a threshold."""
    return others(suggestions[suggestions["p_wrong"] > threshold])


def cleaned(suggestions: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """The labels after `changes` in the order of the samples, each with the one that was given beside it."""
    table = suggestions.drop(columns=["row", "suggestion", "p_wrong", "times"]).assign(given=suggestions["label"])
    changed = changes(suggestions, threshold)
    table.loc[changed.index, "label"] = changed["suggestion"]
    return table.set_axis(suggestions["row"]).sort_index()


def rule(suggestions: pd.DataFrame, threshold: float) -> str:
    """What cleaning did, in a sentence or two."""
    n, changed = len(suggestions), len(changes(suggestions, threshold))
    return (
        f"A label that is wrong with a probability above {threshold:g} is changed to its suggestion, if that is "
        f"another class: {changed:,} of {n:,} labels ({100 * changed / n:.1f} %). Look at some of them before you "
        "train on the cleaned labels; your own file stays as it is."
    )


def few(suggestions: pd.DataFrame) -> pd.DataFrame:
    """The clearest rows with another suggestion than the label, as they are shown."""
    table = others(suggestions).head(FEW)
    p_wrong = [f"{100 * share:.1f} %" for share in table["p_wrong"]]
    times = [f"{each:.1f} times" if each < MOST_TIMES else f"over {MOST_TIMES} times" for each in table["times"]]
    table = table.assign(p_wrong=p_wrong, times=times)
    return table.rename(columns={"p_wrong": "probably wrong", "times": "suggestion likelier"})


def files(suggestions: pd.DataFrame, threshold: float) -> dict[str, bytes]:
    """All suggestions, and the cleaned labels, as the contents of files by their names."""
    tables = {SUGGESTIONS: suggestions.round(6), CLEANED: cleaned(suggestions, threshold)}
    return {name: table.to_csv(index=False).encode() for name, table in tables.items()}


def check_threshold(threshold: float, name: str) -> None:
    """Check what labels are changed above.

    Raises:
        InputError: it is no probability; the message calls it by the name.
    """
    check_number(threshold, f"{name} must be a probability from 0 to 1", lambda value: 0 <= value <= 1)


def add_threshold(command: argparse.ArgumentParser) -> None:
    """Add the threshold to what a command takes."""
    told = f"change labels in {CLEANED} that are likelier wrong than this (default {THRESHOLD})"
    command.add_argument("--threshold", type=float, default=THRESHOLD, metavar="P", help=told)
