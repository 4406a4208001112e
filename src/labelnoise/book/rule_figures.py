"""Figures of what the rules of when to correct say, beside what came of it."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from labelnoise.book.style import PALETTE, new_axes, styled
from labelnoise.book.tables import ARM_COLUMNS
from labelnoise.names import by_image


@styled
def gains_by_margin(rows: pd.DataFrame, bound: float) -> Figure:
    """The gain over cross-entropy against the margin of T: a pale dot per run, a full one the mean of a cell.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
        bound: of the margin, drawn as a line.
    """
    cells = ["dataset", *ARM_COLUMNS]
    figure, axes = new_axes(rows[[*cells, "seed", "margin", "gain"]], 1, 1, 6.4, 4)
    ax = axes[0, 0]
    ax.axhline(0, color="0.3", linewidth=1)
    ax.axvline(bound, color="0.6", linestyle=":")
    imaged = rows["noise"].map(by_image)
    for k, (title, group) in enumerate((("noise by class", rows[~imaged]), ("noise by image", rows[imaged]))):
        means = group.groupby(cells, sort=False)[["margin", "gain"]].mean()
        ax.plot(group["margin"], group["gain"], ".", color=PALETTE[k], alpha=0.3)
        ax.plot(means["margin"], means["gain"], "so"[1 - k], color=PALETTE[k], markersize=6, label=title)
    ax.set_yscale("symlog", linthresh=1)
    ticks = [-10, -1, 0, 1, 10, 100]
    ax.set(xlabel="lead of the right label, by an estimate of T", ylabel="gain over cross-entropy (points)")
    ax.set_yticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


@styled
def predicted_gains(rows: pd.DataFrame) -> Figure:
    """The gain over cross-entropy against what noisy labels foretell: pale dots of runs, full ones of cells' means.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
    """
    cells = ["training", "dataset", *ARM_COLUMNS]
    figure, axes = new_axes(rows[[*cells, "seed", "predicted", "gain"]], 1, 1, 5.2, 4.6)
    ax = axes[0, 0]
    ax.axhline(0, color="0.3", linewidth=1)
    ax.axvline(0, color="0.3", linewidth=1)
    ax.axline((0, 0), slope=1, color="0.6", linestyle=":")
    for k, (training, group) in enumerate(rows.groupby("training", sort=False)):
        means = group.groupby(cells, sort=False)[["predicted", "gain"]].mean()
        ax.plot(group["predicted"], group["gain"], ".", color=PALETTE[k], alpha=0.3)
        ax.plot(means["predicted"], means["gain"], "o", color=PALETTE[k], markersize=6, label=training)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_yscale("symlog", linthresh=1)
    ticks = [-100, -10, -1, 0, 1, 10, 100]
    ax.set(xlabel="predicted from noisy labels (points)", ylabel="gain over cross-entropy (points)")
    ax.set_xticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    ax.set_yticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
