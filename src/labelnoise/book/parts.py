"""What the parts of alternating likelihood bring, as `benchmarks/alternation.py` measured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from labelnoise.book import titles
from labelnoise.statistics import paired_difference

WHOLE = "all parts"


def parts(result: Mapping[str, Any]) -> pd.DataFrame:
    """The mean error of T with all parts, and how it changes without each, a row per noise, number of images and part.

    Differences are paired by seed, over the seeds that both have, with their 95 % intervals.

    Args:
        result: as `costs.measured` gives it, of ``alternation``.

    Returns:
        Columns ``noise``, ``images``, ``arm``, ``l1``, ``difference``, ``low``, ``high`` and ``n``; with all parts no
        difference.
    """
    runs = pd.DataFrame(result["runs"])
    rows: list[list[object]] = []
    for (noise, images), cell in runs.groupby(["noise", "images"], sort=False):
        errors = cell.pivot(index="seed", columns="arm", values="l1")
        whole = errors[WHOLE].dropna()
        rows.append([noise, images, WHOLE, whole.mean(), None, None, None, len(whole)])
        for arm in errors.columns.drop(WHOLE):
            both = errors[[arm, WHOLE]].dropna().to_numpy()
            found = paired_difference(*both.T)
            rows.append([noise, images, arm, both[:, 0].mean(), found.mean, found.low, found.high, len(both)])
    columns = ["noise", "images", "arm", "l1", "difference", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """`parts` as readers see it: the noise by its title, a difference with its interval in one column."""
    differences = table[["difference", "low", "high"]].astype(float).to_numpy().tolist()
    # NaN, of all parts
    spans = ["" if mean != mean else titles.spanned(mean, low, high, 2) for mean, low, high in differences]
    named = table.assign(noise=table["noise"].map(titles.noise_title), change=spans, l1=table["l1"].round(2))
    named = named.rename(columns={"arm": "parts", "l1": "error", "change": "difference to all parts"})
    return named[["noise", "images", "parts", "error", "difference to all parts", "n"]].set_index(["noise", "parts"])
