"""What methods reach: the figure of the front page, and one with a dot per run."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labelnoise.book.style import GREY, PALETTE, new_axes, styled
from labelnoise.book.tables import where
from labelnoise.book.titles import MODEL_TITLES, noise_title


@styled
def at_a_glance(table: pd.DataFrame) -> Figure:
    """The mean accuracy of a few methods on each network and noise, on one line each, and the clean ceilings.

    Args:
        table: rows of `tables.as_table`, with a column ``name``: what a dot is called, from the plainest to the best.
            Rows without noise are ceilings, each with a name of its own.
    """
    table = table.assign(accuracy=100 * table["last_accuracy"])
    noisy = table[table["noise"] != "clean"]
    drawn = table.groupby(["model", "noise", "name"], sort=False)["accuracy"].mean().reset_index()
    cells = list(dict.fromkeys(zip(noisy["model"], noisy["noise"], strict=True)))
    colours = dict(zip(noisy["name"].unique(), [GREY, *PALETTE], strict=False))
    figure, axes = new_axes(drawn, 1, 1, 4.6, 0.7 * len(cells) + 1.5)  # as wide as a phone shows whole
    ax = axes[0, 0]
    for y, (model, noise) in enumerate(cells):
        here = where(drawn, model=model, noise=noise)
        ax.plot([here["accuracy"].min(), here["accuracy"].max()], [y, y], color="0.85", linewidth=3, zorder=1)
        for name, value in zip(here["name"], here["accuracy"], strict=True):
            ax.plot(value, y, "o", markersize=9, color=colours[name], zorder=2)
        for limit in where(drawn, model=model, noise="clean")["accuracy"]:
            ax.plot([limit] * 2, [y - 0.2, y + 0.2], color="0.2", linewidth=1.5, zorder=3)
        ax.text(0.01, y - 0.28, f"{MODEL_TITLES[model]}, {noise_title(noise)}", transform=ax.get_yaxis_transform())
    handles = [Line2D([], [], color=colour, marker="o", linestyle="", label=name) for name, colour in colours.items()]
    handles += [Line2D([], [], color="0.2", marker="|", markersize=12, linestyle="", label="clean labels")]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    ax.set_yticks([])
    ax.set_ylim(len(cells) - 0.5, -0.7)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("clean test images that are classified correctly (%)")
    return figure


@styled
def runs(rows: pd.DataFrame, by: str, limits: Mapping[str, float] | None = None) -> Figure:
    """Accuracy after the last epoch, the best first, a panel per noise: a dot per run, a line at the mean.

    Args:
        rows: as `tables.as_table` gives it, with a column ``training``, which has a colour for each, and `by`.
        by: the column that names what has a row of its own.
        limits: accuracies in percent by training, each a dotted line; in its colour, if there are runs of it.
    """
    noises, series = (rows[name].unique().tolist() for name in ("noise", "training"))
    means = rows.groupby([by, "training"], sort=False)["last_accuracy"].mean().groupby(by, sort=False).max()
    names = list(means.sort_values(ascending=False, kind="stable").index)
    colours = dict(zip(series, [GREY, PALETTE[0]] if len(series) > 1 else PALETTE, strict=False))
    drawn = rows[["noise", by, "training", "seed", "last_accuracy"]]
    figure, axes = new_axes(drawn, 1, len(noises), 2.6 + 2.3 * len(noises), 0.35 * len(names) + 1.2, sharey=True)
    for ax, noise in zip(axes[0], noises, strict=True):
        cells = rows[rows["noise"] == noise].groupby([by, "training"], sort=False)["last_accuracy"]
        for (name, kind), accuracies in cells:
            y, values = names.index(name), 100 * accuracies
            ax.plot(values, [y] * len(values), "o", color=colours[kind], alpha=0.4, markersize=4)
            ax.plot([values.mean()] * 2, [y - 0.3, y + 0.3], color=colours[kind])
        for name, limit in (limits or {}).items():
            ax.axvline(limit, color=colours.get(name, "0.2"), linewidth=1, linestyle=":")
        ax.set(title=f"{noise_title(noise)}, n = {cells.size().max()}", xlabel="clean test accuracy (%)")
        ax.grid(False, axis="y")
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    several = series if len(series) > 1 else []
    handles = [Line2D([], [], color=colours[kind], marker="o", markersize=4, label=kind) for kind in several]
    if limits:
        handles.append(Line2D([], [], color="0.2", linewidth=1, linestyle=":", label="on clean labels"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
