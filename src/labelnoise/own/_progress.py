"""How far a training is: a bar with its phase and the time left."""

from __future__ import annotations

import io
import sys

from tqdm import tqdm


class Progress:
    """On stderr: on a terminal as a bar, else as a line for every tenth of the epochs.

    Args:
        total: epochs of all networks together.
    """

    def __init__(self, total: int) -> None:
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
