"""The look that all figures share.

Colours are the colour-blind-safe ones of Wong 2011 (Nature Methods 8:441), as seaborn has them. They are written down
here, as seaborn takes a second to load and most pages have no other use for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from labelnoise.book.drawn import DataFigure

STYLE: Any = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "0.9",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "labelnoise",
}
styled = matplotlib.rc_context(STYLE)  # of functions that draw: in the book's style, matplotlib's settings left alone
WIDEST = 8.8  # inches: the page shrinks a wider figure, and the type in it


def luminance(colour: Any) -> float:
    """How light a colour is, between 0 and 1 (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def legible(colour: Any) -> tuple[float, float, float]:
    """A colour, darkened until text in it can be read on white: a contrast of 4.5 (WCAG 2.2, 1.4.3)."""
    shade = np.asarray(to_rgb(colour))
    while 1.05 / (luminance(shade) + 0.05) < 4.5:
        shade = 0.97 * shade
    red, green, blue = shade
    return red, green, blue


COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")
PALETTE = [to_rgb(colour) for colour in COLOURS]
GREY = "0.55"  # of cross-entropy, and of what a page is not about
WIDE = 10  # points: a wider interval is one of runs that fail


def new_axes(
    drawn: pd.DataFrame, rows: int, columns: int, width: float, height: float, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure for a table, height inches high and width wide or `WIDEST`, with its axes, shape (rows, columns)."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(min(width, WIDEST), height), squeeze=False, FigureClass=DataFigure, **options
    )
    figure.drawn = drawn
    # Only what the caller displays is shown, once.
    plt.close(figure)
    return figure, axes


def name_rows(axes: np.ndarray, names: Sequence[str]) -> None:
    """Name the rows that all panels of a figure share, from the top down."""
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()


def spaced(heights: ArrayLike, gap: float) -> np.ndarray:
    """The heights nearest to these, which rise, that are so far apart."""
    from scipy.optimize import isotonic_regression  # here, as few pages need it

    heights = np.asarray(heights)
    apart = gap * np.arange(len(heights))
    return np.asarray(isotonic_regression(heights - apart).x + apart)


def name_ends(ax: Axes, ends: Sequence[tuple[float, str, Any]]) -> None:
    """Write names to the right of the axes near the heights where their curves end, apart enough to be read."""
    ends = sorted(ends, key=lambda end: end[0])
    low, high = ax.get_ylim()
    heights = spaced([end[0] for end in ends], 0.075 * (high - low))
    for height, (_, name, colour) in zip(heights, ends, strict=True):
        looks: Any = {"va": "center", "color": legible(colour), "fontsize": 9}
        ax.annotate(name, (1.03, height), xycoords=("axes fraction", "data"), **looks)


def cut_wide(ax: Axes, cell: pd.DataFrame, arms: list[Any]) -> None:
    """Scale an axis to the rows without wide intervals, and write the means that lie beyond at its edge."""
    wide = cell["high"] - cell["low"] > WIDE
    if not wide.any() or wide.all():
        return
    told = cell.loc[~wide, ["gain", "low", "high"]].to_numpy()
    low, high = min(0.0, np.nanmin(told)), max(0.0, np.nanmax(told))
    if low == high:  # all others are 0: there is nothing to scale to, and matplotlib would warn
        return
    low, high = low - 0.25 * (high - low), high + 0.05 * (high - low)
    ax.set_xlim(low, high)
    for row in cell[(cell["gain"] < low) | (cell["gain"] > high)].to_dict("records"):
        left = row["gain"] < low
        place = (low if left else high, arms.index((row["method"], row["transition"])))
        text = f"◂ {row['gain']:+.0f}" if left else f"{row['gain']:+.0f} ▸"
        boxed = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        side = "left" if left else "right"
        ax.annotate(text, place, va="center", ha=side, color=PALETTE[0], fontsize=9, bbox=boxed, zorder=3)
