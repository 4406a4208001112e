"""How far a sweep has come, and how that is shown."""

from __future__ import annotations

import itertools
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelnoise.trials._trial import Record, Trial


@dataclass(frozen=True)
class Progress:
    """How far a sweep has come.

    Attributes:
        done, failed, running, total: numbers of trials, those on record before not counted.
        seconds_left: an estimate, or None before the first trial is finished.
    """

    done: int
    failed: int
    running: int
    total: int
    seconds_left: float | None

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", about {duration(self.seconds_left)} left"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} trials done{failed}, {self.running} running{left}"


def duration(seconds: float) -> str:
    """Seconds for people: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def on_terminal(progress: Progress) -> None:
    """Show progress on stderr: a bar that changes on a terminal, else a line for each change."""
    if not sys.stderr.isatty():
        print(progress, file=sys.stderr, flush=True)
        return
    from tqdm import tqdm

    ended = progress.done + progress.failed
    width = shutil.get_terminal_size().columns
    bar = tqdm.format_meter(ended, progress.total, 0, ncols=width - 1, bar_format=f"{progress} |{{bar}}|")
    print(f"\r\033[K{bar}", end="\n" if ended == progress.total else "", file=sys.stderr, flush=True)


class Tally:
    """What has come so far of the trials of a sweep, of which some run at once."""

    def __init__(self, trials: Iterable[Trial], workers: int) -> None:
        self.left = set(trials)
        self.total = len(self.left)
        self.workers = workers
        self.failed: list[Record] = []  # of those that ran
        self._done = 0
        self._epoch_seconds: dict[tuple[str, str], list[float]] = defaultdict(list)  # by data set and model

    def add(self, record: Record, ended: Iterable[Trial]) -> None:
        """Count a record, and all trials that end with it: its own, and if it failed those that needed it."""
        self.left.difference_update(ended)
        if record.complete:
            self._done += 1
            asked = record.trial
            self._epoch_seconds[asked.dataset, asked.model].append(record.seconds / asked.settings.epochs)
        else:
            self.failed.append(record)

    def progress(self) -> Progress:
        """Where the sweep stands; an epoch is taken to last as long as those of its data set and model before."""
        seconds = None
        if self._done:
            mean = {kind: statistics.fmean(each) for kind, each in self._epoch_seconds.items()}
            of_others = statistics.fmean(itertools.chain(*self._epoch_seconds.values()))
            seconds = sum(mean.get((t.dataset, t.model), of_others) * t.settings.epochs for t in self.left)
            seconds /= self.workers
        failed = self.total - self._done - len(self.left)
        return Progress(self._done, failed, min(self.workers, len(self.left)), self.total, seconds)
