"""The look that all figures share.

Colours are the colour-blind-safe ones of Wong 2011 (Nature Methods 8:441), as seaborn has them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelnoise.statistics import interval

STYLE: Any = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "0.9",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "labelnoise",
}
PALETTE = sns.color_palette("colorblind")
P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the book's style, and leave matplotlib's settings as they were."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with plt.rc_context(STYLE):
            return draw(*args, **kwargs)

    return in_style


def new_axes(rows: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of width by height inches with its axes, shape (rows, columns)."""
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)
    # Only what the caller displays is shown, once.
    plt.close(figure)
    return figure, axes


def draw_points(ax: Axes, x: float, values: np.ndarray, colour: object) -> None:
    """Every value as a dot, with the mean and its 95 % interval beside them."""
    spread = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else np.zeros(1)
    ax.plot(x + spread, values, "o", color=colour, alpha=0.45, markersize=4, markeredgewidth=0)
    summary = interval(values)
    ax.plot(x + 0.25, summary.mean, "D", color=colour, markersize=5)
    if summary.n > 1:
        ax.plot([x + 0.25] * 2, [summary.low, summary.high], color=colour)
