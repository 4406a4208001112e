"""What estimates of T and votes tell, as sentences."""

from __future__ import annotations

import pandas as pd

from labelnoise.book import titles
from labelnoise.book.prose import listed


def errors_sentence(*tables: pd.DataFrame) -> str:
    """The smallest mean error of T on each noise, beside the oracle's.

    Args:
        tables: as `matrix_tables.errors` gives them, with at least one estimator besides the oracle.
    """
    errors = pd.concat(tables)
    estimated = errors[errors["estimator"] != "oracle"].sort_values("mean").drop_duplicates("noise").set_index("noise")
    best = [(noise, estimated.loc[noise]) for noise in errors["noise"].unique()]
    parts = [
        f"{row['mean']:.3f} on {titles.noise_title(noise)} ({titles.source_title(row['estimator'])}, "
        f"{row['times_oracle']:.1f} times the oracle's, n = {row['n']})"
        for noise, row in best
    ]
    return f"The smallest mean relative L1 errors are {listed(parts)}."


def votes_sentence(spread: pd.DataFrame) -> str:
    """How many times as much the votes vary over the images of a class as by chance.

    Args:
        spread: as `votes.spread` gives it.
    """
    ratio, p_value = spread["ratio"], max(spread["p_value"].max(), 1e-300)  # smaller ones are 0 in floating point
    return (
        f"From image to image of one class, the share of votes for it has {ratio.min():.1f} to {ratio.max():.1f} times "
        f"the variance that chance gives (p at most {p_value:.0e} for each class)."
    )
