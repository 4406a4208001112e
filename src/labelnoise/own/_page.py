"""A report as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import matplotlib.image
import numpy as np
import pandas as pd

from labelnoise.own._report import Report, advice, headline, shown
from labelnoise.transitions import Matrix

PRINTED = 30  # classes up to which a heatmap has its numbers in it
LISTED = 1000  # rows of a table

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #ccc; --heat: #2a78c2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c; --line: #444; --heat: #4a9be8; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; max-height: 40rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: right; }
th { font-weight: 600; text-align: left; max-width: 16rem; overflow-wrap: break-word; }
td { white-space: nowrap; }
.heat td { background: color-mix(in srgb, var(--heat) calc(var(--share) * 70%), transparent); }
small { display: block; opacity: .85; white-space: nowrap; }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem; }
figure { margin: 0; width: 7rem; font-size: .75rem; }
img { width: 100%; max-width: 48rem; image-rendering: pixelated; border: 1px solid var(--line); }
"""


def page(report: Report, more: str = "") -> bytes:
    """The page, light or dark as the reader's system is.

    Args:
        report: what it says.
        more: HTML that is put before the notes.
    """
    bounds, names = report.bounds, report.class_names
    flips = np.where(np.eye(len(names), dtype=bool), 0, bounds.estimate)
    parts = [
        f"<h1>{html.escape(report.title)}</h1>",
        f"<p>{html.escape(headline(report))}</p>",
        *(f"<p>{html.escape(text)}</p>" for text in advice(report)),
        "<h2>T: of each clean class (row), the share that bears each label (column), in %</h2>",
        heatmap(bounds.estimate, names, bounds.low, bounds.high),
        "<h2>Flips alone: T without its diagonal, in %</h2>",
        heatmap(flips, names),
        "<h2>Noise rate of each class</h2>",
        table(shown(report.classes(), "noise_rate")),
        "<h2>Confusions that stand out from flips spread evenly</h2>",
        table(shown(report.confusions(), "share")),
        more,
        "<h2>What these numbers rest on</h2>",
        *(f"<p>{html.escape(text)}</p>" for text in report.notes),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    title = f"<title>{html.escape(report.title)}</title><style>{STYLE}</style>"
    return f'<!DOCTYPE html><html lang="en">{head}{title}{"".join(parts)}</html>\n'.encode()


def table(frame: pd.DataFrame) -> str:
    """A table, of at most `LISTED` rows."""
    text = frame.to_html(index=False, border=0, max_rows=LISTED, show_dimensions=len(frame) > LISTED)
    return "<p>None.</p>" if frame.empty else f'<div class="wide">{text}</div>'


def heatmap(matrix: Matrix, names: Sequence[str], low: Matrix | None = None, high: Matrix | None = None) -> str:
    """T on a scale from 0 to its largest entry: as a table with the intervals in it, or of many classes as an image."""
    scaled = matrix / max(matrix.max(), 1e-12)
    if len(names) > PRINTED:
        file = io.BytesIO()
        matplotlib.image.imsave(file, scaled**0.5, cmap="viridis", vmin=0, vmax=1, format="png")
        data = base64.b64encode(file.getvalue()).decode()
        alt = f"Heatmap of {len(names)} by {len(names)} classes; the largest entry, in yellow, is {matrix.max():.3g}."
        return f'<img alt="{alt}" src="data:image/png;base64,{data}"><p>{alt} Colours follow the square root.</p>'
    rows = "<tr><th></th>" + "".join(f"<th>{html.escape(name)}</th>" for name in names)
    for i, name in enumerate(names):
        rows += f"<tr><th>{html.escape(name)}</th>"
        for j, share in enumerate(matrix[i]):
            ends = "" if low is None or high is None else f"{100 * low[i, j]:.1f} to {100 * high[i, j]:.1f}"
            rows += f'<td style="--share: {scaled[i, j]:.3f}">{100 * share:.1f}<small>{ends}</small></td>'
    return f'<div class="wide"><table class="heat">{rows}</table></div>'
