"""Figures of what the rules of when to correct say, beside what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelnoise.book.style import PALETTE, new_axes, styled
from labelnoise.book.tables import ARM_COLUMNS
from labelnoise.names import by_image

CELL = ["training", "dataset", *ARM_COLUMNS]
TICKS = [-100, -10, -1, 0, 1, 10, 100]
GAIN = "gain over cross-entropy (points)"


@styled
def gains_by_margin(panels: Mapping[str, pd.DataFrame], bound: float) -> Figure:
    """The gain over cross-entropy against the margin of T, a panel per title: pale dots are runs, full ones cells.

    Args:
        panels: title to rows of `rule_tables.predicted_gains`.
        bound: of the margin, drawn as a line.
    """
    drawn = pd.concat(panels, names=["panel"]).reset_index("panel")
    columns = ["panel", *CELL, "seed", "margin", "gain"]
    figure, axes = new_axes(drawn[columns], 1, len(panels), 4.3 * len(panels), 3.9, sharex=True, sharey=True)
    for ax, (title, rows) in zip(axes[0], panels.items(), strict=True):
        ax.axhline(0, color="0.3", linewidth=1)
        ax.axvline(bound, color="0.4", linestyle=":")
        _scattered(ax, rows, "margin")
        ax.set(title=title, xlabel="lead of the right label, by an estimate of T")
    axes[0, 0].annotate(f"bound {bound:g}", (bound, 1), (4, -2), xycoords=("data", "axes fraction"),
                        textcoords="offset points", va="top", color="0.4")  # fmt: skip
    axes[0, 0].set_ylabel(GAIN)
    _legend(figure, axes[0])
    return figure


@styled
def predicted_gains(rows: pd.DataFrame) -> Figure:
    """The gain over cross-entropy against what noisy labels foretell: pale dots of runs, full ones of cells' means.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
    """
    figure, axes = new_axes(rows[[*CELL, "seed", "predicted", "gain"]], 1, 1, 5.6, 4.6)
    ax = axes[0, 0]
    ax.axhline(0, color="0.3", linewidth=1)
    ax.axvline(0, color="0.3", linewidth=1)
    ax.axline((0, 0), slope=1, color="0.6", linestyle=":")
    _scattered(ax, rows, "predicted")
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks(TICKS, _signed(TICKS))
    ax.set(xlabel="predicted from held-out noisy labels (points)", ylabel=GAIN)
    _legend(figure, axes[0])
    return figure


def _scattered(ax: Axes, rows: pd.DataFrame, x: str) -> None:
    """Runs and the means of their cells, those of noise by image in the accent colour; logarithmic beyond a point."""
    imaged = rows["noise"].map(by_image)
    groups = (("noise by class", rows[~imaged], "0.45", "s"), ("noise by image", rows[imaged], PALETTE[1], "o"))
    for title, group, colour, marker in groups:
        means = group.groupby(CELL, sort=False)[[x, "gain"]].mean()
        ax.plot(group[x], group["gain"], ".", color=colour, alpha=0.3)
        ax.plot(means[x], means["gain"], marker, color=colour, markersize=6, label=title, linestyle="")
    ax.set_yscale("symlog", linthresh=1)
    ax.set_yticks(TICKS, _signed(TICKS))


def _signed(ticks: Sequence[int]) -> list[str]:
    return [f"{tick:+d}" if tick else "0" for tick in ticks]


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
