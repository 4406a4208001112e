"""What can be told a user of an estimated T: its numbers, what stands out, and what that means."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import scipy.optimize
from numpy.typing import NDArray

import labelnoise
from labelnoise.errors import InputError
from labelnoise.estimators import Bounds, combined
from labelnoise.estimators.rule import BOUND, DISAGREEMENT, gain_resolution, leads, slope, verdict
from labelnoise.own.suggestions import THRESHOLD, changes
from labelnoise.statistics import Interval
from labelnoise.training import VALIDATION_SHARE
from labelnoise.transitions import Matrix, noise_rate

WRITTEN = 200  # classes up to which T stands in the JSON and as a heatmap; of more it goes to `ARRAYS`
ARRAYS = "transition_matrix.npz"
LISTED = 1000  # confusions in the JSON


@dataclass(frozen=True)
class Report:
    """An estimated T and the labels it is of.

    Attributes:
        title: what was done, in a line.
        class_names: one name per class.
        label_counts: samples that bear each label, shape (n_classes,).
        bounds: T with an interval of 95 % for each entry.
        notes: what the numbers rest on.
        suggestions: as `ranked` gives them, the clearest first.
        gain: what training gained over cross-entropy, a fraction, by noisy labels that were held out; None if untold.
        decisions: what was decided about the files that were read.
        warnings: what casts doubt on the numbers, each with what to do.
        threshold: the probability of being wrong above which a label is changed.
    """

    title: str
    class_names: tuple[str, ...]
    label_counts: NDArray[np.int64]
    bounds: Bounds
    notes: tuple[str, ...]
    suggestions: pd.DataFrame
    gain: Interval | None = None
    decisions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    threshold: float = THRESHOLD

    @cached_property
    def clean_shares(self) -> NDArray[np.float64]:
        """P(clean), shape (n_classes,)."""
        return clean_shares(self.bounds.estimate, self.label_counts)

    @property
    def noise_rate(self) -> float:
        """P(noisy != clean)."""
        return noise_rate(self.bounds.estimate, self.clean_shares)

    def classes(self) -> pd.DataFrame:
        """One row per class: its name, samples labelled so, and P(noisy != i | clean = i) with its interval."""
        estimate, low, high = (1 - each.diagonal() for each in parts(self.bounds))
        columns = {"class": self.class_names, "labels": self.label_counts, "noise_rate": estimate}
        return pd.DataFrame({**columns, "low": high, "high": low})

    def confusions(self) -> pd.DataFrame:
        """The entries of T off the diagonal that stand out, those of most samples first.

        Their interval lies above what each label would get if the flips of the class were spread evenly. A row has the
        names of the clean class and the label, T[i, j] with its interval, and about how many samples these are.
        """
        estimate, low, high = parts(self.bounds)
        even = (1 - estimate.diagonal()) / (len(estimate) - 1)
        i, j = np.nonzero((low > even[:, None]) & ~np.eye(len(estimate), dtype=bool))
        samples = self.label_counts.sum() * self.clean_shares[i] * estimate[i, j]
        names = np.array(self.class_names, dtype=object)
        columns = {"clean": names[i], "label": names[j], "share": estimate[i, j], "low": low[i, j], "high": high[i, j]}
        found = pd.DataFrame({**columns, "samples": samples.round().astype(int)})
        return found.sort_values("samples", ascending=False, kind="stable", ignore_index=True)


def parts(bounds: Bounds) -> tuple[Matrix, Matrix, Matrix]:
    return bounds.estimate, bounds.low, bounds.high


def clean_shares(transition_matrix: Matrix, label_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The P(clean), shape (n_classes,), for which ``P(clean) @ T`` is nearest to the shares of the labels."""
    of_labels = label_counts / label_counts.sum()
    with contextlib.suppress(np.linalg.LinAlgError):
        shares = np.linalg.solve(transition_matrix.T, of_labels)
        if shares.min() >= 0:  # the nearest of all, and of thousands of classes found much sooner
            return shares / shares.sum()
    shares, _ = scipy.optimize.nnls(transition_matrix.T, of_labels)
    return shares / shares.sum()


def at_least_counted(matrix: Matrix, deviation: Matrix, label_counts: NDArray[np.int64]) -> Bounds:
    """T with 95 % intervals from deviations that are nowhere below those of counting known flips.

    That is the limit of every estimator: ``sqrt(p (1 - p) / n)`` for a class of n samples, with p moved towards 1/2 by
    a sample each way (Agresti and Coull 1998, The American Statistician 52, 119-126). A bootstrap says less of an entry
    that rests on few samples, and 0 of one that is 0. All but the counts of shape (n_classes, n_classes).
    """
    n = np.maximum(label_counts.sum() * clean_shares(matrix, label_counts), 1)[:, None]
    moved = (matrix * n + 1) / (n + 2)
    return combined(matrix[None], np.maximum(deviation, np.sqrt(moved * (1 - moved) / n)))


def headline(report: Report) -> str:
    """How many labels are wrong, in which classes most and least, and which confusion stands out."""
    classes = report.classes().sort_values("noise_rate", kind="stable")
    least, most = (
        f"{100 * row['noise_rate']:.1f} % of class {row['class']}" for _, row in classes.iloc[[0, -1]].iterrows()
    )
    text = f"About {100 * report.noise_rate:.1f} % of the labels are wrong, from {least} to {most}."
    for _, row in report.confusions().head(1).iterrows():
        text += f" What stands out most is class {row['clean']} labelled {row['label']}, {100 * row['share']:.1f} %."
    return text


def advice(report: Report) -> list[str]:
    """Two texts: what T says of training without correction, and whether correction gains or how to find out."""
    return [_of_classes(report), _of_gain(report)]


def _of_classes(report: Report) -> str:
    lead = leads(report.bounds.estimate)
    beaten = [report.class_names[i] for i in np.flatnonzero(lead <= 0)]
    if not beaten:
        return (
            f"By this estimate the right label leads the next one by {lead.min():.2f} or more in every class. In the "
            f"book's trainings correction changed little where the lead was above {BOUND:g}, and mostly gained where "
            "it was below. Where errors depend on the sample, an estimate can miss a class in which another label "
            "leads."
        )
    listed = ", ".join(beaten[:5]) + (f" and {len(beaten) - 5} more" if len(beaten) > 5 else "")
    return (
        f"In {len(beaten)} of {len(lead)} classes ({listed}) another label is at least as frequent as the right one. "
        "Trained without correction, a network learns the wrong class there. First make sure that the columns of the "
        "probabilities are in the order of the labels, and look at some of these samples."
    )


def _of_gain(report: Report) -> str:
    matrix, gain = report.bounds.estimate, report.gain
    try:
        per_point = slope(matrix)
    except InputError as error:
        return f"{error} Whether correction gains, only clean labels can say."
    if gain is not None:
        mean, low, high = (_signed(100 * value) for value in (gain.mean, gain.low, gain.high))
        said = {"gain": "a gain", "loss": "a loss", "can't tell": "within chance"}[verdict(gain.mean, gain.half_width)]
        return (
            f"By the {gain.n:,} noisy labels that were held out, the accuracy of this network differs from that of one "
            f"trained with cross-entropy by {mean} points ({low} to {high}, n = {gain.n}): {said}."
        )
    held_out = max(round(VALIDATION_SHARE * int(report.label_counts.sum())), 1)
    told = gain_resolution(held_out, matrix)
    return (
        f"To find out whether correction gains, hold {held_out:,} of the samples out, train with and without it, and "
        "compare how often the two networks agree with the held-out labels. The difference divided by "
        f"{per_point:.2f}, for this T, is the gain in clean accuracy. With so many labels "
        + (f"a gain of {100 * told:.1f} points or more" if told < 1 else "no gain")
        + f" can be told from chance, if on {100 * DISAGREEMENT:.0f} % of them just one of the networks agrees; see "
        "the book on when to correct."
    )


def _signed(value: float) -> str:
    """A difference with its sign; one that rounds to 0 has none, as it could be on either side."""
    text = f"{value:+.1f}"
    return text[1:] if float(text) == 0 else text


def shown(table: pd.DataFrame, share: str) -> pd.DataFrame:
    """A table with a share and its interval in one column of text, in %."""
    texts = [f"{a:.1f} % ({b:.1f} to {c:.1f})" for a, b, c in 100 * table[[share, "low", "high"]].to_numpy()]
    text = table.assign(**{share: texts}).drop(columns=["low", "high"])
    return text.rename(columns=lambda name: name.replace("_", " "))


def as_json(report: Report) -> dict[str, Any]:
    """A report as JSON has it; probabilities to six digits."""
    named = dict(zip(("transition_matrix", "low", "high"), parts(report.bounds), strict=True))
    whole = len(report.class_names) <= WRITTEN
    return {
        "labelnoise": labelnoise.__version__,
        "title": report.title,
        "noise_rate": round(report.noise_rate, 6),
        "classes": report.classes().round(6).to_dict("records"),
        "confusions": report.confusions().head(LISTED).round(6).to_dict("records"),
        "advice": advice(report),
        "cleaned": {"threshold": report.threshold, "changed": len(changes(report.suggestions, report.threshold))},
        "gain": report.gain and {end: round(getattr(report.gain, end), 6) for end in ("mean", "low", "high")},
        "warnings": list(report.warnings),
        "decisions": list(report.decisions),
        "notes": list(report.notes),
        **({name: matrix.round(6).tolist() for name, matrix in named.items()} if whole else {"arrays": ARRAYS}),
    }


def as_arrays(report: Report) -> dict[str, bytes]:
    """T and its bounds as the content of an .npz by its name, if there are too many classes for JSON; else nothing."""
    if len(report.class_names) <= WRITTEN:
        return {}
    file, (estimate, low, high) = io.BytesIO(), (each.astype(np.float32) for each in parts(report.bounds))
    np.savez_compressed(file, transition_matrix=estimate, low=low, high=high)
    return {ARRAYS: file.getvalue()}
