"""What the parts of alternating likelihood bring, as `benchmarks/alternation.py` measured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from labelnoise.book import titles
from labelnoise.statistics import paired_difference

WHOLE = "all parts"


def parts(result: Mapping[str, Any]) -> pd.DataFrame:
    """The mean error of T with all parts, and how it changes without each, one row a noise and part that is left out.

    Differences are paired by seed, over the seeds that both have, with their 95 % intervals.

    Args:
        result: as `costs.measured` gives it, of ``alternation``.

    Returns:
        Columns ``noise``, ``arm``, ``l1``, ``difference``, ``low``, ``high`` and ``n``; with all parts, no difference.
    """
    runs = pd.DataFrame(result["runs"]).set_index(["noise", "arm", "seed"])["l1"]
    rows: list[list[object]] = []
    for noise in runs.index.unique("noise"):
        whole = runs[noise, WHOLE]
        rows.append([noise, WHOLE, whole.mean(), None, None, None, len(whole)])
        for arm in runs[noise].index.unique("arm").drop(WHOLE):
            both = pd.concat([runs[noise, arm], whole], axis=1, join="inner").to_numpy()
            found = paired_difference(*both.T)
            rows.append([noise, arm, both[:, 0].mean(), found.mean, found.low, found.high, len(both)])
    return pd.DataFrame(rows, columns=["noise", "arm", "l1", "difference", "low", "high", "n"])


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """`parts` as readers see it: the noise by its title, a difference with its interval in one column."""
    spans = [
        "" if mean != mean else f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"  # NaN, with all parts
        for mean, low, high in table[["difference", "low", "high"]].astype(float).to_numpy().tolist()
    ]
    named = table.assign(noise=table["noise"].map(titles.noise_title), change=spans, l1=table["l1"].round(4))
    named = named.rename(columns={"arm": "with", "l1": "error", "change": "difference to all parts"})
    return named[["noise", "with", "error", "difference to all parts", "n"]].set_index(["noise", "with"])
