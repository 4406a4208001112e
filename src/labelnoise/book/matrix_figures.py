"""Figures of transition matrices and of how well they are estimated.

Each function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from labelnoise.book.drawn import entries
from labelnoise.book.style import PALETTE, name_rows, new_axes, styled
from labelnoise.book.tables import where
from labelnoise.book.titles import noise_title, source_title
from labelnoise.statistics import interval
from labelnoise.transitions import Matrix


@styled
def predicted_probabilities(
    quantiles: Mapping[str, ArrayLike],
    truths: Mapping[str, Matrix],
    class_names: Sequence[str],
    label: str = "predicted P(noisy | x)",
) -> Figure:
    """How a network's predicted probabilities, or other shares, spread in each clean class, beside T.

    Args:
        quantiles: noise to the 3, 25, 50, 75 and 97 % quantiles, shape (n_classes, n_classes, 5).
        truths: noise to T, shape (n_classes, n_classes).
        class_names: one per class.
        label: what they are of.
    """
    true_or_quantile = ("q3", "q25", "q50", "q75", "q97", "true")
    both = {
        noise: np.concatenate([np.asarray(values), truths[noise][..., None]], axis=2)
        for noise, values in quantiles.items()
    }
    drawn = entries(both, ["noise", "clean", "noisy", "what", "probability"], class_names)
    drawn["what"] = [true_or_quantile[i] for i in drawn["what"]]
    figure, axes = new_axes(drawn, 1, len(quantiles), 4 * len(quantiles), 3.2, sharey=True)
    for ax, (noise, values) in zip(axes[0], quantiles.items(), strict=True):
        n = len(truths[noise])
        for i in range(n):
            x = i + (np.arange(n) - (n - 1) / 2) * 0.8 / n
            for j in range(n):
                colour = PALETTE[j % len(PALETTE)]
                low, lower, median, upper, high = np.asarray(values)[i, j]
                ax.plot([x[j], x[j]], [low, high], color=colour, linewidth=1.2)
                ax.plot([x[j], x[j]], [lower, upper], color=colour, linewidth=6, solid_capstyle="butt")
                ax.plot(x[j], median, "o", color="white", markersize=3)
                ax.plot(x[j], truths[noise][i, j], "_", color="black", markersize=14, markeredgewidth=2)
        ax.set(title=noise_title(noise), xlabel="clean class", ylim=(0, None))
        ax.set_xticks(range(n), class_names, fontsize=9, rotation=0 if n <= 4 else 45)
        ax.grid(False, axis="x")
    handles = [Line2D([], [], color=PALETTE[j % len(PALETTE)], linewidth=6) for j in range(n)]
    handles.append(Line2D([], [], color="black", marker="_", markersize=14, markeredgewidth=2, linestyle=""))
    labels = [*class_names, "true T"]
    axes[0, 0].set_ylabel(label)
    figure.legend(handles, labels, loc="outside lower center", ncols=min(n + 1, 6), frameon=False, title="noisy class")
    return figure


@styled
def estimation_errors(table: pd.DataFrame, estimators: Sequence[str], columns: int = 2) -> Figure:
    """Relative L1 error of each estimator: every seed, the mean with its 95 % interval, a panel per noise.

    The estimators stand in one order in all panels, the one with the smallest mean of logarithmic errors first.

    Args:
        table: as `matrix_tables.matrix_errors` gives it.
        estimators: which to draw; the mean of the oracle is a line besides.
        columns: panels per row.
    """
    noises = table["noise"].unique().tolist()
    drawn = table.loc[table["estimator"].isin(estimators), ["noise", "estimator", "seed", "l1"]]
    means = drawn.groupby(["noise", "estimator"])["l1"].mean()
    ranks = np.log(means.clip(lower=1e-6)).groupby("estimator").mean()
    names = sorted(ranks.index, key=lambda name: (name != "oracle", ranks[name]))
    columns = min(columns, len(noises))
    lines = -(-len(noises) // columns)
    height = 0.26 * len(names) + 0.9
    figure, axes = new_axes(drawn, lines, columns, 8.4, height * lines, sharex=True, sharey=True)
    for ax in axes.flat[len(noises) :]:
        ax.axis("off")
    for ax, (noise, cell) in zip(axes.flat, _by_noise(table), strict=False):
        if (noise, "oracle") in means:
            ax.axvline(means[noise, "oracle"], color="0.2", linewidth=1)
        for k, name in enumerate(names):
            values = where(cell, estimator=name)["l1"].to_numpy()
            summary, colour = interval(values), PALETTE[1] if name == "alternating" else "0.45"
            line = np.full(len(values), k - 0.15)
            ax.plot(values, line, "o", color=colour, alpha=0.45, markersize=4, markeredgewidth=0)
            ax.plot([summary.low, summary.high], [k + 0.2, k + 0.2], color=colour)
            ax.plot(summary.mean, k + 0.2, "D", color=colour, markersize=4)
        ax.set(title=noise_title(noise), xscale="log")
        ax.grid(False, axis="y")
    name_rows(axes, [source_title(name) for name in names])
    plt.setp(axes[-1], xlabel="relative L1 error of T")
    return figure


@styled
def error_curves(table: pd.DataFrame, x: str, label: str, estimators: Sequence[str]) -> Figure:
    """Mean relative L1 error of T against a column, with 95 % intervals: a panel per noise, a line per estimator.

    Args:
        table: as `matrix_tables.matrix_errors` gives it.
        x: a numeric column.
        label: of the x axis.
        estimators: which to draw.
    """
    columns = table["noise"].nunique()
    drawn = table.loc[table["estimator"].isin(estimators), ["noise", "estimator", "seed", x, "l1"]]
    figure, axes = new_axes(drawn, 1, columns, 4.2 * columns, 3.6, sharey=True)
    for ax, (noise, cell) in zip(axes[0], _by_noise(table), strict=True):
        for k, name in enumerate(estimators):
            summaries = {at: interval(group["l1"]) for at, group in where(cell, estimator=name).groupby(x)}
            means = [each.mean for each in summaries.values()]
            half = np.nan_to_num([each.half_width for each in summaries.values()])
            ax.errorbar(list(summaries), means, half, color=PALETTE[k % len(PALETTE)], marker="o", markersize=4,
                        linestyle="--" if name == "oracle" else "-", label=source_title(name))  # fmt: skip
        ax.set(title=noise_title(noise), xscale="log", yscale="log", xlabel=label)
        places = sorted(table[x].unique())
        ax.set_xticks(places, [f"{place:,}" for place in places], fontsize=8)
        ax.minorticks_off()
    axes[0, 0].set_ylabel("relative L1 error of T")
    _legend_below(figure, axes[0, 0])
    return figure


@styled
def coverage(table: pd.DataFrame, goal: tuple[float, float]) -> Figure:
    """Share of the entries of T within their 95 % interval, as stated and of the right width, a panel per noise.

    Args:
        table: as `matrix_tables.spread_and_coverage` gives it.
        goal: the band that is shaded.
    """
    names = table["estimator"].unique().tolist()
    places = range(len(names))
    figure, axes = new_axes(table, 1, table["noise"].nunique(), 8.4, 0.3 * len(names) + 1, sharex=True, sharey=True)
    for ax, (noise, cell) in zip(axes[0], _by_noise(table), strict=True):
        rows = cell.set_index("estimator").loc[names]
        ax.axvspan(*goal, color="0.9", zorder=0)
        ax.axvline(0.95, color="0.4", linewidth=1)
        ax.plot(rows["at_best"], places, "D", color=PALETTE[1], fillstyle="none", label="with the right width")
        ax.plot([rows["low"], rows["high"]], [places, places], color=PALETTE[0])
        ax.plot(rows["coverage"], places, "o", color=PALETTE[0], label="as stated")
        ax.set(title=noise_title(noise), xlabel="coverage of 95 % intervals", xlim=(-0.03, 1.03))
        ax.grid(False, axis="y")
    name_rows(axes, [source_title(name) for name in names])
    _legend_below(figure, axes[0, 0])
    return figure


@styled
def bias_and_spread(table: pd.DataFrame) -> Figure:
    """Bias beside spread of each estimator, relative L1, on a log scale, the smallest sum first: a panel per noise.

    Args:
        table: as `matrix_tables.spread_and_coverage` gives it.
    """
    together = table.assign(error=table["bias"] + table["spread"]).groupby("estimator")["error"].mean()
    names = together.sort_values().index.tolist()
    figure, axes = new_axes(table, 1, table["noise"].nunique(), 8.4, 0.32 * len(names) + 1.3, sharex=True, sharey=True)
    for ax, (noise, cell) in zip(axes[0], _by_noise(table), strict=True):
        rows = cell.set_index("estimator").loc[names]
        for column, marker, colour in (("bias", "s", 1), ("spread", "o", 0), ("stated", "|", 7)):
            ax.plot(rows[column], range(len(names)), marker, color=PALETTE[colour], markersize=7, label=column)
        ax.set(title=noise_title(noise), xscale="log", xlabel="relative L1")
    name_rows(axes, [source_title(name) for name in names])
    _legend_below(figure, axes[0, 0])
    return figure


@styled
def traces(table: pd.DataFrame, estimators: Sequence[str]) -> Figure:
    """Error of T and noisy validation loss over epochs, means over the seeds: a column per noise.

    Args:
        table: as `matrix_tables.traces` gives it.
        estimators: which to draw.
    """
    columns = table["noise"].nunique()
    drawn = table[table["estimator"].isin(estimators)]
    estimators = [name for name in estimators if name in set(drawn["estimator"])]  # records keep those that there were
    figure, axes = new_axes(drawn, 2, columns, 4.2 * columns, 5.4, sharex=True, sharey="row")
    for (above, below), (noise, cell) in zip(axes.T, _by_noise(table), strict=True):
        for k, name in enumerate(estimators):
            mean = cell[cell["estimator"] == name].groupby("epoch")["l1"].mean()
            above.plot(mean.index, mean, color=PALETTE[k % len(PALETTE)], label=source_title(name))
        loss = cell.drop_duplicates(["seed", "epoch"]).groupby("epoch")["noisy_validation_loss"].mean()
        below.plot(loss.index, loss, color="0.3")
        for ax in (above, below):
            ax.axvline(loss.idxmin(), color="0.6", linewidth=1, linestyle=":")
        above.set(title=f"{noise_title(noise)}, n = {cell['seed'].nunique()}", yscale="log")
        below.set_xlabel("epoch")
    axes[0, 0].set_ylabel("relative L1 error of T")
    axes[1, 0].set_ylabel("noisy validation loss")
    _legend_below(figure, axes[0, 0])
    return figure


def _by_noise(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(noise), rows) for noise, rows in table.groupby("noise", sort=False)]


def _legend_below(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False, fontsize=8)
