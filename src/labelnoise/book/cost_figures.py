"""Figures of what trials cost."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from labelnoise.book.style import PALETTE, name_rows, new_axes, styled
from labelnoise.book.tables import where


@styled
def throughput(rates: pd.DataFrame) -> Figure:
    """Images trained per second, a panel per network: every round a dot, bars at the medians.

    Args:
        rates: as `costs.throughput` gives it.
    """
    networks, ways = (rates[name].unique().tolist() for name in ("network", "way"))
    figure, axes = new_axes(rates, 1, len(networks), 4.2 * len(networks), 2.6, sharey=True)
    for ax, (network, cell) in zip(axes[0], rates.groupby("network", sort=False), strict=True):
        for k, way in enumerate(ways):
            values = where(cell, way=way)["images_a_second"]
            ax.barh(k, values.median(), color=PALETTE[k], alpha=0.75)
            ax.plot(values, [k] * len(values), "o", color="0.2", markersize=3)
        ax.set(title=network, xlabel="images per second")
    name_rows(axes, ways)
    return figure


@styled
def profile(milliseconds: pd.DataFrame) -> Figure:
    """Show where a training step's time goes, with one stacked bar per network and way.

    Args:
        milliseconds: as `costs.profile` gives it.
    """
    networks, ways = (milliseconds.index.unique(level).tolist() for level in (0, 1))
    drawn = milliseconds.rename_axis(["network", "way"]).reset_index()
    figure, axes = new_axes(drawn, 1, len(networks), 4.6 * len(networks), 3.0, sharey=True)
    for ax, network in zip(axes[0], networks, strict=True):
        cell = milliseconds.loc[network].reindex(ways)
        starts = cell.cumsum(axis=1) - cell
        for k, kind in enumerate(cell.columns):
            ax.barh(range(len(ways)), cell[kind], left=starts[kind], color=PALETTE[k], label=kind)
        ax.set(title=network, xlabel="milliseconds per step")
    name_rows(axes, ways)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


@styled
def scaling(curves: Mapping[str, Mapping[str, Any]], panels: Mapping[str, Sequence[str]]) -> Figure:
    """Seconds against size on logarithmic axes, with the fitted exponents in the legends.

    Args:
        curves: name to ``sizes``, ``seconds`` and ``exponent``.
        panels: x axis title to the names of the curves drawn there.
    """
    drawn = pd.concat([pd.DataFrame({"curve": name, **curves[name]}) for name in itertools.chain(*panels.values())])
    figure, axes = new_axes(drawn, -(-len(panels) // 2), 2, 8.4, 2.9 * -(-len(panels) // 2))
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (title, names) in zip(axes.flat, panels.items(), strict=False):
        for k, name in enumerate(names):
            curve = curves[name]
            kind = f"{name.partition(', ')[2]}, " if len(names) > 1 else ""
            label = f"{kind}exponent {curve['exponent']:.2f}"
            ax.plot(curve["sizes"], curve["seconds"], "o-", color=PALETTE[k], label=label)
        ax.set(xscale="log", yscale="log", xlabel=title, ylabel="seconds")
        ax.set_xticks(curve["sizes"], [f"{size:,}" for size in curve["sizes"]])
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, high / 4), high * 1.5)  # a flat curve must look flat
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_formatter(NullFormatter())
        ax.legend(fontsize=8, loc="upper left")
    return figure
