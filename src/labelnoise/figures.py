"""Every figure, from labels, matrices or a table of records.

Each function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from labelnoise.data import Images
from labelnoise.noise import Labels
from labelnoise.statistics import interval
from labelnoise.style import PALETTE, draw_points, new_axes, styled
from labelnoise.titles import MODEL_TITLES, method_title, noise_title, source_title
from labelnoise.transitions import Matrix


@styled
def image_grid(
    images: Images | Tensor, clean_labels: Labels, noisy_labels: Labels, class_names: Sequence[str], columns: int = 8
) -> Figure:
    """The first images of each clean class in a row, titled with their noisy label, in orange where it is wrong.

    Args:
        images: shape (n, channels, height, width), uint8.
        clean_labels, noisy_labels: shape (n,).
    """
    figure, axes = new_axes(len(class_names), columns, 8, 1.15 * len(class_names) + 0.3)
    for i, name in enumerate(class_names):
        for ax, row in zip(axes[i], np.flatnonzero(clean_labels == i)[:columns], strict=False):
            ax.imshow(images[row].permute(1, 2, 0).squeeze().numpy(), cmap="gray_r")
            flipped = noisy_labels[row] != i
            ax.set_title(class_names[noisy_labels[row]], fontsize=8, color=PALETTE[3] if flipped else "0.4")
        for ax in axes[i]:
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            sns.despine(ax=ax, left=True, bottom=True)
        axes[i, 0].set_ylabel(name)
    return figure


def _heatmap(ax: Axes, matrix: Matrix, class_names: Sequence[str], limit: float, difference: bool) -> None:
    n = len(matrix)
    sns.heatmap(
        matrix,
        ax=ax,
        vmin=-limit if difference else 0,
        vmax=limit,
        cmap="RdBu_r" if difference else "YlGnBu",
        annot=n <= 12,
        fmt="+.2f" if difference else ".2f",
        annot_kws={"fontsize": 9 if n <= 4 else 6},
        cbar=False,
        square=True,
        linewidths=0.5,
        xticklabels=list(class_names),
        yticklabels=list(class_names),
    )
    ax.tick_params(axis="both", length=0, labelsize=8)
    ax.tick_params(axis="x", rotation=45 if n > 4 else 0)
    ax.grid(False)


PANELS_A_ROW = 4


@styled
def transition_heatmaps(
    rows: Mapping[str, Mapping[str, Matrix]],
    class_names: Sequence[str],
    *,
    difference: bool = False,
    limit: float | None = None,
) -> Figure:
    """Transition matrices, one a panel, all on one scale; entries are printed up to 12 classes.

    Args:
        rows: title to panel title to matrix, shape (n_classes, n_classes); more than `PANELS_A_ROW` panels of
            one title go on in the next row.
        class_names: one a class.
        difference: the matrices are differences of two, drawn around zero.
        limit: the end of the scale; by default 1, or 0.2 for differences.
    """
    lines = [
        (title, list(panels.items())[start : start + PANELS_A_ROW])
        for title, panels in rows.items()
        for start in range(0, len(panels), PANELS_A_ROW)
    ]
    columns = max(len(panels) for _, panels in lines)
    side = 2.5 if len(class_names) <= 4 else 3.6
    figure, axes = new_axes(len(lines), columns, side * columns + 0.4, side * len(lines) + 0.3)
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


@styled
def predicted_probabilities(
    quantiles: Mapping[str, np.ndarray], truths: Mapping[str, Matrix], class_names: Sequence[str]
) -> Figure:
    """How a network's predicted probabilities spread in each clean class, beside T.

    Args:
        quantiles: noise to the 3, 25, 50, 75 and 97 % quantiles, shape (n_classes, n_classes, 5).
        truths: noise to T, shape (n_classes, n_classes).
        class_names: one a class.
    """
    figure, axes = new_axes(1, len(quantiles), 4 * len(quantiles), 3.2, sharey=True)
    for ax, (noise, values) in zip(axes[0], quantiles.items(), strict=True):
        n = len(values)
        for i in range(n):
            x = i + (np.arange(n) - (n - 1) / 2) * 0.8 / n
            for j in range(n):
                colour = PALETTE[j % len(PALETTE)]
                low, lower, median, upper, high = values[i, j]
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
    axes[0, 0].set_ylabel("predicted P(noisy | x)")
    figure.legend(handles, labels, loc="outside lower center", ncols=min(n + 1, 6), frameon=False, title="noisy class")
    return figure


@styled
def estimation_errors(table: pd.DataFrame, estimators: Sequence[str]) -> Figure:
    """Relative L1 error of each estimator and of the oracle: every seed, the mean and its 95 % interval, a row a noise.

    Args:
        table: as `tables.as_table` gives it.
        estimators: names with a column ``error_NAME``.
    """
    noises = list(dict.fromkeys(table["noise"]))
    figure, axes = new_axes(len(noises), 1, 8, 2.4 * len(noises) + 0.5, sharex=True)
    for ax, noise in zip(axes[:, 0], noises, strict=True):
        rows = table[table["noise"] == noise]
        for k, name in enumerate(estimators):
            draw_points(ax, k, rows[f"error_{name}"].to_numpy(), PALETTE[k % len(PALETTE)])
        ax.set(title=noise_title(noise), xticks=range(len(estimators)), yscale="log")
        ax.set_xticklabels([source_title(e).replace(" ", "\n") for e in estimators], fontsize=9)
        ax.set_ylabel("relative L1 error of T")
        ax.grid(False, axis="x")
    return figure


@styled
def accuracy_curves(
    curves: pd.DataFrame, measure: str = "clean_test_accuracy", label: str = "clean test accuracy (%)"
) -> Figure:
    """A measurement over epochs, for each network and noise: every seed thin, the mean thick.

    Args:
        curves: as `tables.as_curves` gives it.
        measure: its column, a fraction.
    """
    models, noises = (list(dict.fromkeys(curves[name])) for name in ("model", "noise"))
    figure, axes = new_axes(
        len(models), len(noises), 4.2 * len(noises), 2.7 * len(models) + 0.5, sharey="row", sharex="row"
    )
    arms = list(dict.fromkeys(zip(curves["method"], curves["transition"], strict=True)))
    for axes_row, model in zip(axes, models, strict=True):
        for ax, noise in zip(axes_row, noises, strict=True):
            cell = curves[(curves["model"] == model) & (curves["noise"] == noise)]
            for k, (method, transition) in enumerate(arms):
                arm = cell[(cell["method"] == method) & (cell["transition"] == transition)]
                by_seed = 100 * arm.pivot_table(index="epoch", columns="seed", values=measure)
                marker = "o" if len(by_seed) == 1 else ""
                ax.plot(by_seed.index, by_seed, color=PALETTE[k], linewidth=0.6, alpha=0.35, marker=marker)
                ax.plot(by_seed.index, by_seed.mean(axis=1), color=PALETTE[k], label=method_title(method, transition))
            ax.set_title(f"{MODEL_TITLES[model]}, {noise_title(noise)}, n = {cell['seed'].nunique()}")
            ax.xaxis.get_major_locator().set_params(integer=True)
        axes_row[0].set_ylabel(label)
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(arms), frameon=False)
    return figure


@styled
def accuracy_against_rate(table: pd.DataFrame, accuracy: str = "best_accuracy") -> Figure:
    """Accuracy against the rate of symmetric noise: the mean over seeds and its 95 % interval.

    Args:
        table: as `tables.as_table` gives it, of ``symmetric-RATE`` noises.
        accuracy: "best_accuracy" or "last_accuracy".
    """
    table = table.assign(rate=table["noise"].str.removeprefix("symmetric-").astype(float))
    models = list(dict.fromkeys(table["model"]))
    figure, axes = new_axes(1, len(models), 4.2 * len(models), 3.4, sharey=True)
    arms = list(dict.fromkeys(zip(table["method"], table["transition"], strict=True)))
    for ax, model in zip(axes[0], models, strict=True):
        for k, (method, transition) in enumerate(arms):
            arm = table[(table["model"] == model) & (table["method"] == method) & (table["transition"] == transition)]
            summaries = {rate: interval(100 * group[accuracy]) for rate, group in arm.groupby("rate")}
            x = np.array(list(summaries)) + 0.006 * (k - (len(arms) - 1) / 2)
            means = [s.mean for s in summaries.values()]
            half = [np.nan_to_num(s.half_width) for s in summaries.values()]
            ax.errorbar(
                x, means, half, color=PALETTE[k], marker="o", markersize=4, label=method_title(method, transition)
            )
        ax.set(title=f"{MODEL_TITLES[model]}, n = {arm['seed'].nunique()}", xlabel="rate of symmetric noise")
        ax.set_xticks(sorted(table["rate"].unique()))
    axes[0, 0].set_ylabel("clean test accuracy (%)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(arms), frameon=False)
    return figure


@styled
def gains(rows: pd.DataFrame) -> Figure:
    """Paired differences to cross-entropy in points of accuracy, with their 95 % intervals.

    Args:
        rows: as `tables.gains` gives it.
    """
    cells = list(dict.fromkeys(zip(rows["model"], rows["noise"], strict=True)))
    arms = list(dict.fromkeys(zip(rows["method"], rows["transition"], strict=True)))
    figure, axes = new_axes(1, 1, 7, 0.32 * len(rows) + 1.2)
    ax = axes[0, 0]
    ax.axvline(0, color="0.3", linewidth=1)
    ticks, y = [], 0.0
    for model, noise in cells:
        top = y
        for k, (method, transition) in enumerate(arms):
            row = rows[
                (rows[["model", "noise", "method", "transition"]] == [model, noise, method, transition]).all(axis=1)
            ]
            if len(row):
                cell = row.iloc[0]
                ax.plot([cell["low"], cell["high"]], [y, y], color=PALETTE[k + 1])
                ax.plot(cell["gain"], y, "o", color=PALETTE[k + 1], label=method_title(method, transition))
                y += 1
        ticks.append(((top + y - 1) / 2, f"{MODEL_TITLES[model]}, {noise_title(noise)}"))
        y += 0.8
    ax.set_yticks([t for t, _ in ticks], [name for _, name in ticks])
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set_xlabel("gain over cross-entropy (points of clean test accuracy)")
    unique = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=2, frameon=False)
    return figure
