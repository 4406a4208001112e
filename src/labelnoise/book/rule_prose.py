"""What the rule of when to correct tells, as sentences."""

from __future__ import annotations

import pandas as pd

from labelnoise.book import titles
from labelnoise.book.prose import sentence
from labelnoise.estimators import rule
from labelnoise.names import by_image


def margin_sentence(cells: pd.DataFrame) -> str:
    """What correction changes where the right label leads by less than `rule.BOUND`, and where it does not.

    Args:
        cells: as `rule_tables.by_margin` gives it.
    """
    clear, imaged = cells["margin"] > rule.BOUND, cells["noise"].map(by_image)

    def gained(cell: pd.Series) -> str:
        return f"{(cells['gain'][cell] > 0).sum()} of {cell.sum()}"

    parts = []
    for where, cell in (
        (f"leads the next one by less than {rule.BOUND:g} in some class", ~clear & ~imaged),
        (f"leads by more than {rule.BOUND:g} in every class", clear & ~imaged),
    ):
        if cell.any():
            gains = cells["gain"][cell]
            parts.append(
                f"where the right label, by an estimate of T, {where}, correction gains in {gained(cell)} cases, and "
                f"changes the accuracy by {titles.signed(gains.min())} to {titles.signed(gains.max())} points"
            )
    if imaged.any():
        parts.append(
            f"where noise depends on the image it gains in {gained(~clear & imaged)} and {gained(clear & imaged)}"
        )
    return f"{sentence('; '.join(parts))}."


def rule_sentence(rows: pd.DataFrame, which: str) -> str:
    """How often the rule gives a verdict, how often that is right, and what it misses.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
        which: what the runs have in common, such as ``with the usual settings``.
    """
    told, right = rows["told"], rows["right"].sum()
    text = (
        f"In {told.sum()} of {len(rows)} runs {which} the accuracy on held-out noisy labels says whether correcting "
        f"gains or loses, in {right} of these {told.sum()} rightly"
    )
    if told.all():
        return f"{text}."
    silent = rows["gain"][~told]
    return (
        f"{text}; in the others it can't tell, and correcting changes the accuracy by {silent.min():+.1f} to "
        f"{silent.max():+.1f} points, {silent.abs().median():.1f} in the median."
    )


def falls_sentence(rows: pd.DataFrame) -> str:
    """What correction gains where cross-entropy itself is seen to fall, and where it is not.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
    """
    falls = rows["fall"] > rows["resolution"]
    if not falls.any():
        return "In no run does cross-entropy's own accuracy on held-out noisy labels fall by more than the resolution."
    fallen, rest = rows[falls], rows["gain"][~falls]
    cells = len(fallen[["training", "model", "noise"]].drop_duplicates())
    return (
        f"In {len(fallen)} of {len(rows)} runs, of {cells} pairs of a training and a noise, cross-entropy's own "
        "accuracy on held-out noisy labels ends further below its best epoch than the resolution, and correcting "
        f"changes the accuracy by {fallen['gain'].min():+.1f} to {fallen['gain'].max():+.1f} points"
        + (f"; in the others by {rest.median():+.1f} in the median." if len(rest) else ".")
    )
