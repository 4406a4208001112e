"""How well labels are ranked by how likely each is wrong, as `benchmarks/rankings.py` measured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

OURS = "labelnoise"
THEIRS = {
    "cleanlab, self-confidence": "self_confidence",
    "cleanlab, normalised margin": "normalized_margin",
    "cleanlab, confidence-weighted entropy": "confidence_weighted_entropy",
}
FILTER, THEIR_FILTER = "labelnoise", "cleanlab"
MEASURES = ("AUROC", "average precision", "precision at the number of wrong labels")


def _cells(result: Mapping[str, Any], chosen_on: bool) -> list[dict[str, Any]]:
    return [cell for cell in result["cells"] if cell["chosen_on"] == chosen_on]


def scores(result: Mapping[str, Any], measure: str, *, chosen_on: bool = False) -> pd.DataFrame:
    """A measure of each ranking, a row per cell and a column per ranking.

    Args:
        result: as `costs.measured` gives it, of ``rankings``.
        measure: one of `MEASURES`.
        chosen_on: whether of the cells that the ranking was chosen on, in place of the others.
    """
    rows = [{name: each[measure] for name, each in cell["rankings"].items()} for cell in _cells(result, chosen_on)]
    return pd.DataFrame(rows)


def best_of_theirs(found: pd.DataFrame) -> str:
    """Cleanlab's ranking with the highest mean of a measure, by its `scores`."""
    return str(found[list(THEIRS)].mean().idxmax())


def table(result: Mapping[str, Any], *, chosen_on: bool = False) -> pd.DataFrame:
    """The mean of each measure, a row per ranking, the highest average precision first.

    Beside each measure stands in which share of the cells the ranking is worse than `best_of_theirs`. Arguments are as
    in `scores`.
    """
    columns = {}
    for measure in MEASURES:
        found = scores(result, measure, chosen_on=chosen_on)
        columns[measure] = found.mean()
        columns[f"{measure}, worse"] = found.lt(found[best_of_theirs(found)], axis=0).mean()
    return pd.DataFrame(columns).sort_values(MEASURES[1], ascending=False)


def count(result: Mapping[str, Any]) -> int:
    """How many cells there are to judge by."""
    return len(_cells(result, False))


def shown(result: Mapping[str, Any]) -> pd.DataFrame:
    """The means of our ranking and cleanlab's, over the cells to judge by, as readers see them."""
    found = table(result).loc[[OURS, *THEIRS], list(MEASURES)]
    return found.sort_values(MEASURES[1], ascending=False).round(3).rename_axis("ranking")


def chosen(result: Mapping[str, Any]) -> str:
    """The ranking of ours that is worse than `best_of_theirs` in the fewest cells, among those better in the mean.

    By the measure that is worst for it, on the cells to choose by; of several, the one with the best mean average
    precision.
    """
    found = table(result, chosen_on=True)
    better = found[list(MEASURES)].gt(found.loc[list(THEIRS), list(MEASURES)].max()).all(axis=1)
    return str(found.loc[better, [f"{measure}, worse" for measure in MEASURES]].max(axis=1).idxmin())


def filters(result: Mapping[str, Any]) -> pd.DataFrame:
    """Mean precision and recall of the labels that each filter picks out, over the cells to judge by."""
    found = pd.concat([pd.DataFrame(cell["filters"]).T for cell in _cells(result, False)])
    return found.groupby(level=0, sort=False).mean()


def cleaned(result: Mapping[str, Any]) -> pd.DataFrame:
    """The mean share of wrong labels after cleaning, a row per threshold, and in which share of cells it rose."""
    rows = [{**cell["wrong_after"], "before": cell["wrong"]} for cell in _cells(result, False)]
    after = pd.DataFrame(rows)
    before = after.pop("before")
    return pd.DataFrame({"before": before.mean(), "after": after.mean(), "rose": after.gt(before, axis=0).mean()})
