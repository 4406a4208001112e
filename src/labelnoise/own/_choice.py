"""Which of several networks is handed over: the one that noisy labels prefer which none of them has learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelnoise.estimators import Floats
from labelnoise.noise import Labels
from labelnoise.statistics import Interval, interval
from labelnoise.training import method

ERRORS = 1.96  # standard errors by which a network must be ahead of one that is preferred to it without evidence
ROUGH = 0.6  # the sum of the standard errors of a row of T, from which a network without T comes first
USUAL = "it mostly is the better one and so few labels can't tell"


@dataclass(frozen=True)
class Shown:
    """What a network says of images that were held out.

    Attributes:
        method: by which it was trained.
        epoch: after which it is, from 0.
        probs: of the classes, shape (n, n_classes).
    """

    method: str
    epoch: int
    probs: Floats


@dataclass(frozen=True)
class Score:
    """How one network fared.

    Attributes:
        method: by which it was trained.
        agreement: the share of the noisy labels held out that it predicts.
        ahead: by how much that of the chosen network is larger, with its 95 % interval; None for that one.
    """

    method: str
    agreement: float
    ahead: Interval | None


@dataclass(frozen=True)
class Choice:
    """What was compared, on how many labels, and how it came out.

    Attributes:
        scores: the network that was taken first, then the others in the order of preference.
        n_held_out: noisy labels that they were compared on.
        clear: whether the labels prefer it to all others; else it is the first of those that they can't tell apart.
        left_out: methods that were not tried, each with the reason as the end of a sentence.
        because: why the first is preferred where the labels can't tell, as the end of a sentence.
    """

    scores: tuple[Score, ...]
    n_held_out: int
    clear: bool
    left_out: tuple[tuple[str, str], ...] = ()
    because: str = USUAL

    @property
    def method(self) -> str:
        """The one that was taken."""
        return self.scores[0].method

    def __str__(self) -> str:
        first, *others = self.scores
        title = method(first.method).title
        text = f"Of {self.n_held_out:,} noisy labels that were held out, "
        text += f"{title} ({first.method}) predicts {100 * first.agreement:.1f} %"
        for score in others:
            assert score.ahead is not None
            mean, low, high = (100 * end for end in (score.ahead.mean, score.ahead.low, score.ahead.high))
            text += f", {method(score.method).title} {100 * score.agreement:.1f} % "
            text += f"({mean:+.1f} points for the first, {low:+.1f} to {high:+.1f})"
        if first.agreement < max(score.agreement for score in self.scores):
            text += f". The first was taken, as {self.because}."
        elif self.clear:
            text += ". The first was taken."
        else:
            text += ". The first was taken, though chance may have put it ahead."
        for name, reason in self.left_out:
            text += f" {method(name).title} ({name}) was left out, as {reason}."
        return text


def in_order(names: Sequence[str], deviation: Floats) -> tuple[list[str], str]:
    """Methods as they are preferred where labels can't tell, and why, as the end of a sentence.

    Args:
        names: of methods, as they are preferred where T is known well.
        deviation: the standard error of each entry of T, shape (n_classes, n_classes).
    """
    if (error := float(deviation.sum(axis=1).mean())) > ROUGH:
        first = [name for name in names if not method(name).needs_transition]
        reason = f"T is known only roughly, its entries in a row to {error:.1f} in all, and so few labels can't tell"
        return [*first, *(name for name in names if name not in first)], reason
    return list(names), USUAL


def choose(
    shown: Sequence[Shown], noisy_labels: Labels, left_out: tuple[tuple[str, str], ...] = (), because: str = USUAL
) -> Choice:
    """The network that predicts most of the noisy labels, or one that is preferred and not clearly behind it.

    Under noise by class, with the right label the most frequent in every class, the classifier that agrees most with
    noisy labels is the most accurate one (Chen et al. 2021, arXiv:2012.04193), whether it predicts clean or noisy ones.

    Args:
        shown: in the order of preference without evidence.
        noisy_labels: of the images held out, shape (n,).
        left_out, because: as `Choice` has them.
    """
    hits = [(each.probs.argmax(axis=1) == noisy_labels).astype(float) for each in shown]
    n = len(noisy_labels)
    best = max(hits, key=np.mean)  # of several the first
    behind = [interval(best - each) for each in hits]
    taken = next(k for k, each in enumerate(behind) if each.mean <= ERRORS * each.deviation / n**0.5)
    scores = [Score(shown[taken].method, float(hits[taken].mean()), None)]
    for k, each in enumerate(shown):
        if k != taken:
            scores.append(Score(each.method, float(hits[k].mean()), interval(hits[taken] - hits[k])))
    return Choice(tuple(scores), n, all(s.ahead.low > 0 for s in scores if s.ahead), left_out, because)
