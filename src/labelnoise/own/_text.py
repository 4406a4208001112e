"""A report for a terminal."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd

from labelnoise.own._terminal import WIDTH, printable
from labelnoise.own.report import Report, advice, headline, parts, shown
from labelnoise.own.suggestions import few, rule

WHOLE_T = 10  # classes up to which all of T is shown
SHOWN = 10  # rows of a table


def as_text(report: Report) -> str:
    """A report for a terminal: all of T of up to `WHOLE_T` classes, of more only what stands out."""
    names, (estimate, low, high) = list(report.class_names), parts(report.bounds)
    classes, found, of_all = report.classes(), shown(report.confusions(), "share"), ""
    said = [*(textwrap.fill(f"WARNING: {text}", WIDTH) for text in report.warnings)]
    said += [report.title, textwrap.fill(headline(report), WIDTH)]
    clearest = few(report.suggestions)
    said += [f"Labels that are likely wrong, the clearest first{': none' if clearest.empty else ''}"]
    said += [] if clearest.empty else [_table(clearest)]
    said += [textwrap.fill(rule(report.suggestions, report.threshold), WIDTH)]
    if len(names) <= WHOLE_T:
        half = np.maximum(high - estimate, estimate - low)  # one side may be cut off at 0 or 1
        frame = pd.DataFrame(np.vectorize("{:.1f} ± {:.1f}".format)(100 * estimate, 100 * half), columns=names)
        frame.insert(0, "", names)
        said += ["T in %, with 95 % intervals; rows are clean classes, columns labels", _table(frame)]
    else:
        classes = classes.sort_values("noise_rate", ascending=False).head(SHOWN)
        of_all = f", the highest of {len(names)}"
    said += [f"Noise rate of the classes{of_all}", _table(shown(classes, "noise_rate"))]
    more = ": none" if found.empty else f", {SHOWN} of {len(found)}" if len(found) > SHOWN else ""
    said += [f"Confusions that stand out from flips spread evenly{more}"]
    said += [] if found.empty else [_table(found.head(SHOWN))]
    said += [textwrap.fill(text, WIDTH) for text in (*advice(report), *report.notes)]
    return printable("\n\n".join(said))


def _table(frame: pd.DataFrame) -> str:
    return frame.map(lambda cell: str(cell)[:40]).to_string(index=False)
