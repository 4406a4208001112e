"""What goes to a terminal: sentences, a report, and how far a training is."""

from __future__ import annotations

import io
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from labelnoise.own.report import Report

WIDTH = 100
WHOLE_T = 10  # classes up to which all of T is shown
SHOWN = 10  # rows of a table


def printable(text: str) -> str:
    """A text with nothing in it that could steer a terminal, as a name of a class or a file could."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def lines(sentences: Iterable[str]) -> str:
    """Each sentence in lines of its own."""
    return printable("\n".join(textwrap.fill(sentence, WIDTH) for sentence in sentences))


def as_text(report: Report) -> str:
    """A report for a terminal: all of T of up to `WHOLE_T` classes, of more only what stands out."""
    import pandas as pd

    from labelnoise.own.report import advice, headline, parts, shown
    from labelnoise.own.suggestions import few, rule

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


class Progress:
    """On stderr: on a terminal as a bar, else as a line for every tenth of the epochs.

    Args:
        total: epochs of all networks together.
    """

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="epoch", file=sys.stderr if self._terminal else io.StringIO())

    def phase(self, name: str) -> None:
        """What is being done from here on."""
        self._bar.set_description(name)

    def epoch(self) -> None:
        """One more is done."""
        bar = self._bar
        bar.update()
        if not self._terminal and bar.n * 10 // bar.total > (bar.n - 1) * 10 // bar.total:
            print(bar, file=sys.stderr, flush=True)
        if bar.n == bar.total:
            bar.close()
