"""What votes tell, as a sentence."""

from __future__ import annotations

import pandas as pd


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
