"""Figures of what the rules of when to correct say, beside what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelnoise.book.rule_tables import RULED_ON
from labelnoise.book.style import PALETTE, new_axes, spaced, styled
from labelnoise.book.titles import MODEL_TITLES, noise_title
from labelnoise.names import by_image

TICKS = [-100, -10, -1, 0, 1, 10, 100]
GAIN = "gain over cross-entropy (points)"
FAR = 4  # points: a gain or loss beyond is named
DARK, ACCENT = "0.3", PALETTE[1]  # noise by class, and by image


@styled
def gains_by_margin(panels: Mapping[str, pd.DataFrame], bound: float) -> Figure:
    """The gain over cross-entropy against the margin of T, a panel per title: pale dots are runs, full ones cells.

    Cells far from 0 are named, with their training where a panel has several.

    Args:
        panels: title to rows of `rule_tables.predicted_gains`.
        bound: of the margin, drawn as a line.
    """
    drawn = pd.concat(panels, names=["panel"]).reset_index("panel")
    columns = ["panel", *RULED_ON, "seed", "margin", "gain"]
    figure, axes = new_axes(drawn[columns], len(panels), 1, 7.4, 3.2 * len(panels) + 0.3, sharex=True)
    for ax, (title, rows) in zip(axes[:, 0], panels.items(), strict=True):
        ax.axhline(0, color="0.3", linewidth=1)
        ax.axvline(bound, color="0.4", linestyle=":")
        for name, group, colour, marker in _by_noise(rows):
            means = group.groupby(RULED_ON, sort=False)[["margin", "gain"]].mean()
            ax.plot(group["margin"], group["gain"], ".", color=colour, alpha=0.25)
            ax.plot(means["margin"], means["gain"], marker, color=colour, markersize=6, label=name, linestyle="")
        _logarithmic(ax)
        _name_outliers(ax, rows, bound)
        ax.annotate(f"bound {bound:g}", (bound, 1), (4, -2), xycoords=("data", "axes fraction"),
                    textcoords="offset points", va="top", color="0.4")  # fmt: skip
        ax.set(title=title, ylabel=GAIN)
    axes[-1, 0].set_xlabel("lead of the right label, by an estimate of T")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


@styled
def predicted_gains(rows: pd.DataFrame) -> Figure:
    """The gain over cross-entropy of each run against what noisy labels foretell, marked by the verdict.

    Args:
        rows: as `rule_tables.predicted_gains` gives it.
    """
    columns = [*RULED_ON, "seed", "predicted", "gain", "verdict", "right"]
    figure, axes = new_axes(rows[columns], 1, 1, 6.0, 5.0)
    ax = axes[0, 0]
    ax.axhline(0, color="0.3", linewidth=1)
    ax.axvline(0, color="0.3", linewidth=1)
    ax.axline((0, 0), slope=1, color="0.6", linestyle=":")
    told, right = rows["told"], rows["right"]
    verdicts: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("no verdict", ~told, {"marker": ".", "alpha": 0.3}),
        ("right", told & right, {"marker": "o", "markersize": 6, "alpha": 0.8}),
        ("wrong", told & ~right, {"marker": "x", "markersize": 9, "markeredgewidth": 2.5}),
    )
    for verdict, judged, looks in verdicts:
        ax.plot([], [], color=DARK, linestyle="", label=f"{verdict} ({judged.sum()})", **looks)
        for _, group, colour, _ in _by_noise(rows[judged]):
            ax.plot(group["predicted"], group["gain"], color=colour, linestyle="", **looks)
    ax.plot([], [], "s", color=ACCENT, label="noise by image")
    _logarithmic(ax)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks(TICKS, _signed(TICKS))
    ax.set_xlim(1.3 * TICKS[0], 1.3 * TICKS[-1])
    ax.set(xlabel="predicted from held-out noisy labels (points)", ylabel=GAIN)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _by_noise(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame, Any, str]]:
    """Rows by kind of noise, each with its name, colour and marker."""
    imaged = rows["noise"].map(by_image).astype(bool)  # of no rows, too
    return [("noise by class", rows[~imaged], DARK, "s"), ("noise by image", rows[imaged], ACCENT, "o")]


def _logarithmic(ax: Axes) -> None:
    """Gains on a scale that is logarithmic beyond a point."""
    ax.set_yscale("symlog", linthresh=1)
    ax.set_yticks(TICKS, _signed(TICKS))
    ax.set_ylim(TICKS[0], TICKS[-1])


def _name_outliers(ax: Axes, rows: pd.DataFrame, bound: float) -> None:
    """Write beside the cells far from 0 what they are, those of the smallest margins to the left and apart."""
    cells = rows.groupby(RULED_ON, sort=False)[["margin", "gain"]].mean().reset_index()
    several = cells["training"].nunique() > 1
    far = cells[cells["gain"].abs() > FAR].groupby(["training", "model", "noise"], sort=False)[["margin", "gain"]]
    named = far.mean().sort_values("gain").reset_index()
    leftwards = (named["margin"] >= 0) & (named["margin"] < bound / 2)
    for left, side in named.groupby(leftwards):
        points = ax.transData.transform([(0, gain) for gain in side["gain"]])
        heights = spaced(ax.transAxes.inverted().transform(points)[:, 1], 0.06)
        for cell, height in zip(side.to_dict("records"), heights, strict=True):
            margin = cell["margin"]
            x = -0.03 if left else bound + 0.03 if margin > 0 else margin + 0.04
            name = f"{MODEL_TITLES[cell['model']]}, {noise_title(cell['noise'])}"
            ax.annotate(
                f"{name}, {cell['training']}" if several else name, (margin, cell["gain"]), (x, height),
                textcoords=("data", "axes fraction"), fontsize=8, va="center", ha="right" if left else "left",
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.7, "relpos": (float(left), 0.5)},
            )  # fmt: skip


def _signed(ticks: Sequence[int]) -> list[str]:
    return [f"{tick:+d}" if tick else "0" for tick in ticks]
