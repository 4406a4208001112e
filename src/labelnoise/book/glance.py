"""The figure of the front page."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from labelnoise.book.style import GREY, PALETTE, new_axes, styled
from labelnoise.book.tables import where
from labelnoise.book.titles import MODEL_TITLES, noise_title


@styled
def at_a_glance(table: pd.DataFrame, arms: Mapping[str, tuple[str, str]]) -> Figure:
    """The median accuracy of a few methods on each network and noise, on one line each, and the clean ceiling.

    Args:
        table: as `tables.as_table` gives it, with runs without noise.
        arms: what a dot is called to its method and the source of its T, from the plainest to the best. The first is
            grey, the last in the accent colour.
    """
    table = table.assign(accuracy=100 * table["last_accuracy"])
    noises = [noise for noise in dict.fromkeys(table["noise"]) if noise != "clean"]
    cells = [(model, noise) for model in dict.fromkeys(table["model"]) for noise in noises]
    medians = table.groupby(["model", "noise", "method", "transition"], sort=False)["accuracy"].median()
    drawn = medians.reset_index()
    figure, axes = new_axes(drawn, 1, 1, 7.2, 0.62 * len(cells) + 1.3)
    ax = axes[0, 0]
    colours = dict(zip(arms, [GREY, PALETTE[0], PALETTE[1]], strict=False))
    for y, (model, noise) in enumerate(cells):
        here = where(drawn, model=model, noise=noise)
        points = {
            name: float(found.iloc[0])
            for name, (method, source) in arms.items()
            if len(found := where(here, method=method, transition=source)["accuracy"])
        }
        ax.plot([min(points.values()), max(points.values())], [y, y], color="0.85", linewidth=3, zorder=1)
        for name, value in points.items():
            ax.plot(value, y, "o", markersize=9, color=colours[name], zorder=2)
            if y == 0:
                side = "right" if name == next(iter(arms)) else "left"
                ax.annotate(name, (value, y), (0, 9), textcoords="offset points", ha=side, color=colours[name])
        ceiling = where(drawn, model=model, noise="clean")["accuracy"]
        if len(ceiling):
            ax.plot([ceiling.iloc[0]] * 2, [y - 0.28, y + 0.28], color="0.2", linewidth=1.5, zorder=3)
            if y == len(cells) - 1:
                said = {"textcoords": "offset points", "ha": "center", "va": "top", "color": "0.2"}
                ax.annotate("clean labels", (ceiling.iloc[0], y + 0.28), (0, -3), **said)
    ax.set_yticks(range(len(cells)), [f"{MODEL_TITLES[model]}, {noise_title(noise)}" for model, noise in cells])
    ax.set_ylim(len(cells) - 0.4, -0.8)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("clean test images that are classified rightly (%)")
    return figure
