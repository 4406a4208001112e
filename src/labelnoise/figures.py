"""Figures of labels and accuracies, from images or a table of records.

Each function returns a matplotlib Figure and shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor

from labelnoise.data import Images
from labelnoise.noise import Labels
from labelnoise.statistics import interval
from labelnoise.style import PALETTE, new_axes, styled
from labelnoise.titles import MODEL_TITLES, method_title, noise_title


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
