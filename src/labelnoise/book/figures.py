"""Matplotlib figures of labels and accuracies, from images or a table of records; none is shown here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from labelnoise.book.style import GREY, PALETTE, cut_wide, legible, name_ends, new_axes, styled
from labelnoise.book.tables import ARM_COLUMNS
from labelnoise.book.titles import MODEL_TITLES, method_title, noise_title
from labelnoise.noise import Labels

if TYPE_CHECKING:
    from torch import Tensor

    from labelnoise.data import Images


@styled
def image_grid(
    images: Images | Tensor, clean_labels: Labels, noisy_labels: Labels, class_names: Sequence[str], columns: int = 8
) -> Figure:
    """The first images of each clean class in a row, titled with their noisy label, in orange where it is wrong.

    Of more than ten classes with images, the first ten.

    Args:
        images: shape (n, channels, height, width), uint8.
        clean_labels, noisy_labels: shape (n,).
    """
    classes = np.unique(clean_labels)[:10]
    shown = np.concatenate([np.flatnonzero(clean_labels == i)[:columns] for i in classes])
    drawn = pd.DataFrame({"image": shown, "clean_label": clean_labels[shown], "noisy_label": noisy_labels[shown]})
    figure, axes = new_axes(drawn, len(classes), columns, 8, 1.15 * len(classes) + 0.3)
    for axes_row, i in zip(axes, classes, strict=True):
        for ax, row in zip(axes_row, np.flatnonzero(clean_labels == i)[:columns], strict=False):
            ax.imshow(np.moveaxis(np.asarray(images[row]), 0, 2).squeeze(), cmap="gray_r")
            flipped = noisy_labels[row] != i
            ax.set_title(class_names[noisy_labels[row]], fontsize=8, color=legible(PALETTE[3]) if flipped else "0.4")
        axes_row[0].set_ylabel(class_names[i])
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
    return figure


@styled
def accuracy_curves(
    curves: pd.DataFrame,
    measure: str = "clean_test_accuracy",
    label: str = "clean test accuracy (%)",
    limits: pd.DataFrame | None = None,
    settled: int = 0,
) -> Figure:
    """A measurement over epochs, for each network and noise: every seed thin, the mean thick and named at its end.

    Args:
        curves: as `tables.as_curves` gives it.
        measure: its column, a fraction.
        limits: what is drawn as dotted lines: one row each, with ``noise``, ``name`` and ``value``, a fraction.
        settled: the epoch from which on a panel's vertical axis fits most runs, with the mean at each end; 0 for one
            axis of all runs and epochs in a row.
    """
    models, noises = (curves[name].unique().tolist() for name in ("model", "noise"))
    figure, axes = new_axes(
        curves[[*ARM_COLUMNS, "seed", "epoch", measure]],
        len(models), len(noises), 1.6 + 2.8 * len(noises), 2.7 * len(models),
        sharey="none" if settled else "row", sharex="row",
    )  # fmt: skip
    arms = _arms(curves)
    for axes_row, model in zip(axes, models, strict=True):
        for ax, noise in zip(axes_row, noises, strict=True):
            cell = curves[(curves["model"] == model) & (curves["noise"] == noise)]
            ends = []
            for k, (method, transition) in enumerate(arms):
                arm = cell[(cell["method"] == method) & (cell["transition"] == transition)]
                by_seed = 100 * arm.pivot_table(index="epoch", columns="seed", values=measure)
                marker, pale = "o" if len(by_seed) == 1 else "", 0.2 if settled else 0.35
                colour = GREY if method == "cross-entropy" else PALETTE[k - 1]
                ax.plot(by_seed.index, by_seed, color=colour, linewidth=0.6, alpha=pale, marker=marker)
                means = by_seed.mean(axis=1)
                ax.plot(by_seed.index, means, color=colour, label=method_title(method, transition))
                if len(means):
                    ends.append((means.iloc[-1], method_title(method, transition), colour))
            for row in [] if limits is None else limits[limits["noise"] == noise].to_dict("records"):
                ax.axhline(100 * row["value"], color="0.2", linewidth=1, linestyle=":")
                ends.append((100 * row["value"], row["name"], "0.2"))
            ax.set_title(f"{MODEL_TITLES[model]}, {noise_title(noise)}, n = {cell['seed'].nunique()}")
            ax.xaxis.get_major_locator().set_params(integer=True)
            if settled:
                late = cell[cell["epoch"] >= min(settled, cell["epoch"].max())]
                most = 100 * late.groupby([*ARM_COLUMNS, "epoch"])[measure].quantile([0.1, 0.9])
                shown = [*most, *(height for height, *_ in ends)]
                beyond = 0.1 * max(np.ptp(shown), 1)
                ax.set_ylim(min(shown) - beyond, max(shown) + beyond)
                ends = [(height, f"{height:.1f} {name if ax is axes_row[-1] else ''}", c) for height, name, c in ends]
            if settled or ax is axes_row[-1]:
                name_ends(ax, ends)
    plt.setp(axes[:, 0], ylabel=label)
    plt.setp(axes[-1], xlabel="epoch")
    return figure


@styled
def by_length(ends: pd.DataFrame) -> Figure:
    """`accuracy_curves` of what trainings of several lengths end with (`tables.as_ends`), on a logarithmic scale."""
    figure = accuracy_curves(ends, settled=1)
    lengths = sorted(ends["epoch"].unique())
    for ax in figure.axes:
        ax.set(xscale="log", xticks=lengths, xticklabels=lengths)
        ax.minorticks_off()
    plt.setp(figure.axes[-ends["noise"].nunique() :], xlabel="epochs of the whole training")
    return figure


@styled
def error_against_rate(table: pd.DataFrame, accuracy: str = "last_accuracy") -> Figure:
    """Error against the noise rate, on a logarithmic scale: seeds and means, a panel per network and family of noise.

    The first method is grey; a dotted line is the mean error with clean labels, if the table has such runs.

    Args:
        table: as `tables.by_rate` gives it.
        accuracy: "best_accuracy" or "last_accuracy".
    """
    models, families = (table[name].unique().tolist() for name in ("model", "family"))
    figure, axes = new_axes(
        table[[*ARM_COLUMNS, "family", "rate", "seed", accuracy]],
        len(models), len(families), 3.4 * len(families), 2.7 * len(models) + 0.5, sharey="row",
    )  # fmt: skip
    arms = _arms(table)
    for axes_row, model in zip(axes, models, strict=True):
        errors = 100 * (1 - table.loc[table["model"] == model, accuracy])
        if np.ptp(errors) < 1e-6:  # alike but for rounding, of which matplotlib makes a logarithmic axis of no height
            axes_row[0].set_ylim(0.9 * errors.min(), 1.1 * errors.max())
        for ax, family in zip(axes_row, families, strict=True):
            cell = table[(table["model"] == model) & (table["family"] == family)]
            if not (cell["rate"] > 0).any():
                ax.set_axis_off()
                continue
            for k, (method, transition) in enumerate(arms):
                arm = cell[(cell["method"] == method) & (cell["transition"] == transition)]
                error, shift = 100 * (1 - arm[accuracy]), 0.006 * (k - (len(arms) - 1) / 2)
                means = error.groupby(arm["rate"]).mean()
                colour = PALETTE[k - 1] if k else "0.45"
                ax.plot(arm["rate"] + shift, error, "o", markersize=3, alpha=0.5, color=colour)
                ax.plot(means.index + shift, means, color=colour, label=method_title(method, transition))
            if (cell["rate"] == 0).any():
                ceiling = 100 * (1 - cell.loc[cell["rate"] == 0, accuracy].mean())
                ax.axhline(ceiling, color="0.3", linewidth=1, linestyle=":", zorder=0, label="clean labels")
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter(NullFormatter())
            ax.set_title(f"{MODEL_TITLES[model]}, {family}, n = {cell[cell['rate'] > 0]['seed'].nunique()}")
            ax.set(xticks=sorted(cell["rate"].unique()), xlabel="noise rate")
    plt.setp(axes[:, 0], ylabel="error on clean test labels (%)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(arms), 3))
    return figure


@styled
def gains(rows: pd.DataFrame, *, logarithmic: bool = False) -> Figure:
    """Paired differences to cross-entropy in points of accuracy with 95 % intervals, a panel per network and noise.

    A dot is filled where the difference is not 0 at 5 % after correction for the number of rows. Each panel has its own
    scale, which intervals of runs that fail do not stretch; a mean beyond it is told at the edge.

    Args:
        rows: as `tables.gains` gives it.
        logarithmic: draw every mean in its place, on a scale that is logarithmic outside of one point.
    """
    figure, panels = _row_per_arm(rows, "gain over cross-entropy (points)")
    for ax, cell, arms in panels:
        ax.axvline(0, color="0.3", linewidth=1)
        for row in cell.to_dict("records"):
            y = arms.index((row["method"], row["transition"]))
            filled = PALETTE[0] if row["corrected"] < 0.05 else "white"
            ax.plot([row["low"], row["high"]], [y, y], color=PALETTE[0])
            ax.plot(row["gain"], y, "o", color=PALETTE[0], markerfacecolor=filled)
        if logarithmic:
            ax.set_xscale("symlog", linthresh=1)
            ax.set_xticks([-100, -10, -1, 0, 1, 10], ["-100", "-10", "-1", "0", "+1", "+10"], fontsize=8)
        else:
            cut_wide(ax, cell, arms)
    return figure


def _arms(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """The methods with their sources of T that rows have, each once."""
    return list(rows[["method", "transition"]].drop_duplicates().itertuples(index=False, name=None))


def _row_per_arm(
    rows: pd.DataFrame, label: str, **options: Any
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame, list[Any]]]]:
    """A panel per network and noise, each with its rows and with the arms of its network from the top down."""
    models, noises = (rows[name].unique().tolist() for name in ("model", "noise"))
    arms = {m: _arms(rows[rows["model"] == m]) for m in models}
    heights = [0.28 * len(arms[model]) + 0.8 for model in models]
    figure, axes = new_axes(
        rows, len(models), len(noises), 2.6 + 2.7 * len(noises), sum(heights) + 0.3, sharey="row",
        gridspec_kw={"height_ratios": heights}, **options,
    )  # fmt: skip
    panels = []
    for axes_row, model in zip(axes, models, strict=True):
        axes_row[0].set_yticks(range(len(arms[model])), [method_title(*arm) for arm in arms[model]])
        axes_row[0].set_ylim(len(arms[model]) - 0.5, -0.5)
        for ax, noise in zip(axes_row, noises, strict=True):
            ax.set_title(f"{MODEL_TITLES[model]}, {noise_title(noise)}")
            ax.grid(False, axis="y")
            panels.append((ax, rows[(rows["model"] == model) & (rows["noise"] == noise)], arms[model]))
    plt.setp(axes[-1], xlabel=label)
    return figure, panels


@styled
def tries(rows: pd.DataFrame) -> Figure:
    """How far each configuration is behind its arm's best, a panel per network and noise.

    The protocol's dot is filled, and the reported one is orange.

    Args:
        rows: as `tuning_tables.tries` gives it.
    """
    figure, panels = _row_per_arm(rows, "loss behind the best (millinats)", sharex=True)
    for ax, cell, arms in panels:
        ax.grid(True, axis="y")
        for row in cell.to_dict("records"):
            y = arms.index((row["method"], row["transition"]))
            colour = PALETTE[1] if row["reported"] else PALETTE[0]
            filled = colour if row["protocol"] else "none"
            ax.plot(row["behind"], y, "o", color=colour, markerfacecolor=filled, alpha=0.8)
        ax.set_xscale("symlog", linthresh=0.1)
        ax.set_xticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    return figure
