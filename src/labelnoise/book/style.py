"""The look that all figures share.

Colours are the colour-blind-safe ones of Wong 2011 (Nature Methods 8:441), as seaborn has them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from labelnoise.book.drawn import DataFigure

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
GREY = "0.55"  # of cross-entropy, and of what a page is not about
P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the book's style, and leave matplotlib's settings as they were."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with plt.rc_context(STYLE):
            return draw(*args, **kwargs)

    return in_style


def new_axes(
    drawn: pd.DataFrame, rows: int, columns: int, width: float, height: float, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure of width by height inches for a table, with its axes, shape (rows, columns)."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, FigureClass=DataFigure, **options
    )
    figure.drawn = drawn
    # Only what the caller displays is shown, once.
    plt.close(figure)
    return figure, axes
