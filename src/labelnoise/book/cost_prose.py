"""What trials cost, and how many there are, as sentences."""

from __future__ import annotations

import pandas as pd

from labelnoise.book import titles
from labelnoise.book.prose import listed


def costs_sentence(costs: pd.DataFrame) -> str:
    """Between how many times cross-entropy's seconds a training takes, with what it needs first.

    Args:
        costs: as `costs.by_method` gives it, cross-entropy and another method among the rows of each network.
    """
    parts = []
    for model in costs["model"].unique():
        rows = costs[costs["model"] == model].to_dict("records")
        plain = next(row["alone"] for row in rows if row["method"] == "cross-entropy")
        arms = [row for row in rows if row["method"] != "cross-entropy"]
        times = sorted((row["in all"] / plain, titles.method_title(row["method"], row["transition"])) for row in arms)
        ends = [f"{ratio:.1f} times ({name})" for ratio, name in (times[0], times[-1])]
        parts.append(f"between {' and '.join(ends)} as long as cross-entropy with {titles.MODEL_TITLES[model]}")
    return f"A training, with what it needs before it, takes {listed(parts)}."
