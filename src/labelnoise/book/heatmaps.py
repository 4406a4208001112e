"""Transition matrices as heatmaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelnoise.book.drawn import entries
from labelnoise.book.style import WIDEST, luminance, new_axes, styled
from labelnoise.transitions import Matrix

EVEN = 0.179  # relative luminance on which black and white type have the same contrast (WCAG 2.1)
ALONG = 45  # letters that fit along a side of a heatmap


def _heatmap(ax: Axes, matrix: Matrix, class_names: Sequence[str], limit: float, difference: bool) -> None:
    import seaborn as sns  # here, as it takes a second to load, and most pages have no heatmap

    n = len(matrix)
    sns.heatmap(
        matrix,
        ax=ax,
        vmin=-limit if difference else 0,
        vmax=limit,
        cmap="RdBu_r" if difference else "YlGnBu",
        annot=n <= 12,
        fmt="+.2f" if difference else ".2f",
        annot_kws={"fontsize": 9 if n <= 4 else 7},
        cbar=False,
        square=True,
        linewidths=0.5,
        xticklabels=False,  # seaborn draws the whole figure to see whether they overlap
        yticklabels=False,
    )
    places = np.arange(n) + 0.5
    ax.set_xticks(places, class_names)
    upright = n * max(map(len, class_names)) > ALONG
    ax.set_yticks(places, class_names, rotation="horizontal" if upright else "vertical", va="center")
    ground = ax.collections[0].get_facecolor() if ax.texts else []
    for text, colour in zip(ax.texts, ground, strict=True):
        text.set_color("black" if luminance(colour) > EVEN else "white")
    ax.tick_params(axis="both", length=0, labelsize=8)
    ax.tick_params(axis="x", rotation=45 if n > 4 else 0)
    ax.grid(False)


@styled
def transition_heatmaps(
    rows: Mapping[str, Mapping[str, Matrix]],
    class_names: Sequence[str],
    *,
    difference: bool = False,
    limit: float | None = None,
) -> Figure:
    """Transition matrices, one per panel, all on one scale; entries are printed up to 12 classes.

    Args:
        rows: title to panel title to matrix, shape (n_classes, n_classes). More than three panels of one title,
            or two of more than four classes, go on in the next row.
        class_names: one per class.
        difference: the matrices are differences of two, drawn around zero.
        limit: the end of the scale; by default 1, or 0.2 for differences.
    """
    most = 3 if len(class_names) <= 4 else 2
    side = (WIDEST - 0.4) / most
    lines = [
        (title, list(panels.items())[first : first + most])
        for title, panels in rows.items()
        for first in range(0, len(panels), most)
    ]
    columns = max(len(panels) for _, panels in lines)
    drawn = entries(rows, ["noise", "matrix", "clean", "noisy", "entry"], class_names)
    figure, axes = new_axes(drawn, len(lines), columns, side * columns + 0.4, side * len(lines) + 0.3)
    for axes_row, (title, panels) in zip(axes, lines, strict=True):
        for k, (ax, (panel, matrix)) in enumerate(zip(axes_row, panels, strict=False)):
            _heatmap(ax, matrix, class_names, limit or (0.2 if difference else 1.0), difference)
            ax.set_title(f"{title}: {panel}" if title else panel, fontsize=9)
            ax.set_xlabel("noisy label")
            ax.set_ylabel("clean label" if k == 0 else "")
            if k:
                ax.set_yticks([])
        for ax in axes_row[len(panels) :]:
            ax.axis("off")
    return figure
